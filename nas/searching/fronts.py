"""Which of several architectures are best where there are several objectives: fronts, crowding, the knee."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nas.searching.arrays.sorting import undominated

Values = npt.NDArray[np.float64]
"""(N, M), larger is better."""


def front_of(values: Values) -> npt.NDArray[np.int64]:
    """Positions of those that no other dominates and that have finite figures, each set of figures once (the earliest), the
    best in the first objective first."""
    finite = np.flatnonzero(np.isfinite(values).all(axis=1))
    if not len(finite):
        return finite
    _, first = np.unique(values[finite], axis=0, return_index=True)
    distinct = finite[np.sort(first)]
    kept = distinct[undominated(values[distinct])]
    order = np.lexsort(tuple(-values[kept, column] for column in reversed(range(values.shape[1]))))
    return kept[order]


def knee(values: Values) -> int:
    """The position on a front from which every step costs most: farthest beyond the plane through the ends of the front.

    Objectives are scaled to the front's own range, so that the plane is where the scaled figures sum to 1 (Das, On
    characterizing the 'knee' of the Pareto curve, 1999). Among equals it is the one better in the first objective.

    Args:
        values: of the members of a front.
    """
    low, high = values.min(axis=0), values.max(axis=0)
    scaled = (values - low) / np.where(high > low, high - low, 1.0)
    distance = np.round(scaled.sum(axis=1), 12)
    return int(np.lexsort((-values[:, 0], -distance))[0])
