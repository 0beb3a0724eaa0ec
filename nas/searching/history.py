"""What has been evaluated so far. Strategies read it; two bodies keep it: arrays, and an Optuna study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nas.architectures.decisions import Rows
from nas.searching.problem import TOP1, Objective


@dataclass(frozen=True)
class Trial:
    """One evaluation.

    Attributes:
        row: (D,) option indices, canonical.
        metrics: everything measured; holds the objective unless the evaluation failed.
        failure: why there are no metrics, in one sentence.
    """

    row: npt.NDArray[np.uint8]
    metrics: Mapping[str, float] = field(default_factory=dict)
    failure: str | None = None


class History(Protocol):
    """Append-only: what stands at a position never changes."""

    def __len__(self) -> int:
        """How many evaluations are known, failures included."""

    def rows(self, start: int = 0) -> Rows:
        """(N, D) rows from a position on."""

    def scores(self, start: int = 0) -> npt.NDArray[np.float64]:
        """(N,) objective from a position on, larger is better; -inf for failures."""

    def add(self, trial: Trial) -> None:
        """Append one evaluation, durably where the body is durable."""


class ArrayHistory:
    """A history in memory, for table studies and predictor loops, where an evaluation takes microseconds."""

    def __init__(self, width: int, objective: Objective = TOP1) -> None:
        self.objective = objective
        self._rows = np.empty((1024, width), dtype=np.uint8)
        self._scores = np.empty(1024)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def rows(self, start: int = 0) -> Rows:
        """See `History`."""
        return self._rows[start : self._count]

    def scores(self, start: int = 0) -> npt.NDArray[np.float64]:
        """See `History`."""
        return self._scores[start : self._count]

    def add(self, trial: Trial) -> None:
        """See `History`."""
        score = trial.metrics.get(self.objective.name) if trial.failure is None else None
        sign = 1.0 if self.objective.direction == "maximize" else -1.0
        self.extend(trial.row[None], np.array([-np.inf if score is None else sign * score]))

    def extend(self, rows: Rows, scores: npt.NDArray[np.float64]) -> None:
        """Append many at once; scores are larger for better."""
        needed = self._count + len(rows)
        if needed > len(self._rows):
            capacity = max(needed, 2 * len(self._rows))
            self._rows = np.concatenate(
                [self._rows[: self._count], np.empty((capacity - self._count, rows.shape[1]), np.uint8)]
            )
            self._scores = np.concatenate([self._scores[: self._count], np.empty(capacity - self._count)])
        self._rows[self._count : needed] = rows
        self._scores[self._count : needed] = scores
        self._count = needed
