"""Hyperband (Li et al., 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from nas.architectures.decisions import Rows
from nas.base.seeds import generator
from nas.searching.arrays.sorting import best
from nas.searching.history import History
from nas.searching.problem import Problem
from nas.searching.strategies.batches import Batches


@dataclass(frozen=True)
class Rung:
    """One round of successive halving: so many architectures, each given `resource` of the maximum."""

    architectures: int
    resource: float


def brackets(maximum: int, eta: int) -> list[list[Rung]]:
    """The rungs of each bracket, the most aggressive bracket first.

    Args:
        maximum: R, the most resource that an architecture is given.
        eta: of so many architectures one goes on to the next rung, with so many times the resource.
    """
    most = 0
    while eta ** (most + 1) <= maximum:
        most += 1
    found = []
    for s in range(most, -1, -1):
        # ceil((most + 1) * eta^s / (s + 1)), in whole numbers
        count = -(-(most + 1) * eta**s // (s + 1))
        found.append([Rung(count // eta**i, maximum * eta**i / eta**s) for i in range(s + 1)])
    return found


class Hyperband(Batches):
    """Many architectures with little of an evaluation, the best of them with more, in brackets from bold to cautious.

    The resource is the evaluation's fidelity: validation images and calibration batches of a supernet, training steps of
    networks that are trained one by one. `--evaluations` counts full evaluations. When all brackets are done they
    begin again with other architectures.
    """

    summary = "scores many architectures with few images or epochs, and the best of them with more"
    source = "Li et al., Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization, 2018"

    def __init__(
        self,
        problem: Problem,
        seed: int,
        maximum: Annotated[int, Field(ge=1, description="R: a full evaluation, in units of the smallest one")] = 81,
        eta: Annotated[int, Field(ge=2, description="one of so many goes on, with so many times the resource")] = 3,
    ) -> None:
        super().__init__(problem, seed)
        self.maximum = maximum
        self._brackets = brackets(maximum, eta)
        self.begin()

    def begin(self) -> None:
        """See `Batches`."""
        self._bracket, self._rung = 0, -1
        self._going_on = np.empty((0, len(self.problem.decisions)), dtype=np.uint8)

    def propose(self, history: History, start: int) -> Rows:
        """See `Batches`: the next rung."""
        if len(self._going_on):
            self._rung += 1
            return self._going_on
        # A rung after which none goes on ends its bracket.
        self._bracket = (self._bracket + (self._rung >= 0)) % len(self._brackets)
        self._rung = 0
        count = self._brackets[self._bracket][0].architectures
        return self.random(generator(self.seed, "hyperband", start), count)

    def absorb(self, history: History, start: int, stop: int) -> None:
        """See `Batches`: choose who goes on."""
        rungs = self._brackets[self._bracket]
        self._going_on = self._going_on[:0]
        if self._rung + 1 < len(rungs):
            values = history.values(start)[: stop - start]
            chosen = best(values, rungs[self._rung + 1].architectures)
            chosen = chosen[np.isfinite(values[chosen]).all(axis=1)]
            self._going_on = history.rows(start)[: stop - start][chosen].copy()

    def fidelity(self, history: History) -> float:
        """The resource of the present rung."""
        self._present(history)
        return self._brackets[self._bracket][self._rung].resource / self.maximum
