"""The layers of a run's best networks, short enough to be embedded in a page, and the winner as a picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from nas.architectures import Architecture
from nas.drawing import network_graph
from nas.drawing.outlines import Line, outlines
from nas.drawing.panels import network_scene, own_scenes
from nas.drawing.scene import Scene
from nas.jobs.reports.points import LETTERS, Points, letters_of
from nas.reporting.html import Markup, tag
from nas.reporting.svg import rough_width, svg_of
from nas.supernet import Space, Task

DESCRIBED, WALKED = 200, 16
"""So many of the best networks are given with their layers: of spaces with a supernet, and of those that walk each network by
itself."""

LINES = 150
"""Blocks of one network that are listed."""

LARGE = 120
"""A network of more boxes than this is not drawn: nobody could read it."""


def described(space: Space, task: Task, points: Points) -> dict[str, Any]:
    """The layers of the best networks, each different line once.

    Returns:
        {"lines": [[path, kind, settings, shape, multiply-adds, parameters], ...], "networks": {position: [line, ...]},
        "cut": {position: lines left out}}.
    """
    chosen = points.best_first()[: WALKED if space.separate else DESCRIBED]
    lines: dict[tuple[Any, ...], int] = {}
    networks, cut = {}, {}
    for place, found in zip(chosen, outlines(space, points.rows[chosen], task), strict=True):
        networks[place] = [lines.setdefault(_cells(line), len(lines)) for line in found[:LINES]]
        if len(found) > LINES:
            cut[place] = len(found) - LINES
    return {"lines": [list(cells) for cells in lines], "networks": networks, "cut": cut}


def decisions_of(space: Space, points: Points) -> dict[str, Any]:
    """The architectures of evaluations, as letters that a page turns into decisions.

    Returns:
        {"names", "options", "letters": {position: text} or [text, ...]}.
    """
    decisions = space.decisions
    content: dict[str, Any] = {
        "names": list(decisions.names),
        "options": [[str(option) for option in choice.options] for choice in decisions.choices],
    }
    if len(decisions) * len(points) <= LETTERS:
        return {**content, "letters": letters_of(decisions, points.rows)}
    chosen = np.array(points.best_first()[: max(1, LETTERS // len(decisions) // 4)], dtype=np.int64)
    texts = letters_of(decisions, np.asfortranarray(points.rows[chosen]))
    return {**content, "letters": dict(zip(chosen.tolist(), texts, strict=True))}


def drawing(space: Space, architecture: Architecture, task: Task, label: str) -> list[Markup]:
    """The network as a picture: the graphs that its space draws of itself, else its blocks, for wide and for narrow windows."""
    if space.graphs is not None:
        scenes = own_scenes(space.graphs(architecture), rough_width)
        colours = _colours(scenes)
        titled = [(scene.title, svg_of(scene, colours, f"{label}: {scene.title}")) for scene in scenes]
        return [tag("figure", tag("figcaption", title), tag("div", picture, class_="scroll")) for title, picture in titled]
    graph = network_graph(space, architecture, task)
    if len(graph) > LARGE:
        return []
    wide, narrow = (network_scene(graph, rough_width, columns) for columns in (None, 1))
    colours = _colours([wide])
    pictures = {"wide": wide} if wide == narrow else {"wide": wide, "narrow": narrow}
    return [
        tag("div", svg_of(scene, colours, label), class_=f"scroll {name}" if len(pictures) > 1 else "scroll")
        for name, scene in pictures.items()
    ]


def _cells(line: Line) -> tuple[Any, ...]:
    shape = " x ".join(map(str, line.output))
    return (line.path, line.kind, ", ".join(line.said), shape, line.macs, line.params)


def _colours(scenes: list[Scene]) -> dict[str, int]:
    """A number for each kind of box, in order of appearance."""
    kinds = dict.fromkeys(box.kind for scene in scenes for box in scene.boxes if box.kind)
    return {kind: number for number, kind in enumerate(kinds)}
