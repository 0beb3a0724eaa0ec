"""The winner of a run, layer by layer, and the Pareto front."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from nas.costs import layers
from nas.jobs.run import Run
from nas.supernet import Space, Task


def show(path: str | Path, space: Space | None = None) -> dict[str, Any]:
    """The winner's layers at the deployment task, with the first latency target's milliseconds, and the front.

    Args:
        space: for a run of a space that only exists as an object: the same again.

    Returns:
        {"run", "architecture", "at", "device", "layers": [...], "grouped_ms", "front": [...], "results": {...}}.

    Raises:
        NasError: the run is not finished, or only trained.
    """
    run = Run(path, space)
    architecture = run.winner
    figures = run.results
    deployed = Task(**run.manifest.plan["deployed_at"])
    table = next((run.space.device_of(metric) for metric in figures["latency"]), None)
    task = deployed if table is None else Task(table.channels, table.resolution, table.classes)
    row = run.space.encode([architecture])[0]
    codes = {name: int(code) for name, code in zip(run.space.decisions.names, row, strict=True)}
    found = layers(run.space.walk_of(row, task), codes, table)
    grouped = None
    if table is not None:
        listed = sum(layer.milliseconds or 0.0 for layer in found)
        grouped = run.space.cost(f"{table.name}-latency", architecture) - listed
    return {
        "run": str(path),
        "architecture": architecture.to_json(),
        "at": str(task),
        "device": table.name if table else None,
        "layers": [asdict(layer) for layer in found],
        "grouped_ms": grouped,
        "front": figures["front"],
        "results": figures,
    }
