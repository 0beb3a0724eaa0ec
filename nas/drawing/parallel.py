"""Equal branches side by side, such as the heads of an attention written out, drawn as one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

import networkx

from nas.drawing.layered import ranks_of

MANY = 40
"""Smaller graphs are drawn branch by branch."""


def merged(graph: networkx.DiGraph) -> networkx.DiGraph:
    """A graph of blocks in which those stand for one another that nothing tells apart.

    Two blocks are merged where they say the same and where what leads to them, and what follows from them, are the same as
    far as the graph goes. Both then have the same rank, so no cycle arises.
    """
    order = list(networkx.topological_sort(graph))
    said = {node: _said(graph.nodes[node]) for node in graph}
    before = _colours(order, said, graph.predecessors)
    after = _colours(reversed(order), said, graph.successors)
    ranks = ranks_of(graph)
    groups: dict[tuple[int, int, int], list[Any]] = {}
    for node in graph:
        groups.setdefault((ranks[node], before[node], after[node]), []).append(node)
    first = {node: members[0] for members in groups.values() for node in members}
    result = networkx.DiGraph()
    for members in groups.values():
        result.add_node(members[0], **_together([graph.nodes[node] for node in members]))
    result.add_edges_from((first[a], first[b]) for a, b in graph.edges)
    return result


def _said(node: dict[str, Any]) -> tuple[Hashable, ...]:
    return (node["label"], tuple(node["details"]), node["shape"], node["macs"], node["residual"])


def _colours(
    order: Iterable[Any], said: dict[Any, tuple[Hashable, ...]], neighbours: Callable[[Any], Iterable[Any]]
) -> dict[Any, int]:
    """A number for each node, the same for two nodes whose whole past (or future) reads the same."""
    seen: dict[Hashable, int] = {}
    found: dict[Any, int] = {}
    for node in order:
        key = (said[node], tuple(sorted(found[other] for other in neighbours(node))))
        found[node] = seen.setdefault(key, len(seen))
    return found


def _together(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    one = dict(nodes[0])
    if len(nodes) > 1:
        one["label"] = f"{one['label']}, {len(nodes)} in parallel"
        one["count"] = sum(node["count"] for node in nodes)
        one["path"] = f"{nodes[0]['path']} .. {nodes[-1]['path']}" if one["path"] else ""
    return one
