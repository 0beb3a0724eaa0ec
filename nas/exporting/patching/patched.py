"""A network whose first stage runs patch by patch, as plain torch."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx

from nas.base.errors import NasError
from nas.exporting.patching.stage import Needs, Region, Stage, parts
from nas.exporting.patching.windows import POINTWISE_FUNCTIONS, SINGLE, border

AxisNeeds = tuple[Mapping[fx.Node, Needs], Mapping[fx.Node, Needs]]
"""What a patch needs along the height and along the width."""


def patched(stage: Stage, grid: int) -> fx.GraphModule:
    """The whole network, its stage run on `grid` x `grid` patches of the stage's output, one after the other.

    The result computes what the network does, for images of the stage's size and any batch: each patch reads what its windows
    reach, zeros stand in for what is beyond the borders of a map and nowhere else, and the parts of a sum are cut to one
    another. It is torch's own `GraphModule`, has the network's modules under their names, and shares their weights.

    Raises:
        NasError: a grid with more parts than the stage's output has rows or columns.
    """
    check_grid(stage, grid)
    graph = fx.Graph()
    image = graph.placeholder(stage.image.name)
    height, width = stage.output
    whole: Region = ((0, stage.size[0]), (0, stage.size[1]))
    columns = [stage.needs(1, part) for part in parts(width, grid)]
    rows = []
    for part in parts(height, grid):
        vertical = stage.needs(0, part)
        tiles = [_patch(graph, stage, image, whole, (vertical, horizontal)) for horizontal in columns]
        rows.append(graph.call_function(torch.cat, (tiles, 3)))
    copied = {stage.nodes[-1]: graph.call_function(torch.cat, (rows, 2))}
    _rest(graph, stage, copied)
    return _module(stage, graph)


def one_patch(stage: Stage, needs: AxisNeeds) -> fx.GraphModule:
    """The network of a single patch: from the part of the image that it reads to its part of the stage's output."""
    graph = fx.Graph()
    image = graph.placeholder(stage.image.name)
    region = (needs[0][stage.image][0], needs[1][stage.image][0])
    graph.output(_patch(graph, stage, image, region, needs))
    return _module(stage, graph)


def rest(stage: Stage) -> fx.GraphModule:
    """The network after the stage."""
    graph = fx.Graph()
    _rest(graph, stage, {stage.nodes[-1]: graph.placeholder("maps")})
    return fx.GraphModule(stage.network, graph, class_name="Network")


def before(stage: Stage) -> fx.GraphModule:
    """The stage by itself, on the whole image."""
    graph = fx.Graph()
    copied: dict[fx.Node, fx.Node] = {}
    for node in stage.network.graph.nodes:
        copied[node] = graph.node_copy(node, copied.__getitem__)
        if node.name == stage.end:
            break
    graph.output(copied[stage.nodes[-1]])
    return fx.GraphModule(stage.network, graph, class_name="Network")


def check_grid(stage: Stage, grid: int) -> None:
    """Raises NasError where the output of a stage has fewer rows or columns than patches are asked for."""
    if not 1 <= grid <= min(stage.output):
        sides = " x ".join(map(str, stage.output))
        raise NasError(f"a grid of {grid} x {grid} patches does not divide the {sides} output of the stage; ask for 1 or more, "
                       f"and at most {min(stage.output)}")  # fmt: skip


def _rest(graph: fx.Graph, stage: Stage, copied: dict[fx.Node, fx.Node]) -> None:
    """Add what follows the stage."""
    inside = {stage.image, *stage.nodes}
    for node in stage.network.graph.nodes:
        if node not in inside:
            copied[node] = graph.node_copy(node, copied.__getitem__)


def _module(stage: Stage, graph: fx.Graph) -> fx.GraphModule:
    """A graph with its modules and tensors; those of the stage are without padding."""
    owned: dict[str, Any] = {}
    apart = {str(node.target) for node in stage.nodes if node.op == "call_module"}
    after = {str(node.target) for node in _after(stage) if node.op == "call_module"}
    if apart & after:
        raise NasError(f"module '{min(apart & after)}' is used inside the stage and after it; end the stage elsewhere")
    for node in graph.nodes:
        name = str(node.target)
        if node.op == "call_module":
            owned[name] = stage.modules[name] if name in stage.modules else stage.network.get_submodule(name)
        elif node.op == "get_attr":
            owner, _, last = name.rpartition(".")
            owned[name] = getattr(stage.network.get_submodule(owner), last)
    graph.lint()
    network = fx.GraphModule(owned, graph, class_name="Network")
    return network.eval()


def _after(stage: Stage) -> list[fx.Node]:
    inside = set(stage.nodes)
    return [node for node in stage.network.graph.nodes if node not in inside]


def _patch(graph: fx.Graph, stage: Stage, image: fx.Node, given: Region, needs: AxisNeeds) -> fx.Node:
    """Add the nodes of one patch, for an image node of which a region is there; returns its part of the stage's output."""
    made = {stage.image: image}
    regions = {stage.image: given}
    for node in stage.nodes:
        reads = (needs[0][node][2], needs[1][node][2])
        value = border(stage.modules[str(node.target)]) if node.op == "call_module" else 0.0

        def read(source: fx.Node, reads: Region = reads, value: float = value) -> fx.Node:
            if source.op == "get_attr":
                return graph.get_attr(str(source.target))
            return _read(graph, made[source], regions[source], reads, stage.sizes[source], value)

        made[node] = graph.node_copy(node, read)
        if stage.windows[node] == SINGLE and node.op == "call_function":
            made[node].target = POINTWISE_FUNCTIONS.get(node.target, node.target)
        regions[node] = (needs[0][node][0], needs[1][node][0])
    return made[stage.nodes[-1]]


def _read(graph: fx.Graph, source: fx.Node, region: Region, reads: Region, size: tuple[int, int], value: float) -> fx.Node:
    """What a window reads of a map: cut out of the region that is there, and padded beyond the borders of the map."""
    cuts, pads = [], []
    for (start, stop), (first, last), limit in zip(region, reads, size, strict=True):
        cuts.append(slice(max(first, 0) - start, min(last, limit) - start))
        pads.append((max(-first, 0), max(last - limit, 0)))
        if cuts[-1] == slice(0, stop - start):
            cuts[-1] = slice(None)
    if cuts != [slice(None)] * 2:
        source = graph.call_function(operator.getitem, (source, (slice(None), slice(None), *cuts)))
    if pads != [(0, 0)] * 2:
        source = graph.call_function(F.pad, (source, (*pads[1], *pads[0])), {"value": value} if value else {})
    return source
