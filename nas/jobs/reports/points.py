"""Every evaluation of a run as columns of figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.jobs.reports.axes import Axis, axes_of, searched_name, shown_axes
from nas.runs import RunFolder
from nas.searching import Trial
from nas.searching.fronts import front_of
from nas.searching.problem import first_places, keys
from nas.searching.study import read_studies
from nas.supernet import Space, Task

STUDIES = ("search", "baseline")
"""The strategy's evaluations, and those of random search beside it."""

DIGITS = np.array(list("0123456789abcdefghijklmnopqrstuvwxyz"))
IDLE = "."
"""Stands for the option of a decision that does not matter."""

LETTERS = 2_000_000
"""So many letters of architectures are embedded in a page at most; with more evaluations only the best have theirs."""


@dataclass(frozen=True)
class Points:
    """The evaluations of a run that can be compared: successful, at the highest fidelity.

    Attributes:
        rows: (N, D) their architectures.
        study: (N,) position in `STUDIES`.
        number: (N,) of the evaluation in its study, from 1.
        values: name of an axis -> (N,), nan where there is no figure.
        axes: what can be plotted.
        figures: the run's results.
        spent: (N,) evaluations that its study had spent by then, in full ones.
        ends: the same at the end of each study.
        elsewhere: how many evaluations are not among them: failed, or at less than the highest fidelity.
    """

    rows: Rows
    study: npt.NDArray[np.int64]
    number: npt.NDArray[np.int64]
    values: Mapping[str, npt.NDArray[np.float64]]
    axes: list[Axis]
    figures: Mapping[str, Any]
    spent: npt.NDArray[np.float64]
    ends: list[float]
    elsewhere: int

    def __len__(self) -> int:
        return len(self.rows)

    def axis(self, name: str) -> Axis:
        """The axis of that name. Raises KeyError where there is none."""
        return {axis.name: axis for axis in self.axes}[name]

    @property
    def searched(self) -> Axis:
        """What decides which one is best."""
        return self.axis(searched_name(self.figures))

    @cached_property
    def worth(self) -> npt.NDArray[np.float64]:
        """(N, M) the figures of the front's axes, larger is better, -inf for none."""
        names = [name for name in shown_axes(self.figures) if name in self.values]
        found = np.stack([self.axis(name).sign * self.values[name] for name in names], axis=1)
        return np.where(np.isnan(found), -np.inf, found)

    @cached_property
    def front(self) -> list[int]:
        """Positions of those that no other beats in all of the front's axes."""
        return [int(place) for place in front_of(self.worth)]

    def place_of(self, row: npt.NDArray[np.uint8]) -> int | None:
        """The first position of an architecture (D,); None where it is not among them."""
        wanted = keys(np.asfortranarray(row[None]))[0]
        return self.first_places.get(wanted)

    @cached_property
    def first_places(self) -> dict[bytes, int]:
        """The first position of each architecture, by its key."""
        return first_places(self.rows)

    def best_first(self) -> list[int]:
        """Every position: the front, then the others from the best on in what was searched for; each architecture once."""
        values = self.searched.sign * self.values[self.searched.name]
        order = [*self.front, *np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable").tolist()]
        first = self.first_places
        every = keys(self.rows)
        return list(dict.fromkeys(first[every[place]] for place in order))


def points_of(folder: RunFolder, space: Space, deployed_at: Task, figures: Mapping[str, Any]) -> Points:
    """Read the study of a run, and work out what its architectures cost.

    Raises:
        NasError: the study is missing or damaged.
    """
    studies = read_studies(folder.study, space)
    most = max((t.fidelity for trials in studies.values() for t in trials if t.failure is None), default=1.0)
    rows, study, number, spent, trials, ends, elsewhere = [], [], [], [], [], [], 0
    for index, name in enumerate(STUDIES):
        total = 0.0
        for place, trial in enumerate(studies.get(name, ()), 1):
            total += trial.fidelity
            if trial.failure is not None or trial.fidelity < most:
                elsewhere += trial.fidelity > 0
                continue
            rows.append(trial.row)
            study.append(index)
            number.append(place)
            spent.append(total)
            trials.append(trial)
        ends.append(total)
    stacked = np.asfortranarray(np.stack(rows)) if rows else np.zeros((0, len(space.decisions)), np.uint8, order="F")
    found = list(dict.fromkeys(name for trial in trials for name in trial.metrics))
    axes = axes_of(figures, found)
    values = {axis.name: _column(axis, trials, stacked, space, deployed_at) for axis in axes}
    return Points(stacked, np.array(study), np.array(number), values, axes, figures, np.array(spent), ends, elsewhere)


def letters_of(decisions: Decisions, rows: Rows) -> list[str]:
    """Each architecture as a text of one letter a decision, two where some decision has more options than there are letters."""
    width = 1 if int(decisions.cardinalities.max()) <= len(DIGITS) else 2
    active = decisions.active(rows)
    codes = rows.astype(np.int64)
    places = [codes // len(DIGITS), codes % len(DIGITS)][2 - width :]
    letters = np.stack([np.where(active, DIGITS[place], IDLE) for place in places], axis=2)
    joined = np.ascontiguousarray(letters.reshape(len(rows), -1)).view(f"<U{letters.shape[1] * width}")
    return [str(text) for text in joined.ravel()]


def _column(axis: Axis, trials: list[Trial], rows: Rows, space: Space, task: Task) -> npt.NDArray[np.float64]:
    """A figure of every trial, (N,)."""
    if not axis.cost:
        return np.array([trial.metrics.get(axis.name, np.nan) for trial in trials])
    found = np.asarray(space.compiled(axis.name, task)(rows), dtype=np.float64)
    return np.where(np.isfinite(found), found, np.nan)
