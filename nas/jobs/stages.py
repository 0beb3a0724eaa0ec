"""A space in figures: its stages, its published networks, its size."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nas.architectures import Architecture
from nas.drawing import stages
from nas.supernet import Space, open_space


def describe_space(name: str) -> dict[str, Any]:
    """Everything about a space: stages, published networks, size, source.

    Returns:
        {"name", "summary", "source", "networks", "decisions", "at", "separate", "stages": [...], "known": [...]}. A stage is
        what `nas.drawing.Stage` holds and its "share" of the multiply-adds of the largest network; there are none in a space
        that builds each network by itself. A known network is {"name", "macs", "params", "resolution"}; the smallest and the
        largest one follow where there is a supernet that holds them.

    Raises:
        NasError: no such space.
    """
    space = open_space(name)
    networks = dict(space.known)
    if not space.separate:
        networks |= {"smallest": space.smallest, "largest": space.largest}
    rows = [] if space.separate else [asdict(stage) for stage in stages(space)]
    total = sum(row["macs"] for row in rows)
    return {
        "name": space.name,
        "summary": space.summary,
        "source": space.source,
        "networks": float(space.size),
        "decisions": len(space.decisions),
        "at": str(space.task),
        "separate": space.separate,
        "stages": [{**row, "share": row["macs"] / total if total else 0.0} for row in rows],
        "known": [_network(space, known, architecture) for known, architecture in networks.items()],
    }


def _network(space: Space, name: str, architecture: Architecture) -> dict[str, Any]:
    figures = {metric: float(space.cost(metric, architecture)) for metric in ("macs", "params")}
    return {"name": name, **figures, "resolution": space.input_shape(architecture)[-1]}
