"""How far a network is from what a machine could do: the efficiency of each layer, and the gap of the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.costs import devices
from nas.costs.roofline import Machine, Work, joined, least_seconds, waterline, works
from nas.drawing import draw_efficiency
from nas.drawing.measure import require_matplotlib
from nas.drawing.picture import check_suffix
from nas.elastic import Walk
from nas.jobs.chosen import Chosen, chosen
from nas.jobs.machine import measure_machine, measure_network
from nas.supernet import Space, Task

BYTES = {"float32": 4, "int8": 1}
"""Of an activation and of a weight."""


def efficiency(
    target: str | Path,
    architecture: str | None = None,
    plot: str | Path | None = None,
    peak_gflops: float | None = None,
    bandwidth_gbs: float | None = None,
    device: str | None = None,
    threads: int = 1,
    dtype: str = "float32",
    space: Space | None = None,
) -> dict[str, Any]:
    """Compare a network with the roofline of a machine; see `nas.costs.roofline`.

    Without figures this machine is measured, and the network on it. With the peak and the bandwidth of another machine the
    latency is that of a device's table, where one is named.

    Args:
        target, architecture, space: see `nas.jobs.chosen`.
        plot: a file that ends in .svg, .png or .pdf; none is drawn by default.
        peak_gflops: 10^9 operations a second, a multiply-add being two.
        bandwidth_gbs: 10^9 bytes a second.
        device: a latency table, of the machine whose figures are given; the network is then costed at the table's task.
        threads: with which this machine is measured.
        dtype: 'float32' or 'int8'; only float32 is measured.

    Returns:
        {"space", "name", "architecture", "at", "dtype", "machine": {"name", "gflops", "gbs", "ridge", "measured"},
        "layers": [{"path", "block", "kind", "operations", "bytes", "weights", "intensity", "attainable", "share", "least_ms"}],
        "waterline", "fused_waterline", "ideal_ms", "least_ms", "fused_ms", "latency": {"ms", "what", ...} or None,
        "efficiency" or None, "gap" or None, "plot"}.

    Raises:
        NasError: only one of peak and bandwidth, figures that are not above 0, a device without figures, an unknown dtype,
            device, space or architecture; or a network without operations.
    """
    machine, measured = _machine(peak_gflops, bandwidth_gbs, device, threads, dtype)
    if plot is not None:
        check_suffix(Path(plot))
        require_matplotlib()
    found = chosen(target, architecture, space)
    table = devices()[device] if device is not None else None
    task = found.task if table is None else found.space.task_for(table)
    walk = found.space.walk_of(found.row, task)
    layers = works(walk, found.codes, BYTES[dtype])
    operations = sum(layer.operations for layer in layers)
    if not operations:
        raise NasError(f"{found.name} of {found.space.name} multiplies nothing, so it has no efficiency")
    ideal, least = operations / machine.operations, least_seconds(layers, machine)
    listed = _blocks(found, walk, task)
    fused = joined(layers, listed.values())
    homes = {step: name for name, steps in listed.items() for step in steps}
    latency = _latency(found, task, threads, device, measured)
    result = {
        "space": found.space.name,
        "name": found.name,
        "architecture": found.architecture.to_json(),
        "at": str(task),
        "dtype": dtype,
        "machine": {
            "name": machine.name,
            "gflops": machine.operations / 1e9,
            "gbs": machine.bandwidth / 1e9,
            "ridge": machine.ridge,
            "measured": measured,
        },
        "layers": [_layer(layer, homes[layer.steps[0]], machine, operations) for layer in layers],
        "waterline": waterline(layers, machine),
        "fused_waterline": waterline(fused, machine),
        "ideal_ms": 1e3 * ideal,
        "least_ms": 1e3 * least,
        "fused_ms": 1e3 * least_seconds(fused, machine),
        "latency": latency,
        "efficiency": None if latency is None else 1e3 * ideal / latency["ms"],
        "gap": None if latency is None else latency["ms"] / (1e3 * ideal),
        "plot": None if plot is None else str(plot),
    }
    if plot is not None:
        draw_efficiency(result, Path(plot))
    return result


def _machine(
    peak_gflops: float | None, bandwidth_gbs: float | None, device: str | None, threads: int, dtype: str
) -> tuple[Machine, bool]:
    """The machine, and whether it is this one, measured."""
    if dtype not in BYTES:
        raise NasError(f"--dtype is {' or '.join(BYTES)}; given '{dtype}'")
    if (peak_gflops is None) != (bandwidth_gbs is None):
        raise NasError("--peak-gflops and --bandwidth-gbs describe one machine: give both, or neither to measure this one")
    if peak_gflops is not None and bandwidth_gbs is not None:
        if not (peak_gflops > 0 and bandwidth_gbs > 0):
            raise NasError(f"--peak-gflops and --bandwidth-gbs are above 0; given {peak_gflops:g} and {bandwidth_gbs:g}")
        return Machine(devices()[device].device if device else "as given", 1e9 * peak_gflops, 1e9 * bandwidth_gbs), False
    if device is not None:
        raise NasError(
            f"what {devices()[device].device} can do at best is not in its table; give --peak-gflops and --bandwidth-gbs too"
        )
    if dtype != "float32":
        raise NasError(f"this machine is measured in float32; for {dtype} give --peak-gflops and --bandwidth-gbs")
    return measure_machine(threads), True


def _latency(found: Chosen, task: Task, threads: int, device: str | None, measured: bool) -> dict[str, Any] | None:
    """Measured here, or summed from the table of the device that was named."""
    if measured:
        network = found.space.network(found.architecture, task)
        return measure_network(network, task.input_shape, threads)
    if device is None:
        return None
    table = devices()[device]
    milliseconds = float(found.space.cost(table.metric, found.architecture))
    return {"ms": milliseconds, "what": f"summed from operators measured on {table.device}, {table.dtype}, batch {table.batch}"}


def _blocks(found: Chosen, walk: Walk, task: Task) -> dict[str, list[int]]:
    """The blocks of the network by name, with the steps of the walk that each holds."""
    numbers = {id(operator): step for step, operator in enumerate(walk.operators)}
    named: dict[str, list[int]] = {}
    for place, block in enumerate(found.blocks(walk, task), 1):
        name = block.path if block.path and block.path not in named else f"{block.path or block.kind} ({place})"
        named[name] = [numbers[id(step.operator)] for step in block.steps]
    return named


def _layer(layer: Work, block: str, machine: Machine, operations: int) -> dict[str, Any]:
    return {
        "path": layer.path,
        "block": block,
        "kind": layer.kind,
        "operations": layer.operations,
        "bytes": layer.traffic,
        "weights": layer.weights,
        "intensity": layer.intensity,
        "attainable": layer.attainable(machine),
        "share": layer.operations / operations,
        "least_ms": 1e3 * layer.seconds(machine),
    }
