"""pymoo's operators on integer rows: sampling, crossover, mutation, repair and duplicate elimination by the space's own rules.

Imported by the strategies that need them when they begin, since pymoo takes half a second.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pymoo.core.crossover import Crossover
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.mutation import Mutation
from pymoo.core.repair import Repair
from pymoo.core.sampling import Sampling

from nas.architectures.decisions import Rows
from nas.architectures.sampling import descend, violations
from nas.searching.fresh import Fresh
from nas.searching.problem import Problem


def as_rows(codes: Any) -> Rows:
    """What pymoo holds as the rows of this project."""
    return np.asfortranarray(np.asarray(codes), dtype=np.uint8)


class LegalSampling(Sampling):  # type: ignore[misc]
    """Random architectures that keep the bounds."""

    def __init__(self, space: Problem) -> None:
        super().__init__()
        self.space = space

    def _do(self, problem: Any, n_samples: int, *args: Any, random_state: Any = None, **kwargs: Any) -> Rows:
        return self.space.sample(random_state, n_samples)


class UniformCrossover(Crossover):  # type: ignore[misc]
    """Two children of two parents, each with each decision from either; a grammar exchanges sub-trees."""

    def __init__(self, space: Problem, probability: float) -> None:
        super().__init__(2, 2, prob=probability)
        self.space = space

    def _do(self, problem: Any, X: Any, *args: Any, random_state: Any = None, **kwargs: Any) -> Any:
        first, second = as_rows(X[0]), as_rows(X[1])
        crossover = self.space.decisions.crossover
        return np.stack([crossover(first, second, random_state), crossover(second, first, random_state)])


class RedrawnMutation(Mutation):  # type: ignore[misc]
    """Each decision is drawn anew with a probability."""

    def __init__(self, space: Problem, probability: float) -> None:
        super().__init__(prob=1.0)
        self.space, self.probability = space, probability

    def _do(self, problem: Any, X: Any, *args: Any, random_state: Any = None, **kwargs: Any) -> Rows:
        return self.space.decisions.mutate(as_rows(X), random_state, self.probability)


class IntoBounds(Repair):  # type: ignore[misc]
    """Changes one decision at a time until the bounds are kept."""

    def __init__(self, space: Problem) -> None:
        super().__init__()
        self.space = space

    def _do(self, problem: Any, X: Any, *args: Any, random_state: Any = None, **kwargs: Any) -> Rows:
        rows, bounds = as_rows(X), self.space.limits
        broken = np.flatnonzero(~self.space.legal(rows))
        if len(broken):
            repaired = descend(self.space.decisions, random_state, rows[broken], lambda found: violations(bounds, found), 0.0)
            rows[broken] = repaired
        return rows


class Unseen(DuplicateElimination):  # type: ignore[misc]
    """Keeps what is legal and was never evaluated, each once."""

    def __init__(self, fresh: Fresh) -> None:
        super().__init__()
        self.fresh = fresh

    def do(self, pop: Any, *args: Any, to_itself: bool = True) -> Any:
        """The members of a population that may be evaluated."""
        if not len(pop):
            return pop
        return pop[self.fresh.positions(as_rows(pop.get("X")))]
