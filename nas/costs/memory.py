"""Peak activation memory of one image.

The model: operators run one after the other in the order of the definition; while one runs, its inputs, its output
and every tensor that a later operator still reads are held. Normalisation, activations and element-wise operators write
over their first input where it has their size and nothing still reads it, as inference runtimes do. A tensor under two
names (reshaped, or passed on by a module that is left out) is held once. Weights are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nas.choices import Value, all_of, any_of, evaluate, free_choices, negation, settled
from nas.costs.compiled import Term
from nas.elastic import Operator, Walk
from nas.elastic.symbolic import same

IN_PLACE = frozenset({"activation", "batch_norm", "elementwise", "group_norm", "layer_norm"})
ALIASES = frozenset({"fork", "reshape", "slice"})
"""Kinds that run nothing: the output is the input under another name."""

BYTES_PER_ELEMENT = 4
"""float32."""


@dataclass
class _Life:
    """When a tensor exists: made at a step under a guard, read at later steps under theirs."""

    elements: Value
    made: int
    guard: Value
    reads: list[tuple[int, Value]] = field(default_factory=list)

    @property
    def last(self) -> int:
        """The step of the last read; reads are noted in order."""
        return self.reads[-1][0] if self.reads else self.made

    def needed_after(self, step: int) -> Value:
        """In which architectures the tensor exists and something after the step reads it."""
        return all_of([self.guard, any_of(guard for reader, guard in self.reads if reader > step)])


Storages = dict[int, dict[int, Value]]
"""For each tensor the tensors whose storage it may be, and in which architectures."""


def memory_terms(walk: Walk, bytes_per_element: int = BYTES_PER_ELEMENT) -> list[Term]:
    """Bytes held while each operator runs; the peak is their maximum (compile with reduction 'max')."""
    lives, storages = _lives(walk), _storages(walk)
    waiting: dict[int, _Life] = {}
    terms = []
    for step, operator in enumerate(walk.operators):
        waiting |= {tensor.index: lives[tensor.index] for tensor in operator.inputs}
        waiting = {index: life for index, life in waiting.items() if life.last > step}
        if operator.kind not in ALIASES:
            terms.append(_held(operator, step, waiting, lives, storages, bytes_per_element))
        waiting[operator.output.index] = lives[operator.output.index]
    return terms


def _storages(walk: Walk) -> Storages:
    storages: Storages = {}
    for operator in walk.operators:
        for tensor in operator.inputs:
            storages.setdefault(tensor.index, {tensor.index: True})
        found: dict[int, Value] = {operator.output.index: True}
        if operator.kind in ("reshape", "slice"):
            found = storages[operator.inputs[0].index]
        elif operator.kind == "fork":
            condition = operator.attributes["condition"]
            yes, no = (storages[tensor.index] for tensor in operator.inputs)
            otherwise = negation(condition)
            found = {
                store: any_of([all_of([condition, yes.get(store, False)]), all_of([otherwise, no.get(store, False)])])
                for store in {**yes, **no}
            }
        storages[operator.output.index] = found
    return storages


def _lives(walk: Walk) -> dict[int, _Life]:
    lives: dict[int, _Life] = {}
    for step, operator in enumerate(walk.operators):
        guards = [operator.guard] * len(operator.inputs)
        if operator.kind == "fork":
            condition = operator.attributes["condition"]
            guards = [all_of([operator.guard, condition]), all_of([operator.guard, negation(condition)])]
        for tensor, guard in zip(operator.inputs, guards, strict=True):
            life = lives.setdefault(tensor.index, _Life(_elements(tensor.shape), -1, True))
            life.reads.append((step, guard))
        lives[operator.output.index] = _Life(_elements(operator.output.shape), step, operator.guard)
    return lives


def _elements(shape: tuple[Value, ...]) -> Value:
    total: Value = 1
    for size in shape:
        total = total * size
    return total


def _held(
    operator: Operator,
    step: int,
    waiting: dict[int, _Life],
    lives: dict[int, _Life],
    storages: Storages,
    bytes_per_element: int,
) -> Term:
    """What is held at one step: sizes with the conditions under which they count, where the operator is run.

    Args:
        waiting: tensors made before, some of which a later operator reads.
    """
    inputs = {tensor.index: True for tensor in operator.inputs}
    later = {}
    for index, life in waiting.items():
        # Most of what waits at a fork belongs to candidates that exclude this operator.
        needed = settled(life.needed_after(step), operator.guard)
        if needed is not False:
            later[index] = needed
    held: list[tuple[Value, Value]] = []
    for names in _sharing({**later, **inputs}, storages):
        if len(names) == 1:
            held += [(lives[index].elements, needed) for index, needed in names.items()]
            continue
        for store in {store for index in names for store in storages[index]}:
            uses = [all_of([names[index], storages[index].get(store, False)]) for index in names]
            held.append((lives[store].elements, any_of(uses)))
    copied: Value = True
    first = operator.inputs[0]
    if operator.kind in IN_PLACE and all(same(a, b) for a, b in zip(first.shape, operator.output.shape, strict=True)):
        copied = any_of(
            all_of([needed, here, storages[index][store]]) if index != first.index else needed
            for index, needed in later.items()
            for store, here in storages[first.index].items()
            if store in storages[index]
        )
    if copied is not False:
        held.append((lives[operator.output.index].elements, copied))

    def measure(codes: Any) -> Any:
        total: Any = 0
        for elements, condition in held:
            total = total + np.asarray(evaluate(elements, codes)) * np.asarray(evaluate(condition, codes), dtype=np.int64)
        return total * bytes_per_element * np.asarray(evaluate(operator.guard, codes), dtype=np.int64)

    return Term(free_choices(operator.guard, *(value for pair in held for value in pair)), measure)


def _sharing(held: dict[int, Value], storages: Storages) -> list[dict[int, Value]]:
    """Tensors in groups that cannot have a storage in common with one another."""
    groups: list[tuple[set[int], dict[int, Value]]] = []
    for index, needed in held.items():
        stores, members = set(storages[index]), {index: needed}
        apart = []
        for other_stores, other_members in groups:
            if stores & other_stores:
                stores |= other_stores
                members = {**other_members, **members}
            else:
                apart.append((other_stores, other_members))
        groups = [*apart, (stores, members)]
    return [members for _, members in groups]
