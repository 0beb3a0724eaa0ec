"""Graphs that a space draws of itself: states, and the operators between them.

`nas.Space(..., graphs=function)` takes a function from an architecture to graphs by title, such as 'normal cell' and
'reduction cell'. A graph is a networkx DiGraph or, where two operators run between the same states, a MultiDiGraph. What
is read of it:

- a node's `label` (default: its name) and `kind`, which decides its colour (default: none);
- an edge's `label`, the operator on it, which gets a box of its own, and `kind` (default: the label). An edge without a label
  is a plain arrow.
"""

from __future__ import annotations

from typing import Any

import networkx

from nas.drawing.scene import Box, Measure, Scene, Text, box_for
from nas.drawing.wiring import layered_scene

OPERATOR = "operator"
STATE = "state"


def states_scene(title: str, graph: networkx.DiGraph, measure: Measure) -> Scene:
    """A panel of one such graph, from left to right. Raises NasError where it has a cycle."""
    drawn = networkx.DiGraph()
    boxes: dict[Any, Box] = {}
    for node, attributes in graph.nodes(data=True):
        key = (STATE, node)
        text = Text(str(attributes.get("label") or node), size=9.0, bold=True, side="middle")
        boxes[key] = box_for(f"state {node}", ((text,),), attributes.get("kind") or "", measure, round=True)
        drawn.add_node(key)
    for number, (first, second, attributes) in enumerate(graph.edges(data=True)):
        label = attributes.get("label")
        if not label:
            drawn.add_edge((STATE, first), (STATE, second))
            continue
        key = (OPERATOR, number)
        rows = ((Text(str(label), side="middle"),),)
        boxes[key] = box_for(f"{label} {first}-{second}", rows, attributes.get("kind") or str(label), measure)
        drawn.add_edge((STATE, first), key)
        drawn.add_edge(key, (STATE, second))
    return layered_scene(title, drawn, boxes, late=lambda key: key[0] == OPERATOR)
