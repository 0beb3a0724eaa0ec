"""NSGA-II (Deb et al., 2002) with the figures of NSGA-Net (Lu et al., 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from pydantic import Field

from nas.searching.problem import Problem
from nas.searching.strategies.genetic import Genetic


class Nsga2(Genetic):
    """Ranks by fronts, and within a front by crowding; parents win binary tournaments by the same key."""

    summary = "a genetic algorithm for one to three objectives: fronts, then crowding"
    source = "Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, 2002"
    origins: ClassVar[Mapping[str, str]] = MappingProxyType({"population": "Lu et al., NSGA-Net, 2019"})
    stream = "nsga2"

    def __init__(
        self,
        problem: Problem,
        seed: int,
        population: Annotated[int, Field(ge=2, description="architectures in a generation, and that survive it")] = 40,
        crossover: Annotated[float, Field(ge=0, le=1, description="probability with which two parents are crossed")] = 0.9,
        mutation: Annotated[
            float | None,
            Field(ge=0, le=1, description="probability with which a decision is drawn anew; none for 1 / decisions"),
        ] = None,
    ) -> None:
        super().__init__(problem, seed, population, crossover, mutation)

    def algorithm(self, **operators: Any) -> Any:
        """See `Genetic`."""
        from pymoo.algorithms.moo.nsga2 import NSGA2

        return NSGA2(pop_size=self._size, **operators)
