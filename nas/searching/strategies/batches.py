"""Strategies that propose one batch after another, each from what the batches before it came to."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from nas.architectures.decisions import Rows
from nas.searching.fresh import Fresh
from nas.searching.history import History
from nas.searching.problem import Problem
from nas.searching.strategy import Strategy

TRIES = 100
"""Random draws for each architecture that is wanted, before the space counts as exhausted."""

FEW = 50
"""Random architectures are drawn as if at least so many were wanted: the last one of a space is hard to find."""


class Batches(Strategy):
    """Follows a history batch by batch.

    A subclass keeps what it likes between batches, as long as `begin` forgets it and `propose` and `absorb` depend on nothing
    but the history, the seed and what came before. Another history, or a fresh object, then starts over from the
    beginning of the history and arrives at the same batch: a killed search goes on identically.
    """

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        self.fresh = Fresh(problem)
        self._history: History | None = None
        self._start = 0
        self._batch: Rows | None = None

    @abstractmethod
    def propose(self, history: History, start: int) -> Rows:
        """The batch that begins at a position; empty when nothing is left. It may read the history up to there."""

    def absorb(self, history: History, start: int, stop: int) -> None:
        """Take note of a batch that was evaluated: the history from `start` to `stop`."""

    def begin(self) -> None:
        """Forget everything."""

    def ask(self, history: History) -> Rows:
        """The rest of the present batch."""
        return self._present(history)[len(history) - self._start :]

    def random(self, rng: np.random.Generator, count: int) -> Rows:
        """Random legal architectures that were never proposed; fewer when the space is nearly exhausted."""
        tries, at_once = TRIES * max(count, FEW), max(1, FEW // max(count, 1))
        return self.fresh.collect(lambda wanted: self.problem.sample(rng, wanted), count, tries, at_once)

    def _present(self, history: History) -> Rows:
        if history is not self._history or len(history) < self._start:
            self._history, self._start, self._batch = history, 0, None
            self.begin()
        while len(batch := self._proposed(history)) and len(history) >= self._start + len(batch):
            stop = self._start + len(batch)
            self.absorb(history, self._start, stop)
            self._start, self._batch = stop, None
        return batch

    def _proposed(self, history: History) -> Rows:
        """The batch that begins at the present start."""
        if self._batch is None:
            self.fresh.begin(history, self._start)
            self._batch = self.propose(history, self._start)
        return self._batch
