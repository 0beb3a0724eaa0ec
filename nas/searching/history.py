"""What has been evaluated so far. Strategies read it; two bodies keep it: arrays, and an Optuna study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nas.architectures.decisions import Rows
from nas.searching.problem import TOP1, Objective, gains

REFUSED = 0.0
"""The fidelity of an architecture that a filter refused: nothing was spent on it."""


@dataclass(frozen=True)
class Trial:
    """One evaluation.

    Attributes:
        row: (D,) option indices, canonical.
        metrics: everything measured; holds the expensive objectives unless the evaluation failed.
        failure: why there are no metrics, in one sentence.
        fidelity: the share of a full evaluation that was spent, above 0 and at most 1; `REFUSED` where a filter kept the
            architecture from being evaluated, for the reason that `failure` gives.
    """

    row: npt.NDArray[np.uint8]
    metrics: Mapping[str, float] = field(default_factory=dict)
    failure: str | None = None
    fidelity: float = 1.0


class History(Protocol):
    """Append-only: what stands at a position never changes."""

    def __len__(self) -> int:
        """How many evaluations are known, failures included."""

    def rows(self, start: int = 0) -> Rows:
        """(N, D) rows from a position on."""

    def values(self, start: int = 0) -> npt.NDArray[np.float64]:
        """(N, M) objectives from a position on, larger is better; -inf for failures."""

    def scores(self, start: int = 0) -> npt.NDArray[np.float64]:
        """(N,) first objective from a position on, larger is better; -inf for failures."""

    def fidelities(self, start: int = 0) -> npt.NDArray[np.float64]:
        """(N,) share of a full evaluation that each one was given."""

    def add(self, trial: Trial) -> None:
        """Append one evaluation, durably where the body is durable."""


class ArrayHistory:
    """A history in memory, for table studies and predictor loops, where an evaluation takes microseconds.

    Args:
        width: decisions in a row.
        objectives: one, or several.
    """

    def __init__(self, width: int, objectives: Objective | Sequence[Objective] = TOP1) -> None:
        self.objectives = (objectives,) if isinstance(objectives, Objective) else tuple(objectives)
        self._rows = np.empty((1024, width), dtype=np.uint8)
        self._values = np.empty((1024, len(self.objectives)))
        self._fidelities = np.empty(1024)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def rows(self, start: int = 0) -> Rows:
        """See `History`."""
        return self._rows[start : self._count]

    def values(self, start: int = 0) -> npt.NDArray[np.float64]:
        """See `History`."""
        return self._values[start : self._count]

    def scores(self, start: int = 0) -> npt.NDArray[np.float64]:
        """See `History`."""
        return self._values[start : self._count, 0]

    def fidelities(self, start: int = 0) -> npt.NDArray[np.float64]:
        """See `History`."""
        return self._fidelities[start : self._count]

    def add(self, trial: Trial) -> None:
        """See `History`."""
        if trial.failure is None:
            values = gains(self.objectives, trial.row, trial.metrics)
        else:
            values = np.full(len(self.objectives), -np.inf)
        self.extend(trial.row[None], values[None], trial.fidelity)

    def extend(self, rows: Rows, values: npt.NDArray[np.float64], fidelity: float = 1.0) -> None:
        """Append many at once.

        Args:
            values: (N, M), or (N,) for a single objective; larger is better.
        """
        needed = self._count + len(rows)
        if needed > len(self._rows):
            more = max(needed, 2 * len(self._rows)) - self._count
            self._rows = np.concatenate([self._rows[: self._count], np.empty((more, rows.shape[1]), np.uint8)])
            self._values = np.concatenate([self._values[: self._count], np.empty((more, self._values.shape[1]))])
            self._fidelities = np.concatenate([self._fidelities[: self._count], np.empty(more)])
        self._rows[self._count : needed] = rows
        self._values[self._count : needed] = values.reshape(-1, self._values.shape[1])
        self._fidelities[self._count : needed] = fidelity
        self._count = needed
