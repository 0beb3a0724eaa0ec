"""A space in figures: its stages, its published networks, its size."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nas.architectures import Architecture, Restricted
from nas.base.progress import Reporter
from nas.drawing import stages
from nas.runs import named_space, reduction_of
from nas.supernet import Space


def describe_space(name: str, reporter: Reporter | None = None) -> dict[str, Any]:
    """Everything about a space: stages, published networks, size, source.

    Returns:
        {"name", "summary", "source", "networks", "decisions", "at", "separate", "reduced", "stages": [...], "known": [...]}. A
        space that was reduced says in "reduced" to what: {"run", "top", "predictor", "kendall_tau", "of", "units": [{"name",
        "modules"}]}; it has no stages, since not all networks of a stage are there. A stage is
        what `nas.drawing.Stage` holds and its "share" of the multiply-adds of the largest network; there are none in a space
        that builds each network by itself. A known network is {"name", "macs", "params", "resolution"}; the smallest and the
        largest one follow where there is a supernet that holds them.

    Raises:
        NasError: no such space.
    """
    space = named_space(name, reporter)
    networks = dict(space.known)
    if not space.separate:
        networks |= {"smallest": space.smallest, "largest": space.largest}
    rows = [] if space.separate or space.whole is not space else [asdict(stage) for stage in stages(space)]
    total = sum(row["macs"] for row in rows)
    return {
        "name": space.name,
        "summary": space.summary,
        "source": space.source,
        "networks": float(space.size),
        "decisions": len(space.decisions),
        "at": str(space.task),
        "separate": space.separate,
        "reduced": _reduced(space),
        "stages": [{**row, "share": row["macs"] / total if total else 0.0} for row in rows],
        "known": [_network(space, known, architecture) for known, architecture in networks.items()],
    }


def _reduced(space: Space) -> dict[str, Any] | None:
    """What is left of a space that was reduced."""
    reduction = reduction_of(space)
    if reduction is None:
        return None
    decisions = space.decisions
    assert isinstance(decisions, Restricted)
    choices = {choice.name: choice for choice in decisions.units.choices}
    return {
        "run": reduction.run,
        "top": reduction.top,
        "predictor": reduction.predictor,
        "kendall_tau": reduction.kendall_tau,
        "of": float(space.whole.size),
        "units": [{"name": group.name, "modules": list(choices[group.name].options)} for group in decisions.groups],
    }


def _network(space: Space, name: str, architecture: Architecture) -> dict[str, Any]:
    figures = {metric: float(space.cost(metric, architecture)) for metric in ("macs", "params")}
    return {"name": name, **figures, "resolution": space.input_shape(architecture)[-1]}
