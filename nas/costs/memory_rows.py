"""Peak activation memory of single architectures, followed operator by operator.

The model is that of `nas.costs.memory`, where the conditions under which a tensor is held are worked out for all
architectures at once. That pays in spaces that are chains. In a space of searched graphs nearly every tensor may be read
under nearly every condition, and running through the few hundred operators of one architecture is faster by orders of
magnitude.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.choices import Expression, Value, evaluate
from nas.costs.compiled import CompiledCost, FloatArray
from nas.costs.memory import memory_terms
from nas.costs.memory_model import IN_PLACE, PLAIN, MemoryModel, is_depthwise, may_be_depthwise
from nas.elastic import Walk

LARGE = 1_000
"""Walks of more operators than this hold many candidates side by side: terms for all architectures can take minutes there."""

BLOCK = 256
"""Rows for which conditions are evaluated together."""


class MemoryOfRows(CompiledCost):
    """Bytes held at the peak, for rows one by one."""

    def __init__(self, decisions: Decisions, walk: Walk, model: MemoryModel = PLAIN) -> None:
        super().__init__(decisions, (), "max")
        self.model = model
        self._aliases = model.aliases
        self._operators = walk.operators
        self._produced = frozenset(operator.output.index for operator in walk.operators)
        self._values: dict[Any, int] = {}
        self._symbolic: list[Value] = []
        self._guards = [self._number(operator.guard) for operator in walk.operators]
        self._forks = [self._number(op.attributes["condition"]) if op.kind == "fork" else -1 for op in walk.operators]
        self._groups = {
            step: self._number(operator.attributes["groups"])
            for step, operator in enumerate(walk.operators)
            if model.in_place and may_be_depthwise(operator)
        }
        shapes = {tensor.index: tensor.shape for op in walk.operators for tensor in (*op.inputs, op.output)}
        self._shapes = {index: [self._number(size) for size in shape] for index, shape in shapes.items()}

    def _number(self, value: Value) -> int:
        """The place of a value among those that are evaluated for a block of rows; the same value is evaluated once."""
        key = id(value) if isinstance(value, Expression) else (type(value), value)
        if key not in self._values:
            self._values[key] = len(self._symbolic)
            self._symbolic.append(value)
        return self._values[key]

    def __call__(self, rows: Rows) -> FloatArray:
        """The peak of each row."""
        result = np.empty(len(rows))
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            codes = {name: block[:, column].astype(np.int64) for name, column in self.decisions.column.items()}
            table = np.empty((len(self._symbolic), len(block)), dtype=np.int64)
            for place, value in enumerate(self._symbolic):
                table[place] = evaluate(value, codes)
            runs = table[self._guards].astype(bool)
            for index in range(len(block)):
                result[start + index] = self._peak(np.flatnonzero(runs[:, index]), table[:, index].tolist())
        return result * self.model.bytes_per_element

    def minimum(self) -> float:
        """The smallest peak that coordinate descent finds."""
        return self._descended()

    def _peak(self, steps: npt.NDArray[np.intp], values: Sequence[int]) -> int:
        """Elements held at the peak by the operators that run."""
        store: dict[int, int] = {}
        last: dict[int, int] = {}
        made: dict[int, int] = {}
        order = steps.tolist()
        for step in order:
            operator = self._operators[step]
            if operator.kind == "fork":
                source = operator.inputs[0 if values[self._forks[step]] else 1].index
                store[operator.output.index] = root = store.get(source, source)
                last[root] = step
                continue
            for tensor in operator.inputs:
                last[store.get(tensor.index, tensor.index)] = step
            if operator.kind in self._aliases:
                first = operator.inputs[0].index
                store[operator.output.index] = store.get(first, first)
            else:
                made[operator.output.index] = step
        changes: dict[int, int] = {}
        for root, end in last.items():
            if root in self._produced and root not in made:
                continue  # a fork after several others may name what no operator has made in this architecture
            size = self._size(root, values)
            begin = made.get(root, -1) + 1
            changes[begin] = changes.get(begin, 0) + size
            changes[end + 1] = changes.get(end + 1, 0) - size
        moments = sorted(changes)
        held = peak = place = 0
        for step in order:
            while place < len(moments) and moments[place] <= step:
                held += changes[moments[place]]
                place += 1
            operator = self._operators[step]
            if operator.kind in self._aliases:
                continue
            first = operator.inputs[0].index
            free = last[store.get(first, first)] == step
            peak = max(peak, held + self._written(step, free, values))
        return peak

    def _written(self, step: int, free: bool, values: Sequence[int]) -> int:
        """How many elements an operator adds to what is held; `free` says that nothing reads its first input any more."""
        operator = self._operators[step]
        before, after = operator.inputs[0].index, operator.output.index
        own = self._size(after, values)
        if not free:
            return own
        if operator.kind in IN_PLACE and self._dimensions(before, values) == self._dimensions(after, values):
            return 0
        if step in self._groups:
            channels, width = self._dimensions(before, values)[1], self._dimensions(after, values)[1]
            if is_depthwise(values[self._groups[step]], channels, width):
                return max(own - self._size(before, values), 0) + own // width
        return own

    def _dimensions(self, index: int, values: Sequence[int]) -> list[int]:
        return [values[place] for place in self._shapes[index]]

    def _size(self, index: int, values: Sequence[int]) -> int:
        total = 1
        for place in self._shapes[index]:
            total *= values[place]
        return total


def memory_cost(decisions: Decisions, walk: Walk, model: MemoryModel = PLAIN) -> CompiledCost:
    """Peak activation memory in bytes, compiled for all architectures or followed row by row, whichever the walk suits."""
    if len(walk.operators) > LARGE:
        return MemoryOfRows(decisions, walk, model)
    return CompiledCost(decisions, memory_terms(walk, model), reduction="max")
