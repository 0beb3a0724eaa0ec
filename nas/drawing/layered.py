"""Layout of a graph in layers, after Sugiyama et al., Methods for visual understanding of hierarchical system structures, 1981.

Nodes stand in columns by the length of the longest path to them; edges that pass columns are given a lane in each; the order
within a column is improved by barycentres (fewest crossings seen are kept); the coordinates within a column are the
least-squares fit to the neighbours that keeps order and distance. Layers run from left to right.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import networkx

from nas.base.errors import NasError
from nas.drawing.scene import Point

SWEEPS = 24
"""Passes over the layers, for the order and again for the coordinates."""

LANE = 4.0
"""Thickness of the lane of an edge that passes a layer."""

Node = Hashable
Order = list[list[Node]]


@dataclass(frozen=True)
class Layered:
    """A layout.

    Attributes:
        centres: node -> its middle.
        lanes: edge -> for each layer that it passes the points where it enters and leaves.
    """

    width: float
    height: float
    centres: dict[Any, Point]
    lanes: dict[tuple[Any, Any], list[tuple[Point, Point]]]


def layered(
    graph: networkx.DiGraph,
    sizes: Mapping[Any, tuple[float, float]],
    between: tuple[float, float],
    late: Callable[[Any], bool] = lambda node: False,
) -> Layered:
    """Place the nodes of a graph without cycles.

    Args:
        sizes: node -> width and height.
        between: distance of layers, and of nodes within one.
        late: nodes that stand just before what reads them rather than just after what they read.

    Raises:
        NasError: the graph has a cycle.
    """
    if not networkx.is_directed_acyclic_graph(graph):
        raise NasError("a graph with a cycle cannot be drawn in layers; the tensors of a network run one way")
    ranks = ranks_of(graph, late)
    chains, proper = _split(graph, ranks)
    order = _ordered(
        proper, [[node for node in proper if proper.nodes[node]["rank"] == r] for r in range(max(ranks.values()) + 1)]
    )
    heights = {node: sizes[node][1] if node in sizes else LANE for node in proper}
    middles = _coordinates(proper, order, heights, between[1])
    widths = [max(sizes[node][0] for node in layer if node in sizes) for layer in order]
    lefts = list(itertools.accumulate((width + between[0] for width in widths), initial=0.0))
    top = min(middles[node] - heights[node] / 2 for node in proper)
    bottom = max(middles[node] + heights[node] / 2 for node in proper)
    centres = {node: (lefts[rank] + widths[rank] / 2, middles[node] - top) for node, rank in ranks.items()}
    lanes = {}
    for edge, chain in chains.items():
        passed = [(proper.nodes[node]["rank"], middles[node] - top) for node in chain]
        lanes[edge] = [((lefts[rank], y), (lefts[rank] + widths[rank], y)) for rank, y in passed]
    return Layered(lefts[-1] - between[0], bottom - top, centres, lanes)


def ranks_of(graph: networkx.DiGraph, late: Callable[[Any], bool] = lambda node: False) -> dict[Any, int]:
    """The layer of each node of a graph without cycles; `late` as in `layered`."""
    ranks: dict[Any, int] = {}
    for node in networkx.lexicographical_topological_sort(graph, key=_place(graph)):
        ranks[node] = max((ranks[before] + 1 for before in graph.predecessors(node)), default=0)
    for node in reversed(list(ranks)):
        if late(node) and graph.out_degree(node):
            ranks[node] = min(ranks[after] for after in graph.successors(node)) - 1
    return ranks


def _place(graph: networkx.DiGraph) -> Callable[[Any], int]:
    places = {node: place for place, node in enumerate(graph)}
    return lambda node: places[node]


def _split(graph: networkx.DiGraph, ranks: Mapping[Any, int]) -> tuple[dict[tuple[Any, Any], list[Node]], networkx.DiGraph]:
    """The graph with a lane in every layer that an edge passes; and the lanes of each edge."""
    proper = networkx.DiGraph()
    for node in graph:
        proper.add_node(node, rank=ranks[node], lane=False)
    chains: dict[tuple[Any, Any], list[Node]] = {}
    for first, second in graph.edges:
        chain: list[Node] = [("lane", first, second, rank) for rank in range(ranks[first] + 1, ranks[second])]
        for rank, lane in enumerate(chain, ranks[first] + 1):
            proper.add_node(lane, rank=rank, lane=True)
        networkx.add_path(proper, [first, *chain, second])
        chains[first, second] = chain
    return chains, proper


def _ordered(proper: networkx.DiGraph, order: Order) -> Order:
    """The order with the fewest crossings that the sweeps come across."""
    best, least = order, _all_crossings(proper, order)
    for sweep in range(SWEEPS):
        forwards = sweep % 2 == 0
        order = [list(layer) for layer in order]
        indices = range(1, len(order)) if forwards else range(len(order) - 2, -1, -1)
        for index in indices:
            fixed = {node: place for place, node in enumerate(order[index - 1 if forwards else index + 1])}
            neighbours = proper.predecessors if forwards else proper.successors
            weights = {}
            for place, node in enumerate(order[index]):
                near = [fixed[other] for other in neighbours(node)]
                weights[node] = sum(near) / len(near) if near else float(place)
            order[index].sort(key=weights.__getitem__)
        _swap(proper, order)
        crossings = _all_crossings(proper, order)
        if crossings < least:
            best, least = [list(layer) for layer in order], crossings
    return best


def _swap(proper: networkx.DiGraph, order: Order) -> None:
    """Exchange neighbours in a layer as long as that saves crossings."""
    improved = True
    while improved:
        improved = False
        for index, layer in enumerate(order):
            around = order[max(0, index - 1) : index + 2]
            for place in range(len(layer) - 1):
                before = _all_crossings(proper, around)
                layer[place], layer[place + 1] = layer[place + 1], layer[place]
                if _all_crossings(proper, around) < before:
                    improved = True
                else:
                    layer[place], layer[place + 1] = layer[place + 1], layer[place]


def _all_crossings(proper: networkx.DiGraph, order: Sequence[Sequence[Node]]) -> int:
    return sum(_crossings(proper, first, second) for first, second in itertools.pairwise(order))


def _crossings(proper: networkx.DiGraph, first: Sequence[Node], second: Sequence[Node]) -> int:
    places = {node: place for place, node in enumerate(second)}
    ends = [(place, places[after]) for place, node in enumerate(first) for after in proper.successors(node)]
    return sum((a < c and b > d) or (a > c and b < d) for (a, b), (c, d) in itertools.combinations(ends, 2))


def _coordinates(proper: networkx.DiGraph, order: Order, heights: Mapping[Node, float], gap: float) -> dict[Node, float]:
    """The middles: each node as near to the mean of its neighbours as order and distance allow; lanes pull hardest."""
    middles: dict[Node, float] = {}
    for layer in order:
        total = 0.0
        for node in layer:
            middles[node] = total + heights[node] / 2
            total += heights[node] + gap
        for node in layer:
            middles[node] -= total / 2
    for sweep in range(2 * SWEEPS):
        for layer in order if sweep % 2 == 0 else reversed(order):
            wanted, weights = [], []
            for node in layer:
                near = [
                    (middles[other], 4.0 if proper.nodes[node]["lane"] and proper.nodes[other]["lane"] else 1.0)
                    for other in (*proper.predecessors(node), *proper.successors(node))
                ]
                weight = sum(pull for _, pull in near)
                wanted.append(sum(y * pull for y, pull in near) / weight if near else middles[node])
                weights.append(weight or 0.1)
            distances = [(heights[a] + heights[b]) / 2 + gap for a, b in itertools.pairwise(layer)]
            middles.update(zip(layer, apart(wanted, weights, distances), strict=True))
    return middles


def apart(wanted: Sequence[float], weights: Sequence[float], distances: Sequence[float]) -> list[float]:
    """The positions nearest to the wanted ones, in weighted least squares, that keep their order and distances.

    Without the distances the positions only have to rise, which pooling adjacent violators solves exactly.
    """
    offsets = list(itertools.accumulate(distances, initial=0.0))
    pools: list[tuple[float, float, int]] = []
    for position, weight, offset in zip(wanted, weights, offsets, strict=True):
        mean, total, count = position - offset, weight, 1
        while pools and pools[-1][0] > mean:
            other, more, members = pools.pop()
            mean = (mean * total + other * more) / (total + more)
            total, count = total + more, count + members
        pools.append((mean, total, count))
    levels = [mean for mean, _, count in pools for _ in range(count)]
    return [level + offset for level, offset in zip(levels, offsets, strict=True)]
