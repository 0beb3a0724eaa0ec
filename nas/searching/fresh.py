"""Collecting architectures that were never proposed before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nas.architectures.decisions import Rows
from nas.searching.history import History
from nas.searching.problem import Problem, keys


class Fresh:
    """Collects the architectures of one proposal round: legal, not in the history's beginning, and no two alike.

    Follows a history as it grows, so that a round costs time for what is new only.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._history: History | None = None
        self._evaluated: set[bytes] = set()
        self._count = 0
        self._round: set[bytes] = set()

    def begin(self, history: History, count: int) -> None:
        """Start a round that may repeat nothing among the first `count` evaluations."""
        if history is not self._history or count < self._count:
            self._history, self._evaluated, self._count = history, set(), 0
        self._evaluated.update(keys(history.rows(self._count)[: count - self._count]))
        self._count = count
        self._round = set()

    def positions(self, rows: Rows, most: int | None = None) -> list[int]:
        """Which of some rows belong to this round, at most so many; from now on they count as proposed."""
        legal = np.flatnonzero(self.problem.legal(rows))
        names = keys(rows.take(legal, axis=0))
        unknown = set(names).difference(self._evaluated, self._round)
        fresh: list[int] = []
        for index, name in zip(legal.tolist(), names, strict=True):
            if not unknown or len(fresh) == most:
                break
            if name in unknown:
                unknown.remove(name)
                self._round.add(name)
                fresh.append(index)
        return fresh

    def unseen(self, rows: Rows) -> np.ndarray:
        """(N,) which of some rows are legal and not among the evaluated ones; none of them counts as proposed."""
        new = np.array([key not in self._evaluated for key in keys(rows)], dtype=bool)
        found: np.ndarray = np.logical_and(new, self.problem.legal(rows))
        return found

    def collect(self, propose: Callable[[int], Rows], wanted: int, tries: int, at_once: int = 1) -> Rows:
        """Up to `wanted` rows for this round.

        Args:
            propose: count -> that many rows.
            tries: how many rows may be proposed in all.
            at_once: how many times the number wanted is proposed at a time; more than 1 where most proposals will be
                known or illegal, since a few large batches cost less than many small ones.
        """
        found: list[Rows] = []
        missing = wanted
        while missing > 0 and tries > 0:
            rows = propose(min(at_once * wanted, tries))
            tries -= len(rows)
            fresh = self.positions(rows, missing)
            found.append(rows.take(fresh, axis=0))
            missing -= len(fresh)
        return np.concatenate([np.empty((0, len(self.problem.decisions)), dtype=np.uint8), *found])
