"""Painting a page with matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas.drawing.curves import head, outline
from nas.drawing.page import SWATCH, Page
from nas.drawing.picture import picture
from nas.drawing.scene import LINE, PADDING, Box, Text, Wire

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = (
    "#4878b0", "#d9822b", "#4f9a51", "#b8524f", "#8a6db1", "#8a6d52", "#c46aa4", "#5f7380",
    "#a3a02c", "#2b9aa8", "#1f4e79", "#a05a10", "#2c6b36", "#7d2c2c", "#523a78", "#6b6b2a",
)  # fmt: skip
"""Edges of the boxes of each kind, in order of appearance; their surface is a light tint of it."""

INK, FAINT, WIRE, SKIP, PLAIN = "#1c1f23", "#5c646c", "#50575e", "#c05621", "#7a828a"


def paint(page: Page, path: Path) -> None:
    """Write a page as SVG, PNG or PDF by the file's suffix, whole or not at all.

    Raises:
        NasError: another suffix, no matplotlib, or a file that cannot be written.
    """
    with picture(path, page.title, (page.width / 72, page.height / 72), dpi=72) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, page.width)
        axes.set_ylim(page.height, 0)
        colours = {kind: COLOURS[place % len(COLOURS)] for place, kind in enumerate(page.kinds)}
        for wire in page.wires:
            _wire(axes, wire)
        for box in page.boxes:
            _box(axes, box, colours.get(box.kind, PLAIN))
        for kind, (x, y) in page.swatches:
            _rectangle(axes, x, y, SWATCH, SWATCH, 2.0, colours[kind])
        for text, (x, y) in page.texts:
            _text(axes, text, x, y, "left")


def _box(axes: Axes, box: Box, colour: str) -> None:
    radius = min(box.height / 2, 12.0) if box.round else 4.0
    _rectangle(axes, box.x, box.y, box.width, box.height, radius, colour, box.name)
    y = box.y + PADDING[1]
    for row in box.rows:
        height = max(text.size for text in row) * LINE
        for text in row:
            x = {"left": box.x + PADDING[0], "middle": box.middle[0], "right": box.x + box.width - PADDING[0]}[text.side]
            _text(axes, text, x, y + 0.76 * height, {"middle": "center"}.get(text.side, text.side))
        y += height


def _rectangle(axes: Axes, x: float, y: float, width: float, height: float, radius: float, colour: str, name: str = "") -> None:
    from matplotlib.patches import FancyBboxPatch

    style = f"round,pad=0,rounding_size={radius}"
    patch = FancyBboxPatch((x, y), width, height, style, facecolor=tint(colour), edgecolor=colour, linewidth=1.0, zorder=3)
    if name:
        patch.set_gid(f"box {name}")
    axes.add_patch(patch)


def _text(axes: Axes, text: Text, x: float, y: float, align: str) -> None:
    axes.text(
        x,
        y,
        text.text,
        fontsize=text.size,
        fontweight="bold" if text.bold else "normal",
        color=FAINT if text.faint else INK,
        ha=align,
        va="baseline",
        zorder=5,
        parse_math=False,
    )


def _wire(axes: Axes, wire: Wire) -> None:
    from matplotlib.patches import Circle, PathPatch, Polygon
    from matplotlib.path import Path as Outline

    colour = SKIP if wire.skip else WIRE
    last, line = wire.points[-1], Outline(*outline(wire))
    axes.add_patch(PathPatch(line, facecolor="none", edgecolor=colour, linewidth=1.1, capstyle="round", zorder=2))
    if wire.sum:
        axes.add_patch(Circle(last, 4.2, facecolor="white", edgecolor=colour, linewidth=1.0, zorder=4))
        for dx, dy in ((2.4, 0.0), (0.0, 2.4)):
            axes.plot([last[0] - dx, last[0] + dx], [last[1] - dy, last[1] + dy], color=colour, linewidth=1.0, zorder=5)
    elif wire.arrow:
        axes.add_patch(Polygon(head(wire), closed=True, facecolor=colour, edgecolor="none", zorder=2.5))


def tint(colour: str) -> tuple[float, float, float]:
    """A light shade of a colour '#rrggbb', as red, green and blue from 0 to 1."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (1 - 0.2 * (1 - part) for part in parts)
    return red, green, blue
