"""The layers of a network, with what each costs, and how tables write them."""

from __future__ import annotations

from collections.abc import Mapping
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


def settings_shown(layer: Mapping[str, Any]) -> str:
    """What a layer is set to: 'kernel=3 stride=2'."""
    return " ".join(f"{name}={value}" for name, value in layer["attributes"].items() if value not in (0, ""))


def milliseconds_shown(layer: Mapping[str, Any]) -> str:
    """A layer's time, marked where it is an estimate; nothing where it has none of its own."""
    if layer["milliseconds"] is None:
        return ""
    return f"{'~' if layer['estimated'] else ''}{layer['milliseconds']:.3f}"
