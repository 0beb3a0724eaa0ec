"""What runtimes do between units: sums that a convolution takes in, and activations that cost nothing.

onnxruntime on x86, and other runtimes as far as they can, run a batch norm, and one sum with another tensor, inside the
convolution before them, and an activation of its result, too; an activation that several operators ask of one tensor is
computed once. In networks of many small operators that is a good part of the time. So such places have keys of their own, in
tables that tell them apart:

    elementwise ... into_conv=1     a sum that the convolution behind one of its operands can take in
    conv_norm ... free_act=1        a unit whose activation another one has computed, or the convolution before it takes in

How much is saved is the runtime's affair, and measured: whole networks tell it, as they correct every other figure.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.choices import Tabulated, Value, assignments, evaluate, free_choices
from nas.choices.expression import SETTLING_LIMIT
from nas.elastic import Operator, Walk
from nas.elastic.symbolic import SymbolicTensor

INTO_CONV, FREE_ACT = "into_conv", "free_act"
"""Attributes of the keys; left out of a key where they are 0."""

SAVINGS = frozenset({INTO_CONV, FREE_ACT})

CONVOLUTIONS = frozenset({"conv2d"})
FOLDED = frozenset({"batch_norm"})
"""Kinds that become a part of the convolution before them."""

Where = npt.NDArray[np.bool_]
"""For every joint option of the choices, whether something holds."""


class Fusions:
    """The sums and activations of a walk that a runtime may save.

    All architectures are looked at side by side. Where the choices have more joint options than 65,536, as in spaces that
    search each layer for itself, nothing is told apart.
    """

    def __init__(self, walk: Walk) -> None:
        self._operators = walk.operators
        conditions = [op.attributes["condition"] for op in walk.operators if op.kind == "fork"]
        self._choices = free_choices(*conditions, *(operator.guard for operator in walk.operators))
        self.known = math.prod(len(choice.options) for choice in self._choices) <= SETTLING_LIMIT
        self._evaluated: dict[int, tuple[Value, Where]] = {}
        self._made = {operator.output.index: step for step, operator in enumerate(walk.operators)}
        self._reads: dict[int, list[tuple[int, Where]]] = {}
        self._activations: dict[int, list[int]] = {}
        self._sums: dict[int, Where] = {}
        self._plains: dict[int, Where] = {}
        self._ends: dict[int, Where] = {}
        if self.known:
            self._codes = assignments(self._choices) if self._choices else {}
            self._count = math.prod(len(choice.options) for choice in self._choices)
            self._read()

    def of(self, step: int) -> dict[str, Value]:
        """What the key of an operator, or of a unit that begins with it, says besides; nothing where nothing can be saved."""
        if not self.known:
            return {}
        operator = self._operators[step]
        if operator.kind == "activation":
            name, saved = FREE_ACT, self._free(step)
        elif step in self._sums:
            name, saved = INTO_CONV, self._sums[step]
        else:
            return {}
        value = self._value(saved & self._where(operator.guard))
        return {} if value is False else {name: value}

    def _read(self) -> None:
        """Note who reads what, and look at every sum, in order: a sum may be one of a sum."""
        for step, operator in enumerate(self._operators):
            for tensor, where in zip(operator.inputs, self._read_where(operator), strict=True):
                self._reads.setdefault(tensor.index, []).append((step, where))
            if operator.kind == "activation":
                self._activations.setdefault(operator.inputs[0].index, []).append(step)
        for step, operator in enumerate(self._operators):
            if operator.kind == "elementwise" and len(operator.inputs) > 1:
                first, second = (self._alone(tensor, step) for tensor in operator.inputs[:2])
                self._sums[step] = first | second

    def _read_where(self, operator: Operator) -> list[Where]:
        """In which architectures an operator reads each of its inputs."""
        guard = self._where(operator.guard)
        if operator.kind != "fork":
            return [guard] * len(operator.inputs)
        condition = self._where(operator.attributes["condition"])
        return [guard & condition, guard & ~condition]

    def _read_by_others(self, tensor: SymbolicTensor, *but: int) -> Where:
        found = np.zeros(self._count, dtype=bool)
        for step, where in self._reads.get(tensor.index, ()):
            if step not in but:
                found |= where
        return found

    def _free(self, step: int) -> Where:
        """In which architectures an activation is computed elsewhere, or by the convolution that made what it reads."""
        tensor = self._operators[step].inputs[0]
        alike = self._activations[tensor.index]
        before = np.zeros(self._count, dtype=bool)
        for other in alike:
            if other < step:
                before |= self._where(self._operators[other].guard)
        found: Where = before | (self._end(tensor) & ~self._read_by_others(tensor, *alike))
        return found

    def _alone(self, tensor: SymbolicTensor, reader: int) -> Where:
        """In which architectures a tensor is a convolution's, without a sum, and nothing else reads it."""
        found: Where = self._plain(tensor) & ~self._read_by_others(tensor, reader)
        return found

    def _plain(self, tensor: SymbolicTensor) -> Where:
        """In which architectures a tensor is a convolution's, without a sum."""
        if tensor.index not in self._plains:
            made = self._made.get(tensor.index)
            found = np.zeros(self._count, dtype=bool)
            if made is not None:
                operator = self._operators[made]
                if operator.kind in CONVOLUTIONS:
                    found = np.ones(self._count, dtype=bool)
                elif operator.kind in FOLDED:
                    found = self._alone(operator.inputs[0], made)
                elif operator.kind == "fork":
                    yes, no = (self._alone(side, made) for side in operator.inputs)
                    found = np.where(self._where(operator.attributes["condition"]), yes, no)
            self._plains[tensor.index] = found
        return self._plains[tensor.index]

    def _end(self, tensor: SymbolicTensor) -> Where:
        """In which architectures a convolution makes a tensor, with a sum or without."""
        if tensor.index not in self._ends:
            made = self._made.get(tensor.index)
            found = np.zeros(self._count, dtype=bool)
            if made is not None:
                operator = self._operators[made]
                if operator.kind in CONVOLUTIONS:
                    found = np.ones(self._count, dtype=bool)
                elif operator.kind in FOLDED:
                    found = self._alone(operator.inputs[0], made)
                elif operator.kind == "fork":
                    yes, no = (self._end(side) for side in operator.inputs)
                    found = np.where(self._where(operator.attributes["condition"]), yes, no)
                else:
                    found = self._sums.get(made, found)
            self._ends[tensor.index] = found
        return self._ends[tensor.index]

    def _where(self, condition: Value) -> Where:
        """In which architectures a condition holds."""
        known = self._evaluated.get(id(condition))
        if known is None:
            found: Any = np.asarray(evaluate(condition, self._codes), dtype=bool)
            # The condition too, so that its identity is not given to another.
            known = self._evaluated[id(condition)] = condition, np.broadcast_to(found, (self._count,))
        return known[1]

    def _value(self, where: Where) -> Value:
        """1 in these architectures, else 0, by the choices on which that depends; False for none."""
        if not where.any():
            return False
        grid = where.reshape([len(choice.options) for choice in self._choices])
        kept = []
        for axis, choice in enumerate(self._choices):
            if (grid != grid.take([0], axis)).any():
                kept.append(choice)
            else:
                grid = grid.take([0], axis)
        return Tabulated.of(tuple(kept), grid.reshape(-1).astype(np.int64)) if kept else 1
