"""A loss that weighs accuracy against a resource of the network (Cai et al., ProxylessNAS, 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from nas.base.errors import NasError
from nas.costs import MEMORY_MODELS, CompiledCost
from nas.supernet import Space, Task

ResourceForm = Literal["mul-log", "add-linear"]


@dataclass(frozen=True)
class ResourceLoss:
    """How a loss L and a resource E, in the unit of a reference, become one figure.

    'mul-log' is scale * L * (ln E / ln reference)^power, 'add-linear' is L + weight * (E - reference) / reference.
    """

    form: ResourceForm
    reference: float
    scale: float = 0.2
    power: float = 0.3
    weight: float = 0.1

    def __call__(self, loss: torch.Tensor, resource: torch.Tensor) -> torch.Tensor:
        """Scalars -> a scalar; gradients reach both."""
        if self.form == "add-linear":
            return loss + self.weight * (resource - self.reference) / self.reference
        return self.scale * loss * (resource.log() / math.log(self.reference)) ** self.power


def require_reference(value: float | None, metric: str | None) -> float | None:
    """The reference of a recipe as it was given. Raises ValueError where a metric is weighed and none was."""
    if value is None and metric is not None:
        raise ValueError(f"the metric '{metric}' needs a reference, such as 80 for 80 ms")
    return value


def summed_cost(space: Space, metric: str, task: Task) -> CompiledCost:
    """A cost whose expectation can be taken, for a network trained at a task.

    Counts are taken at the space's own resolution, latencies at the table's.

    Raises:
        NasError: the metric is unknown, its table does not cover the space, or it is no sum over operators.
    """
    table = space.device_of(metric)
    cost = None
    if metric not in MEMORY_MODELS:  # which may take long to compile
        cost = space.compiled(metric, None if table is not None else replace(task, resolution=space.task.resolution))
    if not isinstance(cost, CompiledCost) or cost.reduction != "sum" or cost.untabulated:
        raise NasError(
            f"metric '{metric}' is no sum over the operators of a network of space '{space.name}', so it has no expectation "
            "that could be learnt; use macs, params or a device's latency"
        )
    if table is not None and not all(np.isfinite(values).all() for _, values in cost.tables):
        raise NasError(
            f"table '{table.name}' was measured at {table.sides}, and space '{space.name}' searches other resolutions, too, so "
            "the mean over all architectures is not known; use macs or params"
        )
    return cost
