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

    def collect(self, propose: Callable[[int], Rows], wanted: int, tries: int) -> Rows:
        """Up to `wanted` rows for this round.

        Args:
            propose: count -> that many rows.
            tries: how many rows may be proposed in all.
        """
        found: list[Rows] = []
        missing = wanted
        while missing > 0 and tries > 0:
            rows = propose(min(max(wanted, 2 * missing), tries))
            tries -= len(rows)
            rows = np.ascontiguousarray(rows[self.problem.legal(rows)])
            fresh = []
            for index, key in enumerate(keys(rows)):
                if key not in self._evaluated and key not in self._round:
                    self._round.add(key)
                    fresh.append(index)
                    if len(fresh) == missing:
                        break
            found.append(rows[fresh])
            missing -= len(fresh)
        return np.concatenate([np.empty((0, len(self.problem.decisions)), dtype=np.uint8), *found])
