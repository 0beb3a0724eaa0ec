"""One architecture as a graph of blocks, runs of equal blocks folded into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import networkx

from nas.architectures import Architecture
from nas.base.units import COUNT
from nas.drawing.blocks import Block, blocks, module_classes
from nas.drawing.describe import input_shape, is_residual, macs, output_shape, parameters, settings, words
from nas.drawing.flow import INPUT
from nas.supernet import Space, Task

IMAGES = "images"
"""The node that stands for what enters."""


@dataclass(frozen=True)
class Node:
    """A block with everything that is said of it; equal nodes in a row are drawn as one.

    Attributes:
        paths: modules of the blocks it stands for, in order.
    """

    kind: str
    said: tuple[str, ...]
    input: tuple[int, ...]
    output: tuple[int, ...]
    macs: int
    parameters: int
    residual: bool
    paths: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many equal blocks it stands for."""
        return len(self.paths)

    def same(self, other: Node) -> bool:
        """Whether nothing but the place tells two blocks apart."""
        return replace(self, paths=()) == replace(other, paths=())


def network_graph(space: Space, architecture: Architecture, task: Task | None = None) -> networkx.DiGraph:
    """The blocks that an architecture runs and the tensors between them.

    Nodes are numbered in order of execution, after `IMAGES`; each has the attributes `label` (kind, with how many it stands
    for), `kind`, `path`, `details` (settings in words), `shape`, `macs` (of one block) and `residual`. `count`, how
    many blocks it stands for, is missing from `IMAGES`.

    Args:
        task: the space's own by default.
    """
    task = task or space.task
    row = space.encode([architecture])[0]
    codes = dict(zip(space.decisions.names, row.tolist(), strict=True))
    found = blocks(space.walk_of(row, task), module_classes(space, task, row), codes)
    nodes = [_node(block, codes) for block in found]
    homes: dict[int, int] = {INPUT: INPUT}
    folded: list[Node] = []
    edges: dict[tuple[int, int], None] = {}
    for index, node in enumerate(nodes):
        if index and node.same(nodes[index - 1]) and _goes_on(found, index):
            folded[-1] = replace(folded[-1], paths=(*folded[-1].paths, *node.paths))
        else:
            folded.append(node)
        homes[index] = len(folded) - 1
    for index, block in enumerate(found):
        edges.update({(homes[source], homes[index]): None for source in block.sources if homes[source] != homes[index]})
    graph = networkx.DiGraph()
    graph.add_node(IMAGES, label=IMAGES, kind=IMAGES, path="", details=[], shape=task.input_shape, macs=0, residual=False)
    for index, node in enumerate(folded):
        graph.add_node(index, **_attributes(node))
    graph.add_edges_from((IMAGES if first == INPUT else first, second) for first, second in edges)
    return graph


def _node(block: Block, codes: Mapping[str, int]) -> Node:
    return Node(
        block.kind,
        tuple(words(settings(block, codes))),
        input_shape(block, codes),
        output_shape(block, codes),
        macs(block, codes),
        parameters(block, codes),
        is_residual(block, codes),
        (block.path,),
    )


def _goes_on(found: Sequence[Block], index: int) -> bool:
    """Whether a block reads the one before it, and either nothing else that others read too, or as far back as that one."""
    if index - 1 not in found[index].sources:
        return False
    readers = [other for other, block in enumerate(found) if index - 1 in block.sources]
    if found[index].sources == (index - 1,) and readers == [index]:
        return True
    here, before = (sorted(place - source for source in found[place].sources) for place in (index, index - 1))
    return here == before


def _attributes(node: Node) -> dict[str, Any]:
    return {
        "label": node.kind if node.count == 1 else f"{node.kind} x {node.count}",
        "kind": node.kind,
        "path": joined(node.paths),
        "details": list(node.said),
        "shape": node.output,
        "macs": node.macs,
        "count": node.count,
        "residual": node.residual,
    }


def counted(node: Mapping[str, Any]) -> str:
    """The multiply-adds of a node in words; empty for none."""
    if not node["macs"]:
        return ""
    each = COUNT.format(node["macs"])
    return f"{node['count']} x {each}" if node["count"] > 1 else each


def joined(paths: Sequence[str]) -> str:
    """Several modules' paths in short: 'layers.1-3' for 'layers.1', 'layers.2', 'layers.3'."""
    first, last = paths[0], paths[-1]
    if len(paths) == 1:
        return first
    (head, _, start), (other, _, end) = first.rpartition("."), last.rpartition(".")
    if head == other and start.isdigit() and end.isdigit():
        return f"{head}.{start}-{end}" if head else f"{start}-{end}"
    return f"{first} .. {last}"
