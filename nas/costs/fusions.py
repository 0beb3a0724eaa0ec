"""What runtimes do between units: sums that a convolution takes in, and activations that cost nothing.

onnxruntime on x86, and other runtimes as far as they can, run a batch norm, and one sum with another tensor, inside the
convolution before them, and an activation of its result, too; an activation, pooling or sum that several operators ask of the
same tensors is computed once. In networks of many small operators that is a good part of the time. So such places have keys of
their own, in tables that tell them apart:

    elementwise ... into_conv=1     a sum that the convolution behind one of its operands can take in
    conv_norm ... free_act=1        a unit whose activation another one has computed, or the convolution before it takes in
    pool ... repeated=1             a pooling or a sum that was computed before

How much is saved is the runtime's affair, and measured: whole networks tell it, as they correct every other figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.choices import Tabulated, Value, assignments, evaluate, free_choices
from nas.choices.expression import SETTLING_LIMIT
from nas.costs.table import FREE_ACT, INTO_CONV, REPEATED
from nas.elastic import Operator, Walk
from nas.elastic.symbolic import SymbolicTensor

CONVOLUTIONS = frozenset({"conv2d"})
FOLDED = frozenset({"batch_norm"})
"""Kinds that become a part of the convolution before them."""

REPEATABLE = frozenset({"activation", "elementwise", "pool"})
"""Kinds without weights: on the same tensors they have the same result."""

Where = npt.NDArray[np.bool_]
"""For every joint option of the choices, whether something holds."""


def fusions_of(walk: Walk) -> Fusions:
    """What is known of a walk; it is worked out once."""
    if "fusions" not in walk.notes:
        walk.notes["fusions"] = Fusions(walk)
    found: Fusions = walk.notes["fusions"]
    return found


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
        self._first: dict[int, int] = {}
        """The first operator of each unit."""
        for step, operator in enumerate(walk.operators):
            for unit in operator.units:
                self._first.setdefault(unit, step)
        self._told: dict[int, dict[str, Value]] = {}
        self._evaluated: dict[int, tuple[Value, Where]] = {}
        self._made = {operator.output.index: step for step, operator in enumerate(walk.operators)}
        self._reads: dict[int, list[tuple[int, Where]]] = {}
        self._readers: dict[int, list[int]] = {}
        self._named: dict[int, npt.NDArray[np.int64]] = {}
        self._may_be: dict[int, set[int]] = {}
        self._sums: dict[int, Where] = {}
        self._plains: dict[int, Where] = {}
        self._ends: dict[int, Where] = {}
        if self.known:
            self._codes = assignments(self._choices) if self._choices else {}
            self._count = math.prod(len(choice.options) for choice in self._choices)
            self._read()

    def of_unit(self, index: int) -> dict[str, Value]:
        """What the key of a unit says besides: whether the activation that it begins with can be saved."""
        step = self._first.get(index)
        return {} if step is None or self._operators[step].kind != "activation" else self.of(step)

    def of(self, step: int) -> dict[str, Value]:
        """What the key of an operator says besides; nothing where nothing can be saved."""
        if step not in self._told:
            self._told[step] = self._tell(step)
        return self._told[step]

    def _tell(self, step: int) -> dict[str, Value]:
        if not self.known:
            return {}
        operator = self._operators[step]
        saved = {}
        if operator.kind == "activation":
            saved[FREE_ACT] = self._free(step)
        elif operator.kind in REPEATABLE:
            saved[REPEATED] = repeated = self._repeated(step)
            if step in self._sums:
                saved[INTO_CONV] = self._sums[step] & ~repeated
        values = {name: self._value(where & self._where(operator.guard)) for name, where in saved.items()}
        return {name: value for name, value in values.items() if value is not False}

    def _read(self) -> None:
        """Note who reads what, and look at every sum, in order: a sum may be one of a sum."""
        for step, operator in reversed(list(enumerate(self._operators))):
            for tensor, where in zip(operator.inputs, self._read_where(operator), strict=True):
                self._reads.setdefault(tensor.index, []).append((step, where))
        for step, operator in enumerate(self._operators):
            if operator.kind != "fork":
                for origin in {origin for tensor in operator.inputs for origin in self._origins(tensor)}:
                    self._readers.setdefault(origin, []).append(step)
            if operator.kind == "elementwise" and len(operator.inputs) > 1:
                first, second = (self._alone(tensor, step) for tensor in operator.inputs[:2])
                self._sums[step] = first | second

    def _read_where(self, operator: Operator) -> list[Where]:
        """In which architectures an operator reads each of its inputs; those that come after it are known already."""
        guard = self._where(operator.guard)
        if operator.kind != "fork":
            return [guard] * len(operator.inputs)
        condition = self._where(operator.attributes["condition"])
        # It is but another name, which need not be used.
        guard = guard & self._read_by_others(operator.output)
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
        before, besides = np.zeros(self._count, dtype=bool), np.zeros(self._count, dtype=bool)
        for other in {step for origin in self._origins(tensor) for step in self._readers[origin]}:
            operator = self._operators[other]
            if operator.kind == "activation":
                if other < step:
                    before |= self._reads_same(operator, tensor)
            else:
                besides |= self._reads_same(operator, tensor)
        found: Where = before | (self._end(tensor) & ~besides)
        return found

    def _repeated(self, step: int) -> Where:
        """In which architectures an operator without weights was computed before."""
        found = np.zeros(self._count, dtype=bool)
        for _, where in self._repeats(step):
            found |= where
        return found

    def _repeats(self, step: int) -> Iterator[tuple[int, Where]]:
        """Earlier operators that may compute the same as one without weights, and in which architectures they do."""
        operator = self._operators[step]
        if operator.kind == "elementwise" and len(operator.inputs) == 1:
            return  # what it adds or multiplies by may differ
        readers = {other for origin in self._origins(operator.inputs[0]) for other in self._readers.get(origin, ())}
        for other in sorted(readers):
            known = self._operators[other]
            if other < step and _alike(known, operator):
                where = self._where(known.guard) & self._where(operator.guard)
                for one, two in zip(known.inputs, operator.inputs, strict=True):
                    where = where & (self._origin(one) == self._origin(two))
                yield other, where

    def _reads_same(self, operator: Operator, tensor: SymbolicTensor) -> Where:
        """In which architectures an operator reads a tensor, by whatever name."""
        found = np.zeros(self._count, dtype=bool)
        for read in operator.inputs:
            if self._origins(read) & self._origins(tensor):
                found |= self._origin(read) == self._origin(tensor)
        return found & self._where(operator.guard)

    def _alone(self, tensor: SymbolicTensor, reader: int) -> Where:
        """In which architectures a tensor is a convolution's, without a sum, and nothing else reads it."""
        found: Where = self._plain(tensor) & ~self._read_by_others(tensor, reader)
        return found

    def _plain(self, tensor: SymbolicTensor) -> Where:
        """In which architectures a tensor is a convolution's, without a sum."""
        if tensor.index not in self._plains:
            self._plains[tensor.index] = self._made_by_conv(tensor, self._alone, {})
        return self._plains[tensor.index]

    def _end(self, tensor: SymbolicTensor) -> Where:
        """In which architectures a convolution makes a tensor, with a sum or without."""
        if tensor.index not in self._ends:
            self._ends[tensor.index] = self._made_by_conv(tensor, lambda side, _: self._end(side), self._sums)
        return self._ends[tensor.index]

    def _made_by_conv(
        self, tensor: SymbolicTensor, under: Callable[[SymbolicTensor, int], Where], sums: Mapping[int, Where]
    ) -> Where:
        """In which architectures a convolution makes a tensor.

        Args:
            under: the same of a tensor that a fork, the step which is given, names anew.
            sums: what else counts, by its step.
        """
        made = self._made.get(tensor.index, -1)
        kind = self._operators[made].kind if made >= 0 else ""
        if kind in CONVOLUTIONS:
            return np.ones(self._count, dtype=bool)
        if kind in FOLDED:
            return self._alone(self._operators[made].inputs[0], made)
        if kind == "fork":
            yes, no = (under(side, made) for side in self._operators[made].inputs)
            return np.where(self._where(self._operators[made].attributes["condition"]), yes, no)
        return sums.get(made, np.zeros(self._count, dtype=bool))

    def _origin(self, tensor: SymbolicTensor) -> npt.NDArray[np.int64]:
        """The tensor of which this is another name, or which is the same, by its index, in each architecture."""
        if tensor.index not in self._named:
            made = self._made.get(tensor.index, -1)
            kind = self._operators[made].kind if made >= 0 else ""
            found = np.full(self._count, tensor.index)
            if kind == "fork":
                yes, no = (self._origin(side) for side in self._operators[made].inputs)
                found = np.where(self._where(self._operators[made].attributes["condition"]), yes, no)
            elif kind in REPEATABLE:
                for other, where in self._repeats(made):
                    first = where & (found == tensor.index)
                    found = np.where(first, self._origin(self._operators[other].output), found)
            self._named[tensor.index] = found
        return self._named[tensor.index]

    def _origins(self, tensor: SymbolicTensor) -> set[int]:
        """All tensors of which this may be another name."""
        if tensor.index not in self._may_be:
            self._may_be[tensor.index] = set(np.unique(self._origin(tensor)).tolist())
        return self._may_be[tensor.index]

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


def _alike(one: Operator, two: Operator) -> bool:
    """Whether two operators without weights compute the same, if they read the same."""
    outer, other = ((op.kind, len(op.inputs), len(op.output.shape), set(op.attributes)) for op in (one, two))
    if outer != other:
        return False
    pairs = [(value, two.attributes[name]) for name, value in one.attributes.items()]
    pairs += zip(one.output.shape, two.output.shape, strict=True)
    # What depends on choices is the same only where it is the same expression.
    return all(first is second or (isinstance(first, int | str) and first == second) for first, second in pairs)
