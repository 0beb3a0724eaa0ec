"""Local search (White et al., 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from nas.architectures.decisions import Rows
from nas.base.seeds import generator
from nas.searching.history import History
from nas.searching.problem import Problem, keys
from nas.searching.strategies.batches import Batches


class Local(Batches):
    """From the best of a few random architectures to a better neighbour, and on from there.

    Neighbours differ in one decision. Those not evaluated before are evaluated in random order; the first one that improves is
    moved to. Where none does, the search begins anew at random, or goes on from the best that was not expanded.
    """

    summary = "moves to the first neighbour that is better, and begins anew where none is"
    source = "White et al., Exploring the Loss Landscape in Neural Architecture Search, 2021"
    origins: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "beginnings": "the authors' code, naszilla",
            "whole_neighbourhood": "the authors' code, naszilla",
            "stop_at_minimum": "the authors' code, naszilla",
        }
    )

    def __init__(
        self,
        problem: Problem,
        seed: int,
        beginnings: Annotated[int, Field(ge=1, description="random architectures, the best of which is the beginning")] = 10,
        whole_neighbourhood: Annotated[bool, Field(description="evaluate all neighbours and move to the best of them")] = False,
        stop_at_minimum: Annotated[
            bool, Field(description="begin anew where no neighbour is better, rather than expand the best that was not yet")
        ] = True,
    ) -> None:
        super().__init__(problem, seed)
        self.beginnings = beginnings
        self.whole_neighbourhood, self.stop_at_minimum = whole_neighbourhood, stop_at_minimum
        self.begin()

    def begin(self) -> None:
        """See `Batches`."""
        self._score: float | None = None
        self._neighbours: list[np.ndarray] = []
        self._expanded: set[bytes] = set()

    def propose(self, history: History, start: int) -> Rows:
        """See `Batches`: a beginning, a neighbour, or a neighbourhood."""
        if self._score is not None:
            found = self._next()
            while not len(found) and not self.stop_at_minimum and self._expand_best(history, start):
                found = self._next()
            if len(found):
                return found
            self._score = None
        return self.random(generator(self.seed, "local search", start), self.beginnings)

    def absorb(self, history: History, start: int, stop: int) -> None:
        """See `Batches`: move where there is something better."""
        scores = history.scores(start)[: stop - start]
        best = int(scores.argmax())
        if self._score is None or scores[best] > self._score:
            self._expand(history, start + best, stop)

    def _next(self) -> Rows:
        """The next neighbour not evaluated yet, or all of them."""
        found: list[Rows] = []
        while self._neighbours and (self.whole_neighbourhood or not any(map(len, found))):
            row = np.asfortranarray(self._neighbours.pop(0)[None])
            found.append(self.fresh.collect(lambda _, row=row: row, 1, 1))  # type: ignore[misc]
        return np.concatenate(found) if found else np.empty((0, len(self.problem.decisions)), dtype=np.uint8)

    def _expand(self, history: History, position: int, stop: int) -> None:
        row = history.rows(position)[0]
        self._score = float(history.scores(position)[0])
        self._expanded.update(keys(row[None]))
        around = np.ascontiguousarray(self.problem.decisions.neighbours(row))
        generator(self.seed, "local neighbours", stop).shuffle(around, axis=0)
        self._neighbours = list(around)

    def _expand_best(self, history: History, start: int) -> bool:
        """Go on from the best of the history that was not expanded; False where there is none."""
        scores = history.scores()[:start]
        names = keys(history.rows()[:start])
        for position in np.argsort(-scores, kind="stable").tolist():
            if names[position] not in self._expanded and np.isfinite(scores[position]):
                self._expand(history, position, start)
                return True
        return False
