"""Which operators of a network a latency is estimated for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas.costs import lacking_keys
from nas.supernet.space import Space


@dataclass(frozen=True)
class Estimated:
    """The estimated part of a network's latency.

    Attributes:
        count: how many of its operators.
        operators: how many it has.
        keys: of those that the table lacks, as often as the network has them; none where the table itself is estimated.
    """

    count: int
    operators: int
    keys: Sequence[str] = ()


def estimated(space: Space, metric: str, row: np.ndarray) -> Estimated | None:
    """What of a latency is estimated; None where nothing is.

    Args:
        row: (D,) option indices.
    """
    table = space.device_of(metric)
    if table is None:
        return None
    if space.estimator(table) is None and table.estimated is None:
        return None
    codes = dict(zip(space.decisions.names, row.tolist(), strict=True))
    lacking, count = lacking_keys(space.walk_of(row, space.task_of(metric)), table, codes)
    if table.estimated is not None:
        return Estimated(count, count)
    return Estimated(len(lacking), count, lacking) if lacking else None
