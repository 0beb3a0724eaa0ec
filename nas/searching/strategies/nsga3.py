"""NSGA-III (Deb & Jain, 2014)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from nas.base.errors import NasError
from nas.searching.problem import Problem
from nas.searching.strategies.genetic import Genetic

PARTITIONS = {1: 1, 2: 99, 3: 12}
"""Divisions of the simplex for so many objectives: the paper's for three; for two as fine a front of 100 directions."""


class Nsga3(Genetic):
    """Keeps the members of the last front that are nearest to reference directions which few others are near."""

    summary = "as nsga2, with reference directions in the place of crowding; for three objectives"
    source = "Deb & Jain, An Evolutionary Many-Objective Optimization Algorithm, Part I (NSGA-III), 2014"
    origins: ClassVar[Mapping[str, str]] = MappingProxyType({"mutation": "1 / decisions, as in the paper"})
    stream = "nsga3"

    def __init__(
        self,
        problem: Problem,
        seed: int,
        population: Annotated[
            int | None,
            Field(ge=2, description="architectures in a generation; none for the directions, made a multiple of four"),
        ] = None,
        partitions: Annotated[
            int | None, Field(ge=1, description="divisions of each axis of the simplex; none for 12 (99 for two objectives)")
        ] = None,
        crossover: Annotated[float, Field(ge=0, le=1, description="probability with which two parents are crossed")] = 1.0,
        mutation: Annotated[
            float | None,
            Field(ge=0, le=1, description="probability with which a decision is drawn anew; none for 1 / decisions"),
        ] = None,
    ) -> None:
        objectives = len(problem.objectives)
        self.directions = reference_directions(objectives, partitions or PARTITIONS[objectives])
        count = len(self.directions)
        if population is not None and population < count:
            raise NasError(
                f"NSGA-III keeps one architecture for each of {count} directions; given population={population}: set it to "
                f"at least {count}, or partitions to fewer"
            )
        super().__init__(problem, seed, population or max(4, -(-count // 4) * 4), crossover, mutation)

    def algorithm(self, **operators: Any) -> Any:
        """See `Genetic`."""
        from pymoo.algorithms.moo.nsga3 import NSGA3, comp_by_cv_then_random
        from pymoo.operators.selection.tournament import TournamentSelection

        # pymoo makes one selection for all its NSGA-III and lets it carry state from one search to the next.
        selection = TournamentSelection(func_comp=comp_by_cv_then_random)
        return NSGA3(self.directions, pop_size=self._size, selection=selection, **operators)


def reference_directions(objectives: int, partitions: int) -> np.ndarray:
    """(N, M) points of the unit simplex at equal distances (Das & Dennis, 1998), each summing to 1."""

    def points(left: int, axes: int) -> list[list[int]]:
        if axes == 1:
            return [[left]]
        return [[first, *rest] for first in range(left + 1) for rest in points(left - first, axes - 1)]

    return np.array(points(partitions, objectives), dtype=np.float64) / partitions
