"""How good the best was after so many evaluations, of the strategy and of random search."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from nas.jobs.reports.points import STUDIES, Points
from nas.searching.arrays.sorting import undominated

CHECKED = 40
"""Numbers of evaluations at which the volume behind a front is worked out."""


def progress_of(points: Points) -> dict[str, Any]:
    """What a page draws as search progress.

    Returns:
        {"label", "unit", "series": [{"name", "points": [[evaluations, figure], ...]}]}; with several objectives the figure is
        the hypervolume behind the front so far, as a share of the box from the worst to the best figures.
    """
    strategy = points.figures["search"]["strategy"]
    several = points.worth.shape[1] > 1 and len(points.figures["objectives"]) > 1
    axis = points.searched
    series = []
    for index, study in enumerate(STUDIES):
        if points.ends[index]:
            steps = _volumes(points, index) if several else _best(points, index)
            series.append({"name": strategy if study == "search" else "random search", "points": steps})
    label, unit = ("share of the volume", "") if several else (f"best {axis.label}", axis.unit)
    return {"label": label, "unit": unit, "several": several, "series": series}


def best_so_far(spent: Iterable[float], values: Iterable[float | None], sign: float, end: float) -> list[list[float]]:
    """Where the best so far changes, and the end; nothing where no evaluation has a figure.

    Args:
        spent: evaluations that were spent by each one.
        values: what each found; None or nan for no figure.
        sign: what makes larger ones the better ones.
        end: evaluations spent in all.

    Returns:
        [[evaluations, figure], ...].
    """
    best, steps = -np.inf, []
    for place, value in zip(spent, values, strict=True):
        if value is not None and sign * value > best:
            best = sign * value
            steps.append([round(place, 3), value])
    return [*steps, [round(end, 3), sign * best]] if steps else []


def _best(points: Points, study: int) -> list[list[float]]:
    """The same of the evaluations of one study."""
    mine = np.flatnonzero(points.study == study)
    axis = points.searched
    return best_so_far(points.spent[mine].tolist(), points.values[axis.name][mine].tolist(), axis.sign, points.ends[study])


def _volumes(points: Points, study: int) -> list[list[float]]:
    """The share of the volume at equal distances."""
    from pymoo.indicators.hv import HV

    worth = np.where(np.isfinite(points.worth), points.worth, np.nan)
    low, high = np.nanmin(worth, axis=0), np.nanmax(worth, axis=0)
    scaled = (worth - low) / np.where(high > low, high - low, 1.0)
    volume = HV(ref_point=np.zeros(worth.shape[1]))
    mine = np.flatnonzero((points.study == study) & np.isfinite(worth).all(axis=1))
    front, done, steps = scaled[:0], 0, []
    for count in np.unique(np.linspace(1, len(mine), min(CHECKED, len(mine)), dtype=np.int64)).tolist() if len(mine) else []:
        front = np.concatenate([front, scaled[mine[done:count]]])
        front, done = front[undominated(front)], count
        steps.append([round(float(points.spent[mine[count - 1]]), 3), float(volume(-front))])
    return steps
