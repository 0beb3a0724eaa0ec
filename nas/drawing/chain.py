"""Layout of a network whose blocks run one after the other: columns of boxes, shortcuts as arcs beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from nas.drawing.scene import Box, Point, Scene, Wire

GAP = 28.0
"""Between two boxes of a column: the sum where an arc ends, the place where the next begins, and the arrow's head."""

SUM, SPLIT, TURN = 8.0, 16.0, 20.0
"""How far below a box are the sum that an arc ends in, the beginning of an arc, and a line to the next column."""

ARC = 13.0
"""How far the arc of a residual block stands off its box."""

TRACK = 8.0
"""Distance of parallel wires beside a column."""

MARGIN = 14.0
"""Between a column's boxes and the nearest wire of another kind."""

ASPECT = 1.35
"""Width over height that the number of columns aims at."""


@dataclass
class _Tracks:
    """Lines beside a column that several wires share where they do not overlap."""

    taken: list[list[tuple[float, float]]] = field(default_factory=list)

    def place(self, start: float, end: float) -> int:
        """The first line that is free from start to end."""
        span = (min(start, end), max(start, end))
        for number, spans in enumerate(self.taken):
            if all(span[1] < other[0] or span[0] > other[1] for other in spans):
                spans.append(span)
                return number
        self.taken.append([span])
        return len(self.taken) - 1


def chain_scene(
    title: str, boxes: Sequence[Box], residual: Sequence[bool], skips: Sequence[tuple[int, int]], columns: int | None = None
) -> Scene:
    """A panel of boxes in order, each fed by the one before it.

    Args:
        boxes: anywhere; they get one width.
        residual: for each box whether an arc adds its input to its output.
        skips: further connections, from an earlier to a later box that is not its successor.
        columns: by default as many as give the panel the proportions of a page.
    """
    width = max(box.width for box in boxes)
    per_column = math.ceil(len(boxes) / (columns or _columns(boxes, width)))
    of = [index // per_column for index in range(len(boxes))]
    last = of[-1]
    tops = _tops(boxes, of)
    left = [_Tracks() for _ in range(last + 1)]
    right = [_Tracks() for _ in range(last + 1)]
    above = _Tracks()
    plans = _plan(skips, of, tops, boxes, left, right, above)
    roof = len(above.taken) * TRACK + GAP
    xs, x = [], 0.0
    for column in range(last + 1):
        x += MARGIN + TRACK * len(left[column].taken) if left[column].taken else 0.0
        xs.append(x)
        x += width + ARC + MARGIN + TRACK * (len(right[column].taken) + 1) + MARGIN
    places = zip(boxes, of, tops, strict=True)
    placed = [replace(box, width=width, x=xs[column], y=top + roof) for box, column, top in places]
    wires = [*_forward(placed, of, right, roof), *_arcs(placed, residual)]
    wires += [_skip(plan, placed, of, xs, width, roof) for plan in plans]
    has_arc = any(flag for flag, column in zip(residual, of, strict=True) if column == last)
    full = xs[-1] + width + (ARC if has_arc else 0.0) + TRACK * len(right[-1].taken)
    return Scene(title, full, max(box.y + box.height for box in placed) + GAP, tuple(placed), tuple(wires))


def _columns(boxes: Sequence[Box], width: float) -> int:
    height = sum(box.height + GAP for box in boxes)

    def off(count: int) -> float:
        return abs(math.log(count * (width + ARC + 3 * MARGIN) / (height / count) / ASPECT))

    return min(range(1, 1 + max(1, len(boxes) // 3)), key=off)


def _tops(boxes: Sequence[Box], of: Sequence[int]) -> list[float]:
    tops: list[float] = []
    for index in range(len(boxes)):
        begins = index == 0 or of[index] != of[index - 1]
        tops.append(0.0 if begins else tops[-1] + boxes[index - 1].height + GAP)
    return tops


@dataclass(frozen=True)
class _Plan:
    """A skip and the lines it runs on: beside its column, or between columns and above them."""

    first: int
    second: int
    beside: int
    above: int | None = None
    beside_last: int | None = None


def _plan(
    skips: Sequence[tuple[int, int]],
    of: Sequence[int],
    tops: Sequence[float],
    boxes: Sequence[Box],
    left: Sequence[_Tracks],
    right: Sequence[_Tracks],
    above: _Tracks,
) -> list[_Plan]:
    plans = []
    for first, second in sorted(skips, key=lambda pair: (pair[1] - pair[0], pair)):
        start, end = tops[first] + boxes[first].height / 2, tops[second] + boxes[second].height / 2
        if of[first] == of[second]:
            plans.append(_Plan(first, second, left[of[first]].place(start, end)))
        elif of[second] == of[first] + 1:
            plans.append(_Plan(first, second, right[of[first]].place(start, end)))
        else:
            beside = right[of[first]].place(start, -GAP)
            over = above.place(of[first], of[second] - 1)
            plans.append(_Plan(first, second, beside, over, right[of[second] - 1].place(-GAP, end)))
    return plans


def _forward(boxes: Sequence[Box], of: Sequence[int], right: Sequence[_Tracks], roof: float) -> list[Wire]:
    """From each box to the next, round the corner at the end of a column."""
    wires = []
    for index in range(1, len(boxes)):
        before, after = boxes[index - 1], boxes[index]
        start: Point = (before.middle[0], before.y + before.height)
        end: Point = (after.middle[0], after.y)
        if of[index] == of[index - 1]:
            wires.append(Wire((start, end)))
            continue
        aside = before.x + before.width + ARC + MARGIN + TRACK * len(right[of[index - 1]].taken)
        top, floor = roof - GAP + 2.0, start[1] + TURN
        wires.append(Wire((start, (start[0], floor), (aside, floor), (aside, top), (end[0], top), end)))
    return wires


def _arcs(boxes: Sequence[Box], residual: Sequence[bool]) -> list[Wire]:
    wires = []
    for box, has_arc in zip(boxes, residual, strict=True):
        if has_arc:
            aside, x = box.x + box.width + ARC, box.middle[0]
            start, end = box.y - GAP + SPLIT, box.y + box.height + SUM
            wires.append(Wire(((x, start), (aside, start), (aside, end), (x, end)), sum=True, skip=True))
    return wires


def _skip(plan: _Plan, boxes: Sequence[Box], of: Sequence[int], xs: Sequence[float], width: float, roof: float) -> Wire:
    first, second = boxes[plan.first], boxes[plan.second]
    start_y, end_y = first.y + 0.72 * first.height, second.y + 0.28 * second.height
    if of[plan.first] == of[plan.second]:
        aside = first.x - MARGIN - TRACK * plan.beside
        return Wire(((first.x, start_y), (aside, start_y), (aside, end_y), (second.x, end_y)), skip=True)

    def between(column: int, line: int) -> float:
        return xs[column] + width + ARC + MARGIN + TRACK * line

    start, end = (first.x + first.width, start_y), (second.x, end_y)
    aside = between(of[plan.first], plan.beside)
    if plan.above is None or plan.beside_last is None:
        return Wire((start, (aside, start_y), (aside, end_y), end), skip=True)
    over = roof - GAP - TRACK * (plan.above + 1) + 2.0
    later = between(of[plan.second] - 1, plan.beside_last)
    return Wire((start, (aside, start_y), (aside, over), (later, over), (later, end_y), end), skip=True)
