"""Layout of a network that branches: layers from top to bottom, in columns that end where all branches have met."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import networkx

from nas.drawing.layered import ranks_of
from nas.drawing.scene import Box, Scene, Wire
from nas.drawing.wiring import layered_scene

BETWEEN = (30.0, 20.0)
"""Distance of layers, and of boxes within one."""

GUTTER = 40.0
"""Between two columns; the line from one to the next runs in its middle."""

TURN = 16.0
"""How far above and below the columns that line runs."""

ASPECT = 1.1
"""Width over height that the number of columns aims at."""

JOINT = ("joint",)
"""The node at which a column begins that goes on with another's tensor."""


def folded_scene(graph: networkx.DiGraph, boxes: Mapping[Any, Box]) -> Scene:
    """A panel of a graph without cycles.

    Args:
        boxes: one for each node, anywhere.
    """
    whole = layered_scene("", graph, boxes, down=True, between=BETWEEN)
    count = max(1, round(math.sqrt(ASPECT * whole.height / (whole.width + GUTTER))))
    columns = _columns(graph, count)
    if len(columns) == 1:
        return whole
    parts = [_part(graph, nodes, feeder, boxes) for nodes, feeder in columns]
    floor = max(part.height for part in parts) + 3 * TURN
    placed: list[Box] = []
    wires: list[Wire] = []
    x = 0.0
    fed_by: Box | None = None
    for (nodes, _), part in zip(columns, parts, strict=True):
        shifted = {
            node: box.at(box.x + x, box.y + 2 * TURN) for node, box in zip(_members(nodes, fed_by), part.boxes, strict=True)
        }
        wires += [wire.moved(x, 2 * TURN) for wire in part.wires]
        if fed_by is not None:
            joint, aside = shifted.pop(JOINT).middle, x - GUTTER / 2
            down, bottom = fed_by.middle[0], fed_by.y + fed_by.height
            path = ((down, bottom), (down, bottom + TURN), (aside, bottom + TURN), (aside, TURN), (joint[0], TURN), joint)
            wires.append(Wire(path, arrow=False))
        placed += shifted.values()
        fed_by = shifted[nodes[-1]]
        x += part.width + GUTTER
    return Scene("", x - GUTTER, floor, tuple(placed), tuple(wires))


def _members(nodes: Sequence[Any], fed_by: Box | None) -> list[Any]:
    return [*([] if fed_by is None else [JOINT]), *nodes]


def _part(graph: networkx.DiGraph, nodes: Sequence[Any], feeder: Any, boxes: Mapping[Any, Box]) -> Scene:
    """One column; what the feeder gives enters at a joint."""
    part = networkx.DiGraph()
    shown: dict[Any, Box] = {}
    if feeder is not None:
        part.add_node(JOINT)
        shown[JOINT] = Box("", (), "", 1.0, 1.0)
    part.add_nodes_from(nodes)
    shown.update({node: boxes[node] for node in nodes})
    part.add_edges_from((JOINT if first == feeder else first, second) for first, second in graph.edges if second in shown)
    return layered_scene("", part, shown, down=True, between=BETWEEN)


def _columns(graph: networkx.DiGraph, count: int) -> list[tuple[list[Any], Any]]:
    """Nodes of each column, the last being the one that all paths go through, and the node that feeds the column."""
    ranks = ranks_of(graph)
    depth = max(ranks.values()) + 1
    occupied = [0] * depth
    for rank in ranks.values():
        occupied[rank] += 1
    for first, second in graph.edges:
        for rank in range(ranks[first] + 1, ranks[second]):
            occupied[rank] += 1
    narrow = [rank for rank in range(depth - 1) if occupied[rank] == 1]
    cuts = {min(narrow, key=lambda rank: abs(rank + 1 - part * depth / count)) for part in range(1, count)} if narrow else set()
    columns: list[tuple[list[Any], Any]] = []
    begins, feeder = 0, None
    for cut in [*sorted(cuts), depth - 1]:
        nodes = sorted((node for node in graph if begins <= ranks[node] <= cut), key=ranks.__getitem__)
        columns.append((nodes, feeder))
        begins, feeder = cut + 1, nodes[-1]
    return columns
