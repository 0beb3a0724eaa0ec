"""The cell space of NAS-Bench-201 (Dong & Yang, NAS-Bench-201, 2020).

A cell has four nodes; every node reads every earlier one through one of five operators, `none` among them: 5^6 = 15,625
cells. An edge is live where its operator is not `none`, the cell's input reaches its source, and it leads to the output.
Edges that are not live are not run and make no difference; the benchmark's own comparison of cells takes them for zeros, too,
while its parameter counts include them. Two cells are isomorphic when their live edges are the same, or become so by
exchanging the two middle nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cache

import networkx as nx
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.choices import Choice, Option, Value, all_of, any_of, assignments, evaluate, tabulated
from nas.elastic import OperatorChoice, SelectedSum, SymbolicTensor
from nas.supernet import Relaxation, Space, Task, operator_relaxation
from search_spaces.cells.cell_strings import EDGES, EXAMPLE, NODES, read_cell, write_cell
from search_spaces.cells.mixture import CellMixture
from search_spaces.cells.nas_bench_201_encoding import encoding
from search_spaces.cells.nas_bench_201_mixture import CHOSEN, mixed_cell
from search_spaces.cells.operators import NAS_BENCH_201_OPERATORS, Place, Zero
from search_spaces.cells.tiny_network import ResidualReduction, TinyNetwork

CHOICES = tuple(Choice(f"edge{source}{target}", CHOSEN) for source, target in EDGES)
"""The operator between two nodes, node 0 being the cell's input and node 3 its output."""


def _live() -> dict[tuple[int, int], Value]:
    """In which cells an edge is live."""
    is_open = {edge: choice.differs("none") for edge, choice in zip(EDGES, CHOICES, strict=True)}
    reached: dict[int, Value] = {0: True}
    leading: dict[int, Value] = {NODES - 1: True}
    for node in range(1, NODES):
        reached[node] = any_of(all_of([reached[source], is_open[source, node]]) for source in range(node))
    for node in range(NODES - 2, -1, -1):
        leading[node] = any_of(all_of([is_open[node, end], leading[end]]) for end in range(node + 1, NODES))
    return {edge: tabulated(all_of([is_open[edge], reached[edge[0]], leading[edge[1]]])) for edge in EDGES}


LIVE = _live()


class Cell(nn.Module):
    """Each node but the first adds up its live edges; the last one is the output."""

    policy: Callable[..., torch.Tensor] | None = None
    """Computes in the place of `forward` while the choices of the whole cell are relaxed: gets the cell and what arrives."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        place = Place(channels, channels, 1, side)
        choices = dict(zip(EDGES, CHOICES, strict=True))
        self.nodes = nn.ModuleList()
        for target in range(1, NODES):
            edges = [edge for edge in EDGES if edge[1] == target]
            branches = [
                OperatorChoice(choices[edge], {name: NAS_BENCH_201_OPERATORS[name](place) for name in CHOSEN}) for edge in edges
            ]
            # A middle node that no live edge reaches is never read, so nothing needs to be computed for it.
            empty = Zero() if target == NODES - 1 else nn.Identity()
            self.nodes.append(SelectedSum([LIVE[edge] for edge in edges], branches, empty))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> the same shape."""
        if self.policy is not None:
            return self.policy(self, x)
        states = [x]
        for node in self.nodes:
            states.append(node(*states))
        return states[-1]


