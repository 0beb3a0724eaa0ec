"""Objectives as a user names them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Literal

from nas.base.errors import NasError, unknown
from nas.costs import is_tabled
from nas.data.tasks import HEADLINES
from nas.predicting import proxy_names
from nas.searching.problem import OF_CLASSES, SCORED, Objective
from nas.searching.targets import Target
from nas.supernet import Space, Task

DIRECTIONS: dict[str, Literal["maximize", "minimize"]] = {"max": "maximize", "min": "minimize"}


def parse_objective(text: str, space: Space, task: Task | None, measured: Collection[str] = OF_CLASSES) -> Objective:
    """Read 'top1', 'macs', 'pixel-latency', 'energy:min' for a column of a table, or 'naswot' for a zero-cost proxy.

    A proxy is maximised unless ':min' is written. What is a cost, too, such as 'params', is taken for the cost.

    Args:
        task: at which counts are taken.
        measured: what an evaluation finds; other names are costs, which are computed from rows, or proxies.

    Raises:
        NasError: no such figure; lists what there is. Or a column of which it is not known whether it is to be large or small.
    """
    name, given, word = text.strip().partition(":")
    if given and word not in DIRECTIONS:
        raise unknown("direction of an objective", word, DIRECTIONS, f"Write {name}:max or {name}:min.")
    direction = DIRECTIONS.get(word)
    if name in measured:
        base = SCORED.get(name)
        if base is None and direction is None:
            raise NasError(f"say whether '{name}' is to be large or small: --objective {name}:max, or --objective {name}:min")
        found = base or Objective(name)
        return replace(found, direction=direction or found.direction)
    metrics = space.metrics()
    table = space.device_of(name) if is_tabled(name) else None
    resolved = table.metric if table else name
    if resolved not in metrics and name in proxy_names():
        return Objective(name, direction or "maximize", show="{:.6g}".format)
    if resolved not in metrics:
        raise unknown("objective", name, dict.fromkeys([*measured, *metrics, *proxy_names()]))
    quantity = metrics[resolved]
    return Objective(resolved, direction or "minimize", space.compiled(resolved, task), show=quantity.format)


def default_objective(measured: Collection[str]) -> str:
    """The objective where none is named. Raises NasError where there is none of `HEADLINES`."""
    found = next((name for name in HEADLINES if name in measured), None)
    if found is not None:
        return found
    raise NasError(f"nothing here is called top1; name what is to be large or small with --objective: {', '.join(measured)}")


def limited(objectives: tuple[Objective, ...], targets: tuple[Target, ...]) -> tuple[Objective, ...]:
    """The objectives with the limits that targets put on them."""
    limits = {target.metric: target.limit for target in targets}
    return tuple(
        replace(one, limit=limits[one.name]) if one.cheap and one.direction == "minimize" and one.name in limits else one
        for one in objectives
    )
