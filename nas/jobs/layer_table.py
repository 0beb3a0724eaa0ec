"""The layers of a network, with what each costs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nas.architectures import Architecture
from nas.costs import layers
from nas.supernet import Space, Task


def layer_table(space: Space, architecture: Architecture, task: Task, metric: str | None = None) -> list[dict[str, Any]]:
    """Every layer as `nas.costs.Layer` has it, with the milliseconds of the device behind a latency where one is named."""
    table = None if metric is None else space.device_of(metric)
    at = task if metric is None else space.task_of(metric, task)
    row = space.encode([architecture])[0]
    codes = {name: int(code) for name, code in zip(space.decisions.names, row, strict=True)}
    estimator = None if table is None else space.estimator(table)
    return [asdict(layer) for layer in layers(space.walk_of(row, at), codes, table, estimator)]
