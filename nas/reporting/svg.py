"""Panels of boxes and wires as SVG inside a page: the colours are those of the page's style, light or dark."""

from __future__ import annotations

from collections.abc import Mapping

from nas.drawing.curves import CUBIC, LINE, MOVE, QUADRATIC, head, outline
from nas.drawing.scene import LINE as TEXT_HEIGHT
from nas.drawing.scene import PADDING, Box, Point, Scene, Text, Wire
from nas.reporting.html import Markup, tag

SCALE = 1.35
"""Pixels of a page for a point of a panel."""

EDGE = 4.0
"""Around a panel, in points: room for the thickness of its lines."""

COLOURS = 8
"""Kinds of boxes that have a colour of their own; see the page's style."""

ANCHORS = {"left": "start", "middle": "middle", "right": "end"}

NARROW, WIDE, CAPITAL, OTHER = 0.30, 0.90, 0.70, 0.58
"""Widths of letters over their size, a little more than those of the usual typefaces without serifs."""

BOLDER = 1.07


def rough_width(text: str, size: float, bold: bool) -> float:
    """About the width of a text in points, whatever typeface a browser has: rather more than less."""
    widths = (
        NARROW if letter in " .,:;|!'()[]ijl" else WIDE if letter in "mwMW@%" else CAPITAL if letter.isupper() else OTHER
        for letter in text
    )
    return sum(widths) * size * (BOLDER if bold else 1.0)


def svg_of(scene: Scene, colours: Mapping[str, int], label: str, **attributes: str) -> Markup:
    """A panel in its own size.

    Args:
        colours: kind of a box -> number of its colour.
        label: what is shown, for those who do not see it.
    """
    width, height = scene.width + 2 * EDGE, scene.height + 2 * EDGE
    return tag(
        "svg",
        [_wire(wire) for wire in scene.wires],
        [_box(box, colours.get(box.kind, COLOURS) % (COLOURS + 1)) for box in scene.boxes],
        viewBox=f"{-EDGE:g} {-EDGE:g} {width:.1f} {height:.1f}",
        width=f"{width * SCALE:.0f}",
        height=f"{height * SCALE:.0f}",
        role="img",
        aria_label=label,
        **attributes,
    )


def _box(box: Box, colour: int) -> Markup:
    radius = min(box.height / 2, 12.0) if box.round else 4.0
    frame = tag("rect", x=_number(box.x), y=_number(box.y), width=_number(box.width), height=_number(box.height), rx=radius)
    texts, y = [], box.y + PADDING[1]
    for row in box.rows:
        height = max(text.size for text in row) * TEXT_HEIGHT
        texts += [_text(text, box, y + 0.76 * height) for text in row if text.text]
        y += height
    return tag("g", frame, texts, class_=f"box kind{colour}")


def _text(text: Text, box: Box, y: float) -> Markup:
    x = {"left": box.x + PADDING[0], "middle": box.middle[0], "right": box.x + box.width - PADDING[0]}[text.side]
    style = " ".join(name for name, said in (("bold", text.bold), ("faint", text.faint)) if said)
    return tag(
        "text",
        text.text,
        x=_number(x),
        y=_number(y),
        font_size=_number(text.size),
        text_anchor=ANCHORS[text.side],
        class_=style or None,
    )


def _wire(wire: Wire) -> Markup:
    kind = "wire skip" if wire.skip else "wire"
    parts = [tag("path", d=_path(wire), class_=kind)]
    last = wire.points[-1]
    if wire.sum:
        cross = f"M{_number(last[0] - 2.4)} {_number(last[1])}h4.8M{_number(last[0])} {_number(last[1] - 2.4)}v4.8"
        parts.append(tag("circle", cx=_number(last[0]), cy=_number(last[1]), r=4.2, class_=f"{kind} sum"))
        parts.append(tag("path", d=cross, class_=kind))
    elif wire.arrow:
        parts.append(tag("path", d=f"M{'L'.join(map(_point, head(wire)))}Z", class_=f"{kind} head"))
    return Markup("".join(parts))


def _path(wire: Wire) -> str:
    """The line of a wire as the data of a path."""
    letters = {MOVE: ("M", 1), LINE: ("L", 1), QUADRATIC: ("Q", 2), CUBIC: ("C", 3)}
    points, codes = outline(wire)
    found, place = [], 0
    while place < len(points):
        letter, taken = letters[codes[place]]
        found.append(letter + " ".join(map(_point, points[place : place + taken])))
        place += taken
    return "".join(found)


def _point(point: Point) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
