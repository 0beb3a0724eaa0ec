"""One architecture, unit by unit: what `nas show` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nas.choices import Value, evaluate
from nas.costs.counts import FREE, MACS
from nas.costs.estimates import Estimator
from nas.costs.fusions import fusions_of
from nas.costs.places import COSTLESS
from nas.costs.table import LatencyTable, operator_key
from nas.elastic import Walk


@dataclass(frozen=True)
class Layer:
    """A unit, or an operator that is in none, of one architecture.

    Attributes:
        macs, params: of all operators in it.
        milliseconds: by the table, None where it lists the unit only within a group or not at all.
        estimated: whether the table lacks the unit, and the milliseconds are an estimate.
    """

    path: str
    kind: str
    input: tuple[int, ...]
    output: tuple[int, ...]
    attributes: dict[str, Any]
    macs: int
    params: int
    milliseconds: float | None
    estimated: bool = False


def layers(
    walk: Walk, codes: Mapping[str, int], table: LatencyTable | None = None, estimator: Estimator | None = None
) -> list[Layer]:
    """The layers that an architecture runs, in order; where a table prices what is left out, that too.

    Args:
        codes: option index of every decision.
        table: of the task that was walked.
        estimator: gives the milliseconds of units that the table lacks, where estimates are allowed.
    """

    def settle(values: tuple[Value, ...]) -> tuple[int, ...]:
        return tuple(int(evaluate(value, codes)) for value in values)

    counts: dict[int, list[int]] = {}
    found: list[tuple[int, Layer]] = []
    for step, operator in enumerate(walk.operators):
        if not bool(evaluate(operator.guard, codes)):
            continue
        macs = 0 if operator.kind in FREE else int(evaluate(MACS[operator.kind](operator), codes))
        params = int(evaluate(operator.parameters, codes))
        if operator.units:
            total = counts.setdefault(operator.units[0], [step, 0, 0])
            total[1] += macs
            total[2] += params
        elif operator.kind not in COSTLESS:
            shapes = settle(operator.inputs[0].shape[1:]), settle(operator.output.shape[1:])
            found.append((step, Layer(operator.path, operator.kind, *shapes, {}, macs, params, None)))
    priced = frozenset() if table is None else table.kinds
    filled = {index for operator in walk.operators for index in operator.units}
    for index, use in enumerate(walk.units):
        if index not in filled and use.unit.kind in priced and bool(evaluate(use.guard, codes)):
            counts[index] = [use.step, 0, 0]
    fusions = fusions_of(walk) if table is not None and table.tells_fusions else None
    side = walk.image_side(codes) if table is not None and table.tells_resolutions else None
    for index, (step, macs, params) in counts.items():
        use = walk.units[index]
        attributes = {
            name: value if isinstance(value, str) else _plain(evaluate(value, codes))
            for name, value in use.unit.attributes.items()
        }
        input_shape, output_shape = settle(use.input), settle(use.output)
        if fusions is not None:
            attributes |= {name: 1 for name, value in fusions.of_unit(index).items() if evaluate(value, codes)}
        key = operator_key(use.unit.kind, input_shape, output_shape, attributes)
        milliseconds = table.lookup(key, use.unit.position, side) if table else None
        estimated = milliseconds is None and estimator is not None and _lacks(estimator.table, use.unit.kind, key)
        if estimator is not None and estimated:
            milliseconds = float(estimator([key])[0])
        shapes = input_shape, output_shape
        found.append((step, Layer(use.path, use.unit.kind, *shapes, attributes, macs, params, milliseconds, estimated)))
    return [layer for _, layer in sorted(found, key=lambda pair: pair[0])]


def _lacks(table: LatencyTable, kind: str, key: str) -> bool:
    """Whether a table that lists units of this kind has no figure for one of them, alone or in a group."""
    return kind in table.kinds and key not in table.shared


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
