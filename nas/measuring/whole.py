"""Timing a few whole networks on this machine, as a table was measured."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from nas.base.errors import NasError
from nas.base.progress import Reporter
from nas.costs import LatencyTable
from nas.measuring.connections.here import Here
from nas.measuring.host import machine
from nas.measuring.plan import Model, Plan
from nas.measuring.runtime import open_runtime, runtime_names
from nas.measuring.tabulating import device_text
from nas.measuring.timings import Figure, read_timings
from nas.supernet import Task

ROUNDS = 6


def is_here(table: LatencyTable) -> bool:
    """Whether a table was measured on this machine, by a runtime that is installed."""
    if table.device != device_text(machine()) or table.threads is None or len(table.resolutions) > 1:
        return False
    try:
        open_runtime(_runtime(table), table.dtype)
    except NasError:
        return False
    return True


def time_networks(networks: Sequence[nn.Module], table: LatencyTable, reporter: Reporter) -> list[Figure]:
    """Milliseconds of whole networks as the table was measured: runtime, type, threads, batch and resolution.

    Args:
        networks: plain torch, in evaluation mode.
        table: of this machine, see `is_here`.
    """
    runtime, dtype = open_runtime(_runtime(table), table.dtype)
    task = Task(table.channels, table.resolutions[0], table.classes)
    shape = (table.batch, *task.input_shape)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        models = [
            Model(name=str(number), file=f"{number}{runtime.suffix}", inputs=(shape,), network=True)
            for number in range(len(networks))
        ]
        for network, model in zip(networks, models, strict=True):
            runtime.convert(network, model.inputs, folder / model.file, dtype)
        plan = Plan(
            runtime=_runtime(table),
            dtype=dtype,
            threads=table.threads or 1,
            batch=table.batch,
            space="",
            resolution=task.resolution,
            channels=task.channels,
            classes=task.classes,
            models=tuple(models),
            rounds=ROUNDS,
            most_rounds=2 * ROUNDS,
        )
        plan.write(folder, runtime.loader)
        Here().run(folder, plan, reporter)
        timings = read_timings(folder, plan)
    return [timings.figures[number] for number in range(len(networks))]


def _runtime(table: LatencyTable) -> str:
    """Its name among those installed, of text such as 'onnxruntime 1.31.1'; '' for another."""
    name = (table.runtime or "").split(" ")[0]
    return name if name in runtime_names() else ""
