"""What a picture is made of, before it is painted: boxes of text and wires, in points, y downwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

Point = tuple[float, float]
Measure = Callable[[str, float, bool], float]
"""Width in points of a text of some size, bold or not."""

LINE = 1.35
"""Height of a line of text over the size of its letters."""

PADDING = (9.0, 6.0)
"""Room beside and above the text of a box."""


@dataclass(frozen=True)
class Text:
    """Words in one style; on the left, in the middle or on the right of its row."""

    text: str
    size: float = 8.5
    bold: bool = False
    faint: bool = False
    side: Literal["left", "middle", "right"] = "left"

    def width(self, measure: Measure) -> float:
        """In points."""
        return measure(self.text, self.size, self.bold)


Row = tuple[Text, ...]


@dataclass(frozen=True)
class Box:
    """A box with rows of text.

    Attributes:
        name: what it stands for; kept in the file as the box's identifier.
        kind: decides the colour; empty for a plain one.
        x, y: the upper left corner.
        round: a state rather than something that computes.
    """

    name: str
    rows: tuple[Row, ...]
    kind: str
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0
    round: bool = False

    @property
    def middle(self) -> Point:
        """The centre."""
        return self.x + self.width / 2, self.y + self.height / 2

    def at(self, x: float, y: float) -> Box:
        """The same box with its upper left corner elsewhere."""
        return replace(self, x=x, y=y)


@dataclass(frozen=True)
class Wire:
    """A line along which a tensor goes.

    Attributes:
        points: where it bends, with rounded corners.
        tangent: for one that swings instead: from the first point to the second in a curve that begins and ends in this
            direction, straight to the third, in a curve to the fourth, and so on.
        sum: whether it ends in a sum, drawn as a small circle, rather than in a box.
        skip: whether it passes by something.
    """

    points: tuple[Point, ...]
    tangent: Point | None = None
    arrow: bool = True
    sum: bool = False
    skip: bool = False

    def moved(self, x: float, y: float) -> Wire:
        """The same wire so much further right and down."""
        return replace(self, points=tuple((a + x, b + y) for a, b in self.points))


@dataclass(frozen=True)
class Scene:
    """One panel of a page."""

    title: str
    width: float
    height: float
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...] = field(default=())


def box_for(
    name: str, rows: tuple[Row, ...], kind: str, measure: Measure, least_width: float = 0.0, round: bool = False
) -> Box:
    """A box in which the rows fit, the texts of one row side by side."""
    between = 10.0
    widths = [sum(text.width(measure) for text in row) + between * (len(row) - 1) for row in rows]
    heights = [max(text.size for text in row) * LINE for row in rows]
    width = max([least_width, *(width + 2 * PADDING[0] for width in widths)])
    return Box(name, rows, kind, width, sum(heights) + 2 * PADDING[1], round=round)
