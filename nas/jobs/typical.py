"""What networks of a space cost in the middle: the bound that a next command suggests."""

from __future__ import annotations

import numpy as np

from nas.base.seeds import generator
from nas.supernet import Space, Task

DRAWN = 1000
"""Random networks."""


def typical_cost(space: Space, metric: str, task: Task | None = None, seed: int = 0) -> float:
    """A bound that about half of the networks keep whose cost is known.

    Args:
        task: see `Space.compiled`.
    """
    costs = space.compiled(metric, task)(space.decisions.sample(generator(seed, "typical"), DRAWN))
    return float(np.median(costs[np.isfinite(costs)]))
