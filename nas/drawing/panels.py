"""The panels of one architecture: its blocks, or the graphs that its space draws of itself."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import networkx

from nas.base.errors import NasError
from nas.drawing.chain import chain_scene
from nas.drawing.folding import folded_scene
from nas.drawing.network import IMAGES, counted
from nas.drawing.parallel import MANY, merged
from nas.drawing.scene import Box, Measure, Scene, Text, box_for
from nas.drawing.states import states_scene

ROOM = 180.0
"""Width in points beyond which settings go on in the next row."""


def network_scene(graph: networkx.DiGraph, measure: Measure, columns: int | None = None) -> Scene:
    """The panel of a graph of blocks: columns where they run one after the other, layers where they branch.

    Args:
        columns: of blocks that run one after the other; see `nas.drawing.chain.chain_scene`.
    """
    graph = merged(graph) if len(graph) > MANY else graph
    boxes = {node: block_box(node, graph.nodes[node], measure) for node in graph}
    order = list(graph)
    if not all(graph.has_edge(before, after) for before, after in itertools.pairwise(order)):
        width = max(box.width for box in boxes.values())
        wide = {node: block_box(node, graph.nodes[node], measure, width) for node in graph}
        return folded_scene(graph, wide)
    places = {node: place for place, node in enumerate(order)}
    skips = [(places[a], places[b]) for a, b in graph.edges if places[b] > places[a] + 1]
    residual = [bool(graph.nodes[node]["residual"]) for node in order]
    return chain_scene("", [boxes[node] for node in order], residual, skips, columns)


def own_scenes(graphs: Mapping[str, networkx.DiGraph], measure: Measure) -> list[Scene]:
    """One panel for each graph that a space gave. Raises NasError for what is no graph."""
    for title, graph in graphs.items():
        if not isinstance(graph, networkx.DiGraph) or not len(graph):
            raise NasError(f"the space's own graph '{title}' must be a networkx.DiGraph with nodes; it is {graph!r}")
    return [states_scene(title, graph, measure) for title, graph in graphs.items()]


def block_box(node: Any, said: Mapping[str, Any], measure: Measure, least_width: float = 0.0) -> Box:
    """The box of a block: kind and path, settings, output shape and multiply-adds."""
    size = " x ".join(map(str, said["shape"]))
    if node == IMAGES:
        return box_for(IMAGES, ((Text(IMAGES, 9.0, bold=True),), (Text(size),)), "", measure, least_width, round=True)
    rows: list[tuple[Text, ...]] = [(Text(said["label"], 9.5, bold=True), Text(said["path"], 7.5, faint=True, side="right"))]
    rows += [(Text(row),) for row in _wrapped(said["details"], measure)]
    rows.append((Text(size), Text(counted(said), faint=True, side="right")))
    return box_for(said["path"] or f"{said['kind']} {node}", tuple(rows), said["kind"], measure, least_width)


def _wrapped(words: Sequence[str], measure: Measure) -> list[str]:
    """As few rows as there is room for, of about equal width."""
    rows = _filled(words, ROOM, measure)
    narrower = (Text(row).width(measure) for row in (", ".join(words[:count]) for count in range(1, len(words) + 1)))
    for room in narrower:
        tighter = _filled(words, room, measure)
        if len(tighter) == len(rows):
            return tighter
    return rows


def _filled(words: Sequence[str], room: float, measure: Measure) -> list[str]:
    rows: list[str] = []
    for word in words:
        longer = f"{rows[-1]}, {word}" if rows else word
        if rows and Text(longer).width(measure) <= room:
            rows[-1] = longer
        else:
            rows.append(word)
    return rows
