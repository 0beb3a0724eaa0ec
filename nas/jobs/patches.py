"""What a network needs when its first blocks run patch by patch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import fx

from nas.base.errors import NasError
from nas.base.units import MEMORY
from nas.costs import MEMORY_MODELS
from nas.exporting.patching import Schedule, ends, plan
from nas.exporting.patching.schedules import GRIDS
from nas.jobs.chosen import Chosen, chosen
from nas.supernet import Space

MODELS = {"int8": MEMORY_MODELS["mcu-memory"], "float32": MEMORY_MODELS["mcu-memory-float32"]}
"""How activations are held, by their type."""


def patches(
    target: str | Path,
    grids: Sequence[int] = GRIDS,
    architecture: str | None = None,
    budget: str | None = None,
    dtype: str = "int8",
    space: Space | None = None,
) -> dict[str, Any]:
    """Every schedule of a network: its first blocks on a grid of patches; see `nas.exporting.patching`.

    Args:
        target, architecture, space: see `nas.jobs.chosen`.
        grids: patches along each side of the stage's output.
        budget: a bound on the peak memory, such as '256kB'; the best schedule is then the one of the fewest multiply-adds that
            keeps it, without one that of the least memory.
        dtype: of activations, 'int8' or 'float32'.

    Returns:
        {"space", "name", "architecture", "at", "dtype", "macs", "memory", "budget", "schedules": [...], "best": a schedule, or
        None where the network keeps the budget without patches}; a schedule is what `nas.exporting.patching.Schedule` holds,
        its peak `memory` and its overheads.

    Raises:
        NasError: an unknown network or type; nothing of the network can be run patch by patch; or no schedule keeps the budget.
    """
    if dtype not in MODELS:
        raise NasError(f"--dtype is {' or '.join(MODELS)}; given '{dtype}'")
    limit = None if budget is None else MEMORY.parse(budget)
    found = chosen(target, architecture, space)
    network = found.shapes_alone()
    planned = plan(network, found.input_shape, grids, block_ends(found, network), MODELS[dtype])
    best = planned.best(limit)
    return {
        "space": found.space.name,
        "name": found.name,
        "architecture": found.architecture.to_json(),
        "at": str(found.task),
        "dtype": dtype,
        "macs": planned.macs,
        "memory": planned.memory,
        "budget": limit,
        "schedules": [_schedule(schedule) for schedule in planned.schedules],
        "best": None if best is None else _schedule(best),
    }


def block_ends(found: Chosen, network: fx.GraphModule) -> dict[str, str]:
    """The ends of stages that are ends of blocks, with the blocks' names; blocks are those that `nas draw` shows."""
    listed = found.blocks(found.space.walk_of(found.row, found.task), found.task)
    homes = {step.operator.path: place for place, block in enumerate(listed) for step in block.steps}
    legal = set(ends(network))
    named: dict[str, str] = {}
    here, pending = -1, ""
    for node in network.graph.nodes:
        place = homes.get(str(node.target), here) if node.op == "call_module" else here
        if place != here and pending:
            named[pending] = listed[here].path or f"block {here + 1}"
            pending = ""
        here = place
        if node.name in legal:
            pending = node.name
        elif node.op == "call_module" and str(node.target) in homes:
            pending = ""
    return named


def _schedule(schedule: Schedule) -> dict[str, Any]:
    names = ("memory", "stage_overhead", "overhead", "whole_stage_overhead", "whole_overhead")
    return {**asdict(schedule), **{name: getattr(schedule, name) for name in names}}
