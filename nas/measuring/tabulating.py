"""From timings to a latency table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.costs import LatencyTable
from nas.costs.table import TableAccuracy, TableEntry
from nas.measuring.blocks import Blocks
from nas.measuring.correction import Floats, fitted_factors, table_error
from nas.measuring.plan import Plan
from nas.measuring.timings import Timings
from nas.supernet import Space


class Measured(Protocol):
    """What the models of a plan are: the blocks of a space, then whole networks of it. A `Measurement` is one."""

    @property
    def space(self) -> Space:
        """Of the blocks and networks."""

    @property
    def blocks(self) -> Blocks:
        """In the order of the plan."""

    @property
    def networks(self) -> Rows:
        """In the order of the plan, (N, D)."""


def tabulate(name: str, measured: Measured, plan: Plan, timings: Timings) -> LatencyTable:
    """The table of a finished measurement.

    Where whole networks were timed, every second one corrects the figures, and the error on the others is stored.

    Raises:
        NasError: some model was not timed.
    """
    lacking = [model.name for number, model in enumerate(plan.models) if number not in timings.figures]
    if lacking:
        raise NasError(f"{len(lacking)} of {len(plan.models)} models were not timed, the first: {lacking[0]}; go on measuring")
    blocks = measured.blocks.all
    alone = np.array([timings.figures[number].ms for number in range(len(blocks))])
    whole = np.array([timings.figures[number].ms for number in range(len(blocks), len(plan.models))])
    factors, accuracy = np.ones(len(blocks)), None
    if len(whole):
        factors, accuracy = _corrected(measured, alone, whole)
    device = timings.device
    entries = []
    for number, (block, factor) in enumerate(zip(blocks, factors.tolist(), strict=True)):
        figure = timings.figures[number]
        corrected = {} if accuracy is None else {"alone": round(figure.ms, 6)}
        entries.append(
            TableEntry(
                key=block.key,
                ms=round(figure.ms * factor, 6),
                spread=round(figure.spread * factor, 6),
                count=figure.count,
                **corrected,
            )
        )
    return LatencyTable(
        schema=1,
        name=name,
        device=device_text(device),
        runtime=str(device.get("runtime", plan.runtime)),
        dtype=plan.dtype,
        threads=plan.threads,
        batch=plan.batch,
        resolution=plan.resolution,
        channels=plan.channels,
        classes=plan.classes,
        spaces=(plan.space,),
        source=f"measured by nas measure --space {plan.space}",
        licence="none",
        note=_note(plan, accuracy is not None, timings),
        operators=tuple(entries),
        accuracy=() if accuracy is None else (accuracy,),
    )


def device_text(device: Mapping[str, Any]) -> str:
    """What the runner found to measure on, as a table says it."""
    return f"{device.get('processor', 'unknown processor')}, {device.get('cores', '?')} cores, {device.get('system', '')}"


def merged(known: LatencyTable, new: LatencyTable) -> LatencyTable:
    """One table of two spaces' operators; what both list is taken from the new one."""
    keys = {entry.key for entry in new.operators}
    spaces = {accuracy.space for accuracy in new.accuracy}
    return new.model_copy(
        update={
            "operators": (*(entry for entry in known.operators if entry.key not in keys), *new.operators),
            "accuracy": (*(accuracy for accuracy in known.accuracy if accuracy.space not in spaces), *new.accuracy),
            "spaces": tuple(dict.fromkeys((*known.spaces, *new.spaces))),
            "source": new.source if new.source in known.source else f"{known.source}; {new.source}",
        }
    )


def _corrected(measured: Measured, alone: Floats, whole: Floats) -> tuple[Floats, TableAccuracy]:
    """The factors from every second network, and the error on the others."""
    counts = measured.blocks.counts(measured.networks)
    fitted, others = slice(0, None, 2), slice(1, None, 2)
    factors = fitted_factors(counts[fitted], alone, whole[fitted])
    judged = others if len(whole) > 1 else fitted
    error = table_error(counts[judged] @ (alone * factors), whole[judged])
    plain = table_error(counts[judged] @ alone, whole[judged])
    return factors, TableAccuracy(
        space=measured.space.name, fitted_on=len(whole[fitted]), uncorrected_mape=plain.mape, **error.to_json()
    )


def _note(plan: Plan, corrected: bool, timings: Timings) -> str:
    parts = [
        f"Median over up to {plan.most_rounds} rounds of the fastest of {plan.turns * plan.calls} calls, in turns with other "
        "models, in random order, in the machine's usual state; each operator or unit by itself, as the runtime fuses it."
    ]
    if corrected:
        parts.append("Figures were then corrected by whole networks, so that sums tell their time.")
    return " ".join([*parts, *(f"Warning: {text}." for text in timings.warnings())])
