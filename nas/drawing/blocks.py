"""Operators in groups a reader thinks in: units, residual blocks, cells, and single operators between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from nas.drawing.flow import INPUT, Step, steps
from nas.drawing.tree import ModuleTree
from nas.elastic import Unit, Walk
from nas.elastic.structure import Switch
from nas.supernet import SeparateSpace, Space, Task

ABSORBED = frozenset({"activation", "copy", "pad"})
"""Kinds that by themselves are not worth a box: they belong to what runs before them."""

NORMS = frozenset({"batch_norm", "group_norm", "layer_norm"})
"""Kinds that belong to a single convolution or linear layer before them, but are no part of a whole block before them."""


@dataclass(frozen=True)
class Block:
    """Operators that are shown as one.

    Attributes:
        path: the module, without the names of wrappers that only choose; empty for an operator that the network runs
            between its modules.
        kind: the unit's kind, else the module's class, else the operator's kind.
        steps: in order of execution.
        indices: their places among all steps.
        sources: earlier blocks that it reads, by index, or `INPUT`.
        unit: the unit that it is or mainly consists of.
    """

    path: str
    kind: str
    steps: tuple[Step, ...]
    indices: tuple[int, ...]
    sources: tuple[int, ...]
    unit: Unit | None


def module_classes(space: Space, task: Task, row: np.ndarray | None = None) -> dict[str, type[nn.Module]]:
    """Path -> class of the modules of a space's network, built without memory.

    Args:
        row: the architecture (D,), which spaces that build each network by itself need.
    """
    if isinstance(space, SeparateSpace) and row is not None:
        with torch.device("meta"):
            network: nn.Module = space.build_row(row, task)
    else:
        network = space.without_memory(task)
    return {name: type(module) for name, module in network.named_modules()}


def blocks(walk: Walk, classes: Mapping[str, type[nn.Module]], codes: Mapping[str, int] | None = None) -> list[Block]:
    """The blocks of one architecture; without codes those of the whole space, the candidates of a choice kept together.

    Args:
        classes: path -> class of the modules of the network that was walked.
        codes: option index of every decision.
    """
    run = steps(walk, codes)
    tree = ModuleTree(run, walk, classes, whole=Switch if codes is None else None)
    keyed: list[tuple[tuple[str, int], list[int]]] = []
    for index in range(len(run)):
        key = tree.block_of(index)
        if keyed and keyed[-1][0] == key:
            keyed[-1][1].append(index)
        else:
            keyed.append((key, [index]))
    groups: list[list[int]] = []
    homes: dict[int, int] = {INPUT: INPUT}
    for _, members in keyed:
        step = run[members[0]]
        kind = step.operator.kind
        small = kind in ABSORBED or (kind in NORMS and groups and _is_single(groups[-1][0], run, tree))
        alone = len(members) == 1 and small and not step.operator.units
        sources = {homes[source] for tensor in step.sources for source in tensor}
        if alone and groups and sources == {len(groups) - 1}:
            groups[-1] += members
        else:
            groups.append(members)
        homes.update(dict.fromkeys(members, len(groups) - 1))
    return [_block(run, members, homes, tree, walk) for members in groups]


def _block(run: Sequence[Step], members: Sequence[int], homes: Mapping[int, int], tree: ModuleTree, walk: Walk) -> Block:
    own = homes[members[0]]
    inside = tuple(run[index] for index in members)
    read = [homes[source] for step in inside for tensor in step.sources for source in tensor]
    path, _ = tree.block_of(members[0])
    units = [step.operator.units[0] for step in inside if step.operator.units]
    alone = len(set(units)) == 1 and 2 * len(units) >= len(inside) and not issubclass(tree.class_of(path), Switch)
    unit = walk.units[units[0]].unit if alone else None
    sources = tuple(dict.fromkeys(source for source in read if source != own))
    return Block(tree.shown(path), _kind(inside, path, unit, tree), inside, tuple(members), sources, unit)


def _is_single(index: int, run: Sequence[Step], tree: ModuleTree) -> bool:
    """Whether an operator stands in no unit and no block of several modules."""
    path, own = tree.block_of(index)
    return not run[index].operator.units and (own > 0 or not tree.children.get(path))


def _kind(inside: Sequence[Step], path: str, unit: Unit | None, tree: ModuleTree) -> str:
    if unit is not None:
        return unit.kind
    kind = tree.class_of(path)
    if issubclass(kind, Switch):
        return " | ".join(dict.fromkeys(tree.candidates(path)))
    if path and tree.children.get(path) and not issubclass(kind, nn.Sequential):
        return kind.__name__
    return inside[0].operator.kind
