"""From timings to a latency table."""

from __future__ import annotations

import numpy as np

from nas.base.errors import NasError
from nas.costs import LatencyTable
from nas.costs.table import TableAccuracy, TableEntry
from nas.measuring.correction import Floats, fitted_scale, table_error
from nas.measuring.measurement import Measurement
from nas.measuring.plan import Plan
from nas.measuring.timings import Timings


def tabulate(name: str, measurement: Measurement, plan: Plan, timings: Timings) -> LatencyTable:
    """The table of a finished measurement.

    Where whole networks were timed, every figure is multiplied by the one factor that brings the sums of every other network
    to its time, and the error on the rest is stored.

    Raises:
        NasError: some model was not timed.
    """
    lacking = [model.name for number, model in enumerate(plan.models) if number not in timings.figures]
    if lacking:
        raise NasError(f"{len(lacking)} of {len(plan.models)} models were not timed, the first: {lacking[0]}; go on measuring")
    blocks = measurement.blocks.all
    alone = np.array([timings.figures[number].ms for number in range(len(blocks))])
    whole = np.array([timings.figures[number].ms for number in range(len(blocks), len(plan.models))])
    factor, accuracy = 1.0, None
    if len(whole):
        factor, accuracy = _corrected(measurement, alone, whole)
    device = timings.device
    entries = []
    for number, block in enumerate(blocks):
        figure = timings.figures[number]
        entries.append(
            TableEntry(key=block.key, ms=round(figure.ms * factor, 6), spread=round(figure.spread, 6), count=figure.count)
        )
    return LatencyTable(
        schema=1,
        name=name,
        device=f"{device.get('processor', 'unknown processor')}, {device.get('cores', '?')} cores, {device.get('system', '')}",
        runtime=str(device.get("runtime", plan.runtime)),
        dtype=plan.dtype,
        threads=plan.threads,
        batch=plan.batch,
        resolution=plan.resolution,
        channels=plan.channels,
        classes=plan.classes,
        source=f"measured by nas measure --space {plan.space}",
        licence="none",
        note=_note(plan, factor, timings),
        operators=tuple(entries),
        accuracy=() if accuracy is None else (accuracy,),
    )


def _corrected(measurement: Measurement, alone: Floats, whole: Floats) -> tuple[float, TableAccuracy]:
    """The factor from every second network, and the error on the others."""
    sums = measurement.blocks.counts(measurement.networks) @ alone
    fitted, others = slice(0, None, 2), slice(1, None, 2)
    factor = fitted_scale(sums[fitted], whole[fitted])
    judged = others if len(whole) > 1 else fitted
    error = table_error(sums[judged] * factor, whole[judged])
    return factor, TableAccuracy(space=measurement.space.name, fitted_on=len(whole[fitted]), factor=factor, **error.to_json())


def _note(plan: Plan, factor: float, timings: Timings) -> str:
    parts = [
        f"Median over up to {plan.most_rounds} rounds of the fastest of {plan.calls} calls, in random order; each operator or "
        "unit by itself, as the runtime fuses it."
    ]
    if factor != 1.0:
        parts.append(f"Every figure was multiplied by {factor:.4f}, which brings sums to whole networks.")
    return " ".join([*parts, *(f"Warning: {text}." for text in timings.warnings())])
