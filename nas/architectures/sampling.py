"""Random architectures within bounds, in bounded time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.architectures.decisions import Decisions, Rows
from nas.base.errors import NasError

DRAWS_PER_ROW = 200
"""How often an architecture is drawn anew before it is repaired instead."""

REPAIR_SWEEPS = 20
"""How often every small change is tried in turn while a row is repaired."""


@dataclass(frozen=True)
class Bound:
    """An upper bound on a figure that costs nothing to compute.

    Attributes:
        metric: what the figure is called in messages.
        limit: the largest legal value.
        measure: rows (N, D) -> figures (N,).
        show: prints a figure with its unit.
    """

    metric: str
    limit: float
    measure: Callable[[Rows], npt.NDArray[np.float64]]
    show: Callable[[float], str]

    def keeps(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which rows keep the limit."""
        return self.measure(rows) <= self.limit

    def violation(self, rows: Rows) -> npt.NDArray[np.float64]:
        """By what share the limit is exceeded; 0 where it is kept."""
        excess = self.measure(rows) - self.limit
        return np.maximum(excess, 0.0) / (abs(self.limit) or 1.0)


def violations(bounds: Sequence[Bound], rows: Rows) -> npt.NDArray[np.float64]:
    """The sum of all violations of each row; 0 for a legal row."""
    total = np.zeros(len(rows))
    for bound in bounds:
        total += bound.violation(rows)
    return total


def sample_bounded(decisions: Decisions, rng: np.random.Generator, count: int, bounds: Sequence[Bound] = ()) -> Rows:
    """`count` random rows that keep every bound.

    Rows are drawn uniformly and rejected; where bounds are so tight that this fails, the nearest misses are repaired by
    changing one decision at a time, which is no longer uniform but still ends.

    Raises:
        NasError: nothing legal was found; gives the minimum, median and maximum of each violated figure.
    """
    if not bounds:
        return decisions.sample(rng, count)
    found: list[Rows] = []
    missing = count
    for attempt in range(DRAWS_PER_ROW):
        drawn = decisions.sample(rng, min(max(4 * missing, 64), 65536))
        excess = violations(bounds, drawn)
        legal = drawn[excess == 0.0][:missing]
        found.append(legal)
        missing -= len(legal)
        if not missing:
            return np.asfortranarray(np.concatenate(found))
        if attempt >= 10 and missing > 0.5 * count:
            break
    starts = decisions.sample(rng, missing)
    repaired = descend(decisions, rng, starts, lambda rows: violations(bounds, rows), 0.0)
    if violations(bounds, repaired).max() > 0.0:
        raise infeasible(decisions, rng, bounds)
    return np.asfortranarray(np.concatenate([*found, repaired]))


def descend(
    decisions: Decisions,
    rng: np.random.Generator,
    rows: Rows,
    score: Callable[[Rows], npt.NDArray[np.float64]],
    goal: float,
) -> Rows:
    """Rows changed by one of `Decisions.moves` at a time, while the score is above the goal and a change lowers it."""
    rows = np.array(rows, order="F")
    current = score(rows)
    for _ in range(REPAIR_SWEEPS):
        before = current.copy()
        for move in decisions.moves(rng):
            above = np.flatnonzero(current > goal)
            if not len(above):
                return rows
            trial = move(np.asfortranarray(rows[above]))
            changed = score(trial)
            better = changed < current[above]
            rows[above[better]] = trial[better]
            current[above[better]] = changed[better]
        if (current == before).all():
            break
    return rows


def lowest(decisions: Decisions, rng: np.random.Generator, bound: Bound) -> float:
    """The smallest value of one figure that coordinate descent finds from 16 random starts and the smallest row."""
    starts = np.concatenate([decisions.smallest(), decisions.sample(rng, 16)])
    descended = descend(decisions, rng, np.asfortranarray(starts), bound.measure, -np.inf)
    return float(bound.measure(descended).min())


def infeasible(decisions: Decisions, rng: np.random.Generator, bounds: Sequence[Bound]) -> NasError:
    """The error for bounds that no architecture keeps: what is asked, and what the space has."""
    sample = decisions.sample(rng, decisions.typical)
    told = []
    for bound in bounds:
        values = bound.measure(sample)
        least = min(lowest(decisions, rng, bound), float(values.min()))
        if least > bound.limit or len(bounds) == 1:
            told.append((bound, least, values))
    joint = not told
    if joint:
        told = [(bound, lowest(decisions, rng, bound), bound.measure(sample)) for bound in bounds]
    lines = [
        f"{bound.metric} <= {bound.show(bound.limit)} was asked, and in this space it has minimum {bound.show(least)}, "
        f"median {bound.show(float(np.median(values)))}, maximum {bound.show(float(values.max()))}"
        for bound, least, values in told
    ]
    cause = "no architecture was found that keeps all bounds at once" if joint else "no architecture keeps the bound"
    return NasError(f"{cause}: {'; '.join(lines)}. Ask for a larger limit, or use another space.")
