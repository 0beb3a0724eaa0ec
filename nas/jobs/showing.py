"""The winner of a run, layer by layer, and the Pareto front; or one network of a space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.jobs.chosen import Chosen, chosen
from nas.jobs.layer_table import layer_table
from nas.jobs.readme import measured
from nas.jobs.run import Run
from nas.searching import parse_target
from nas.supernet import Space, Task


def show(path: str | Path, space: Space | None = None, targets: Sequence[str] = ()) -> dict[str, Any]:
    """The winner's layers at the deployment task, with the first latency target's milliseconds, and the front.

    Args:
        space: for a run of a space that only exists as an object: the same again.
        targets: upper bounds such as 'macs<=200M'; the best network of the front that keeps them is shown, not the winner.

    Returns:
        {"run", "architecture", "at", "device", "layers": [...], "grouped_ms", "grouped_in", "costs": {...}, "front": [...],
        "results": {...}}.

    Raises:
        NasError: the run is not finished, or only trained; or nothing on the front keeps the targets.
    """
    run = Run(path, space)
    architecture = run.winner
    figures = run.results
    if targets:
        architecture = run.space.validate(_select(run, targets)["architecture"])
    deployed = Task(**run.manifest.plan["deployed_at"])
    metric = next(iter(figures["latency"]), None)
    table = None if metric is None else run.space.device_of(metric)
    task = deployed if metric is None else run.space.task_of(metric, deployed)
    found = layer_table(run.space, architecture, deployed, metric)
    grouped = None
    if metric is not None:
        listed = sum(layer["milliseconds"] or 0.0 for layer in found)
        grouped = round(run.space.cost(metric, architecture, deployed) - listed, 6)
    return {
        "run": str(path),
        "architecture": architecture.to_json(),
        "at": str(task),
        "device": table.name if table else None,
        "layers": found,
        "grouped_ms": grouped,
        "grouped_in": None if table is None else "groups" if table.constant is None else "constant",
        "costs": counted(Chosen(run.space, deployed, str(path), architecture, run)),
        **({"front": figures["front"]} if "front" in figures else {}),
        "results": figures,
    }


def show_network(target: str, architecture: str | None = None) -> dict[str, Any]:
    """The layers of one network of a space, and what it costs at the space's task.

    Args:
        target, architecture: see `nas.jobs.chosen`.

    Returns:
        {"space", "name", "architecture", "at", "device": None, "layers": [...], "grouped_ms": None, "costs": {...}}.

    Raises:
        NasError: no such space or architecture.
    """
    found = chosen(target, architecture)
    return {
        "space": found.space.name,
        "name": found.name,
        "architecture": found.architecture.to_json(),
        "at": str(found.task),
        "device": None,
        "layers": layer_table(found.space, found.architecture, found.task),
        "grouped_ms": None,
        "costs": counted(found),
    }


def counted(network: Chosen) -> dict[str, float]:
    """Every cost of a network that is counted, by the name of its metric: multiply-adds, parameters, bytes."""
    names = [name for name in network.space.metrics() if network.space.device_of(name) is None]
    return {name: float(network.space.cost(name, network.architecture, network.task)) for name in names}


def _select(run: Run, texts: Sequence[str]) -> dict[str, Any]:
    """The network of the front that keeps some targets and is best in the first objective that evaluations found."""
    targets = [parse_target(text, run.space) for text in texts]
    networks: list[dict[str, Any]] = run.results["front"]
    for target in targets:
        if target.metric not in networks[0]["costs"]:
            known = ", ".join(networks[0]["costs"])
            raise NasError(f"the networks of this run were not measured by {target.metric}; select by one of: {known}")
    kept = [one for one in networks if all(one["costs"][target.metric] <= target.limit for target in targets)]
    if not kept:
        least = {target.metric: min(one["costs"][target.metric] for one in networks) for target in targets}
        lowest = ", ".join(f"{target.metric} {target.quantity.format(least[target.metric])}" for target in targets)
        raise NasError(f"no network of this front keeps {' and '.join(map(str, targets))}; its lowest: {lowest}")
    name = measured(run.results)[0]
    directions = {one["name"]: one["direction"] for one in run.results.get("objectives", ())}
    sign = -1.0 if directions.get(name) == "minimize" else 1.0
    return max(kept, key=lambda one: sign * one["validation"][name])
