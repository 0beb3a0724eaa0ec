"""Peak activation memory of one image.

The model: operators run one after the other in the order of the definition; while one runs, its inputs, its output
and every tensor that a later operator still reads are held. Normalisation, activations and element-wise operators write
over their first input where it has their size and nothing still reads it, as inference runtimes do. A tensor under two
names (reshaped, or passed on by a module that is left out) is held once. Weights are not counted.

`nas.costs.memory_model` says how runtimes differ from this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nas.choices import Value, all_of, any_of, evaluate, free_choices, negation, settled
from nas.costs.compiled import Term
from nas.costs.memory_model import IN_PLACE, PLAIN, MemoryModel, is_depthwise, may_be_depthwise
from nas.elastic import Operator, Walk
from nas.elastic.symbolic import same


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


def memory_terms(walk: Walk, model: MemoryModel = PLAIN) -> list[Term]:
    """Bytes held while each operator runs; the peak is their maximum (compile with reduction 'max')."""
    lives, storages, parts = _lives(walk), _storages(walk, model.aliases - {"fork"}), _parts(walk, model.aliases)
    waiting: dict[int, _Life] = {}
    terms = []
    for step, operator in enumerate(walk.operators):
        waiting |= {tensor.index: lives[tensor.index] for tensor in operator.inputs}
        waiting = {index: life for index, life in waiting.items() if life.last > step}
        if operator.kind not in model.aliases:
            terms.append(_held(operator, step, waiting, lives, storages, parts, model))
        waiting[operator.output.index] = lives[operator.output.index]
    return terms


def _storages(walk: Walk, views: frozenset[str]) -> Storages:
    storages: Storages = {}
    for operator in walk.operators:
        for tensor in operator.inputs:
            storages.setdefault(tensor.index, {tensor.index: True})
        found: dict[int, Value] = {operator.output.index: True}
        if operator.kind in views:
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


def _parts(walk: Walk, aliases: frozenset[str]) -> frozenset[int]:
    """The tensors that may be smaller than what they are another name of: slices, and other names of these."""
    found: set[int] = set()
    for operator in walk.operators:
        named = operator.kind in aliases and any(tensor.index in found for tensor in operator.inputs)
        if operator.kind == "slice" or named:
            found.add(operator.output.index)
    return frozenset(found)


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
    parts: frozenset[int],
    model: MemoryModel,
) -> Term:
    """What is held at one step: sizes with the conditions under which they count, where the operator is run.

    Args:
        waiting: tensors made before, some of which a later operator reads.
        parts: tensors that are a part of their storage.
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
        if len(names) == 1 and parts.isdisjoint(names):
            held += [(lives[index].elements, needed) for index, needed in names.items()]
            continue
        for store in {store for index in names for store in storages[index]}:
            uses = [all_of([names[index], storages[index].get(store, False)]) for index in names]
            held.append((lives[store].elements, any_of(uses)))
    written = _written(operator, later, storages, model)

    def measure(codes: Any) -> Any:
        total: Any = written.evaluate(codes)
        for elements, condition in held:
            total = total + np.asarray(evaluate(elements, codes)) * np.asarray(evaluate(condition, codes), dtype=np.int64)
        return total * model.bytes_per_element * np.asarray(evaluate(operator.guard, codes), dtype=np.int64)

    symbolic = (operator.guard, *(value for pair in held for value in pair))
    return Term(tuple({choice.name: choice for choice in (*free_choices(*symbolic), *written.choices)}.values()), measure)


def _written(operator: Operator, later: dict[int, Value], storages: Storages, model: MemoryModel) -> Term:
    """How many elements an operator adds to what is held, by writing its output.

    Args:
        later: the tensors that later operators read, with the conditions under which they do.
    """
    first, output = operator.inputs[0], operator.output
    own, before = _elements(output.shape), _elements(first.shape)
    # A kind of operator, or a convolution that is depthwise in some architectures, may write over its first input.
    depthwise = model.in_place and may_be_depthwise(operator)
    fits = operator.kind in IN_PLACE and all(same(a, b) for a, b in zip(first.shape, output.shape, strict=True))
    copied: Value = True
    if depthwise or fits:
        copied = any_of(
            all_of([needed, here, storages[index][store]]) if index != first.index else needed
            for index, needed in later.items()
            for store, here in storages[first.index].items()
            if store in storages[index]
        )
    if not depthwise:
        added = own * (copied * 1)
        return Term(free_choices(added), lambda codes: evaluate(added, codes))
    groups, channels, out_channels = operator.attributes["groups"], first.shape[1], output.shape[1]

    def measure(codes: Any) -> Any:
        size = np.asarray(evaluate(own, codes))
        width = np.asarray(evaluate(out_channels, codes))
        over = is_depthwise(evaluate(groups, codes), evaluate(channels, codes), width)
        grown = np.maximum(size - np.asarray(evaluate(before, codes)), 0) + size // width
        return np.where(over & ~np.asarray(evaluate(copied, codes), dtype=bool), grown, size)

    return Term(free_choices(own, before, copied, groups, channels, out_channels), measure)


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
