"""Non-dominated sorting and crowding (Deb et al., NSGA-II, 2002) on arrays; larger figures are better throughout."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
"""(N, M), larger is better; -inf for failures."""


CHUNK = 256
"""Architectures that are compared with a front at a time."""


def fronts(values: Values, count: int | None = None) -> npt.NDArray[np.int64]:
    """(N,) the front of each: 0 for those that no other dominates, 1 for those that only front 0 dominates, and so on.

    O(n log n) for one and for two objectives, by the longest chain that ends in each (Jensen, Reducing the run-time complexity
    of multiobjective EAs, 2003); for more, front by front, each found in O(n log n) and n times the front's size.

    Args:
        count: how many are told apart at least; with three objectives what is behind them counts as one front.
    """
    if values.shape[1] == 1:
        distinct, place = np.unique(values[:, 0], return_inverse=True)
        found: npt.NDArray[np.int64] = len(distinct) - 1 - place
        return found
    return _pairs(values) if values.shape[1] == 2 else _peeled(values, len(values) if count is None else count)


def undominated(values: Values) -> npt.NDArray[np.bool_]:
    """(N,) whether no other one is at least as good in every objective and better in one; any number of objectives."""
    # What dominates another stands before it, so that comparing with the front so far is enough.
    order = np.lexsort(tuple(-column for column in reversed(values.T)))
    found = np.zeros(len(values), dtype=bool)
    front = values[:0]
    for first in range(0, len(order), CHUNK):
        places = order[first : first + CHUNK]
        for others in (front, values[places]):
            places = places[~_beaten(values[places], others)]
        found[places] = True
        front = np.concatenate([front, values[places]])
    return found


def _beaten(values: Values, others: Values) -> npt.NDArray[np.bool_]:
    """(N,) which of the values some other one dominates."""
    no_worse = np.asarray((others[None] >= values[:, None]).all(axis=2))
    better = np.asarray((others[None] > values[:, None]).any(axis=2))
    return np.asarray((no_worse & better).any(axis=1))


def _pairs(values: Values) -> npt.NDArray[np.int64]:
    """Fronts for two objectives.

    From the best in the first objective on, an architecture belongs to the first front whose best second figure so far is
    below its own.
    """
    order = np.lexsort((-values[:, 1], -values[:, 0]))
    first, second = values[order].T
    repeated = [False, *((first[1:] == first[:-1]) & (second[1:] == second[:-1])).tolist()]
    # One end for each front there may be; those of fronts not begun are behind everything, failures included.
    ends = [np.inf] * (len(values) + 1)
    costs = np.minimum(-second, np.finfo(np.float64).max).tolist()
    ranks: list[int] = []
    rank = 0
    for cost, same in zip(costs, repeated, strict=True):
        if not same:
            rank = bisect_right(ends, cost)
            ends[rank] = cost
        ranks.append(rank)
    found = np.empty(len(values), dtype=np.int64)
    found[order] = ranks
    return found


def _peeled(values: Values, count: int) -> npt.NDArray[np.int64]:
    """Fronts for any number of objectives, one after the other, until `count` are in one; the others behind them."""
    found = np.full(len(values), -1, dtype=np.int64)
    left, rank = np.arange(len(values)), 0
    while len(values) - len(left) < count:
        front = undominated(values[left])
        found[left[front]] = rank
        left, rank = left[~front], rank + 1
    found[left] = rank
    return found


def crowding(values: Values, ranks: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """(N,) how far apart the neighbours of each are within its front, summed over objectives scaled to the front's range;
    infinite at the ends of a front."""
    count = len(values)
    total = np.zeros(count)
    if not count:
        return total
    for column in values.T:
        order = np.lexsort((column, ranks))
        ordered, rank = column[order], ranks[order]
        begins = np.concatenate([[True], rank[1:] != rank[:-1]])
        ends = np.concatenate([begins[1:], [True]])
        starts = np.flatnonzero(begins)
        with np.errstate(invalid="ignore"):
            gap = np.empty(count)
            gap[1:-1] = ordered[2:] - ordered[:-2]
            spread = (ordered[ends] - ordered[starts]).repeat(np.diff(np.append(starts, count)))
            share = np.where(spread > 0, gap / np.where(spread > 0, spread, 1.0), 0.0)
        share[begins | ends] = np.inf
        total[order] += share
    return total


def best(values: Values, count: int) -> npt.NDArray[np.int64]:
    """Positions of the `count` best, the best first: by front, then by crowding, then the earlier one."""
    if values.shape[1] == 1:
        return np.argsort(-values[:, 0], kind="stable")[:count]
    ranks = fronts(values, min(count, len(values)))
    if count < len(values):
        # Fronts behind the one that is cut need no crowding.
        kept = np.flatnonzero(ranks <= np.partition(ranks, count - 1)[count - 1])
        return kept[np.lexsort((-crowding(values[kept], ranks[kept]), ranks[kept]))[:count]]
    return np.lexsort((-crowding(values, ranks), ranks))