class NasBench201Network(TinyNetwork):
    """Three stages of cells, the width doubled between them.

    Args:
        channels: of the first stage.
        cells: in each stage.
    """

    def __init__(self, task: Task, channels: int = 16, cells: int = 5) -> None:
        layers: list[nn.Module] = []
        side, width = task.resolution, channels
        for stage in range(3):
            if stage:
                layers.append(ResidualReduction(width, 2 * width, side))
                side, width = (side + 1) // 2, 2 * width
            layers += [Cell(width, side) for _ in range(cells)]
        super().__init__(task.channels, channels, layers, width, task.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> scores (N, classes)."""
        if isinstance(images, SymbolicTensor):
            # Whether an edge is `none` always matters; whether which other operator it is does, isomorphism tells.
            images.recorder.use(*CHOICES)
        return super().forward(images)


@cache
def representatives() -> npt.NDArray[np.uint8]:
    """(15625, 6): for each cell, numbered by its codes as digits of base 5, the codes of its representative.

    Edges that are not live hold `none`; of a cell and the one with its middle nodes exchanged the first in the alphabet is
    taken.
    """
    grid = assignments(CHOICES)
    live = np.stack([evaluate(LIVE[edge], grid) for edge in EDGES], axis=1)
    cells = np.where(live, np.stack([grid[choice.name] for choice in CHOICES], axis=1), 0)
    renamed = {0: 0, 1: 2, 2: 1, 3: 3}
    order = [EDGES.index((renamed[a], renamed[b])) if (a, b) != (1, 2) else EDGES.index((1, 2)) for a, b in EDGES]
    digits = len(CHOSEN) ** np.arange(len(EDGES))[::-1]
    own, other = cells @ digits, cells[:, order] @ digits
    exchange = (cells[:, EDGES.index((1, 2))] == 0) & (other < own)
    return np.where(exchange[:, None], cells[:, order], cells).astype(np.uint8)


def isomorphism(rows: Rows) -> Rows:
    """Rows (N, 6) -> rows of their representatives."""
    digits = len(CHOSEN) ** np.arange(len(EDGES))[::-1]
    found: Rows = representatives()[rows @ digits]
    return found


def relaxation(decisions: Decisions, network: nn.Module) -> Relaxation:
    """The ordinary relaxation, in which the best operator of each edge is derived, `none` included; cells compute mixtures."""
    cells = [module for module in network.modules() if isinstance(module, Cell)]
    nodes = [[EDGES.index((source, target)) for source in range(target)] for target in range(1, NODES)]

    def mixture(weights: Sequence[torch.Tensor]) -> AbstractContextManager[None]:
        of_nodes = [[weights[edge] for edge in node] for node in nodes]
        return CellMixture([(cell, of_nodes) for cell in cells], mixed_cell)

    found = operator_relaxation(decisions, network)
    return replace(found, nodes=tuple(tuple(node) for node in nodes), mixture=mixture)


def from_string(text: str) -> dict[str, Option]:
    """The decisions of a cell in the benchmark's notation. Raises NasError for another text."""
    return {choice.name: operator for choice, operator in zip(CHOICES, read_cell(text), strict=True)}


def to_string(architecture: Mapping[str, Option]) -> str:
    """An architecture's cell in the benchmark's notation."""
    return write_cell([str(architecture[choice.name]) for choice in CHOICES])


def cell_graph(architecture: Mapping[str, Option]) -> nx.DiGraph:
    """The live edges of a cell, labelled by their operators, and the nodes that they join."""
    graph = nx.DiGraph()
    graph.add_node(0, label="input")
    graph.add_node(NODES - 1, label="output")
    codes = {choice.name: choice.index(architecture[choice.name]) for choice in CHOICES}
    for (source, target), choice in zip(EDGES, CHOICES, strict=True):
        if evaluate(LIVE[source, target], codes):
            graph.add_edge(source, target, label=str(architecture[choice.name]))
    for node in graph.nodes:
        graph.nodes[node].setdefault("label", "sum")
    return graph


def nas_bench_201_space(channels: int = 16, cells: int = 5) -> Space:
    """The space, for CIFAR-10 by default: five cells of 16, 32 and 64 channels each."""

    def build(task: Task) -> nn.Module:
        return NasBench201Network(task, channels, cells)

    return Space(
        "cells:nas-bench-201",
        build,
        known={"nats-size-cell": from_string(EXAMPLE)},
        task=Task(channels=3, resolution=32, classes=10),
        summary="one cell of four nodes, one of five operators between any two",
        source="Dong & Yang, NAS-Bench-201, 2020",
        isomorphism=isomorphism,
        relaxation=relaxation,
        graphs=lambda architecture: {"cell": cell_graph(architecture)},
        encoding=encoding,
        notation=from_string,
    )
