"""The lines of a picture as outlines: corners that are rounded, and curves from layer to layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nas.drawing.scene import Point, Wire

HEAD = 6.0
"""Length of an arrow's head."""

CORNER = 7.0
"""Radius of a bend."""

MOVE, LINE, QUADRATIC, CUBIC = 1, 2, 3, 4
"""What leads to a point: nothing, a straight line, or a curve with one or two points that it bends towards. The numbers are
those of matplotlib's paths."""

Outline = tuple[list[Point], list[int]]
"""Points, and what leads to each."""


def outline(wire: Wire) -> Outline:
    """The line of a wire; it ends inside the arrow's head where it has one."""
    points = list(wire.points)
    if wire.arrow:
        last, ahead = points[-1], heading(wire)
        points[-1] = (last[0] - ahead[0] * HEAD * 0.7, last[1] - ahead[1] * HEAD * 0.7)
    return _swing(points, wire.tangent) if wire.tangent else _bends(points)


def heading(wire: Wire) -> Point:
    """The direction in which a wire ends."""
    return wire.tangent or _direction(wire.points[-2], wire.points[-1])


def head(wire: Wire) -> list[Point]:
    """The three corners of its arrow's head."""
    last, ahead = wire.points[-1], heading(wire)
    across = (-ahead[1] * HEAD * 0.42, ahead[0] * HEAD * 0.42)
    back = (last[0] - ahead[0] * HEAD, last[1] - ahead[1] * HEAD)
    return [last, (back[0] + across[0], back[1] + across[1]), (back[0] - across[0], back[1] - across[1])]


def _direction(start: Point, end: Point) -> Point:
    length = math.dist(start, end) or 1.0
    return (end[0] - start[0]) / length, (end[1] - start[1]) / length


def _swing(points: Sequence[Point], tangent: Point) -> Outline:
    """Curves between the points, straight where a wire passes a layer."""
    vertices, codes = [points[0]], [MOVE]
    for index in range(1, len(points)):
        start, end = points[index - 1], points[index]
        if index % 2 == 0:
            vertices.append(end)
            codes.append(LINE)
            continue
        reach = 0.5 * abs((end[0] - start[0]) * tangent[0] + (end[1] - start[1]) * tangent[1])
        away = (start[0] + tangent[0] * reach, start[1] + tangent[1] * reach)
        near = (end[0] - tangent[0] * reach, end[1] - tangent[1] * reach)
        vertices += [away, near, end]
        codes += [CUBIC] * 3
    return vertices, codes


def _bends(points: Sequence[Point]) -> Outline:
    """Straight lines with rounded corners."""
    vertices, codes = [points[0]], [MOVE]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(CORNER, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        to, away = _direction(before, corner), _direction(corner, after)
        vertices += [(corner[0] - to[0] * radius, corner[1] - to[1] * radius), corner]
        vertices.append((corner[0] + away[0] * radius, corner[1] + away[1] * radius))
        codes += [LINE, QUADRATIC, QUADRATIC]
    vertices.append(points[-1])
    codes.append(LINE)
    return vertices, codes
