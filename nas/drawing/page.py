"""A page: title, panels one below the other, and the legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nas.drawing.scene import Box, Measure, Point, Scene, Text, Wire

MARGIN = 18.0
"""Around everything."""

BETWEEN = 26.0
"""Between two panels."""

HEADLINE, SUBTITLE, PANEL_TITLE, LEGEND = (
    Text("", 13.0, bold=True),
    Text("", 9.0, faint=True),
    Text("", 10.5, bold=True),
    Text("", 8.5),
)
"""Styles of the texts outside boxes."""

SWATCH = 11.0
"""Side of a colour's sample in the legend."""

ARC_WORDS = "arc: input added to the output, or a connection that skips blocks"


@dataclass(frozen=True)
class Page:
    """Everything in its final place, in points, y downwards.

    Attributes:
        texts: with the left end of their base line.
        kinds: in the order of their colours.
        swatches: kind and upper left corner of each sample in the legend.
    """

    title: str
    width: float
    height: float
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    texts: tuple[tuple[Text, Point], ...]
    kinds: tuple[str, ...]
    swatches: tuple[tuple[str, Point], ...]


def page(title: str, subtitle: str, scenes: Sequence[Scene], measure: Measure) -> Page:
    """Put panels on one page, as wide as the widest."""
    heads = [replace(HEADLINE, text=title), *([replace(SUBTITLE, text=subtitle)] if subtitle else [])]
    width = 2 * MARGIN + max([*(scene.width for scene in scenes), *(text.width(measure) for text in heads)])
    texts: list[tuple[Text, Point]] = []
    boxes: list[Box] = []
    wires: list[Wire] = []
    y = MARGIN
    for text in heads:
        y += text.size * 1.4
        texts.append((text, (MARGIN, y)))
    y += BETWEEN * 0.7
    for scene in scenes:
        if scene.title:
            y += PANEL_TITLE.size
            texts.append((replace(PANEL_TITLE, text=scene.title), (MARGIN, y)))
            y += 12.0
        x = MARGIN + (width - 2 * MARGIN - scene.width) / 2
        boxes += [box.at(box.x + x, box.y + y) for box in scene.boxes]
        wires += [wire.moved(x, y) for wire in scene.wires]
        y += scene.height + BETWEEN
    kinds = tuple(dict.fromkeys(box.kind for box in boxes if box.kind))
    swatches, entries, y = _legend(kinds if len(kinds) > 1 else (), any(wire.skip for wire in wires), width, y, measure)
    return Page(title, width, y + MARGIN, tuple(boxes), tuple(wires), (*texts, *entries), kinds, swatches)


def _legend(
    kinds: Sequence[str], arcs: bool, width: float, y: float, measure: Measure
) -> tuple[tuple[tuple[str, Point], ...], list[tuple[Text, Point]], float]:
    swatches: list[tuple[str, Point]] = []
    texts: list[tuple[Text, Point]] = []
    x = MARGIN
    for kind in kinds:
        text = replace(LEGEND, text=kind)
        needed = SWATCH + 5.0 + text.width(measure) + 16.0
        if x > MARGIN and x + needed > width - MARGIN + 16.0:
            x, y = MARGIN, y + SWATCH + 6.0
        swatches.append((kind, (x, y)))
        texts.append((text, (x + SWATCH + 5.0, y + SWATCH - 2.0)))
        x += needed
    if kinds:
        y += SWATCH
    if arcs:
        y += 14.0 if kinds else LEGEND.size
        texts.append((replace(LEGEND, text=ARC_WORDS, faint=True), (MARGIN, y)))
    return tuple(swatches), texts, y
