"""Boxes and wires of a graph that is laid out in layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import networkx

from nas.drawing.layered import Layered, layered
from nas.drawing.scene import Box, Point, Scene, Wire

SPREAD = 0.6
"""Part of a box's side over which the wires that end there are spread."""


def layered_scene(
    title: str,
    graph: networkx.DiGraph,
    boxes: Mapping[Any, Box],
    down: bool = False,
    between: tuple[float, float] = (30.0, 12.0),
    late: Callable[[Any], bool] = lambda node: False,
) -> Scene:
    """A panel of a graph without cycles, from left to right or from top to bottom.

    Args:
        boxes: one for each node, anywhere.
        between: distance of layers, and of boxes within one.
        late: see `nas.drawing.layered.layered`.
    """
    sizes = {node: (box.height, box.width) if down else (box.width, box.height) for node, box in boxes.items()}
    found = layered(graph, sizes, between, late)
    wires = tuple(_wires(graph, found, sizes))
    if down:
        wires = tuple(replace(wire, points=tuple((y, x) for x, y in wire.points), tangent=(0.0, 1.0)) for wire in wires)
    placed = []
    for node, box in boxes.items():
        x, y = found.centres[node][::-1] if down else found.centres[node]
        placed.append(box.at(x - box.width / 2, y - box.height / 2))
    width, height = (found.height, found.width) if down else (found.width, found.height)
    return Scene(title, width, height, tuple(placed), wires)


def _wires(graph: networkx.DiGraph, found: Layered, sizes: Mapping[Any, tuple[float, float]]) -> list[Wire]:
    wires = []
    for node in graph:
        incoming = []
        for before in graph.predecessors(node):
            x, y = found.centres[before]
            points = [(x + sizes[before][0] / 2, y), *(point for lane in found.lanes[before, node] for point in lane)]
            incoming.append(points)
        incoming.sort(key=lambda points: (points[-1][1], points[0][1]))
        for points, end in zip(incoming, _ports(found.centres[node], sizes[node], len(incoming)), strict=True):
            wires.append(Wire((*points, end), tangent=(1.0, 0.0)))
    return wires


def _ports(centre: Point, size: tuple[float, float], count: int) -> list[Point]:
    """Where wires end on the left of a box."""
    left, room = centre[0] - size[0] / 2, SPREAD * size[1]
    step = min(room / max(1, count - 1), 8.0)
    return [(left, centre[1] + (place - (count - 1) / 2) * step) for place in range(count)]
