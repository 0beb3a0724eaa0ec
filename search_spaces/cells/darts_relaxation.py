"""How architecture parameters see the cells of DARTS (Liu et al., DARTS: Differentiable architecture search, 2019).

Every node reads all earlier states: 14 edges a type of cell, in the order node by node and state by state, shared by all cells
of that type, each with eight operators. What is derived has at each node the two edges whose best operator weighs most.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import nn

from nas.architectures import Decisions
from nas.elastic import SelectedSum, Switch
from nas.elastic.drop_path import DropPath
from nas.supernet import Edge, Relaxation
from search_spaces.cells.darts_cell import CELLS, NODES, Cell
from search_spaces.cells.isomorphism import INPUTS
from search_spaces.cells.kernels import joined, mixed
from search_spaces.cells.mixture import Activated, CellMixture, Weights, convolved, normed
from search_spaces.cells.operators import DARTS_OPERATORS

OPERATORS = tuple(DARTS_OPERATORS)
NONE, SKIP = OPERATORS.index("none"), OPERATORS.index("skip_connect")
POOLS = (OPERATORS.index("max_pool_3x3"), OPERATORS.index("avg_pool_3x3"))
KEPT = 2
"""Edges that a node keeps."""

SLOTS = [(block, source) for block in range(NODES) for source in range(INPUTS + block)]
"""Node and state of each edge of a cell, in order."""


def relaxation(decisions: Decisions, network: nn.Module) -> Relaxation:
    """The 28 edges of a network made of `Cell`s."""
    cells = [module for module in network.modules() if isinstance(module, Cell)]
    edges = []
    for decided in CELLS:
        of_type = [cell for cell in cells if cell.kind == decided.name]
        for block, source in SLOTS:
            places = tuple(_place(cell, block, source) for cell in of_type)
            edges.append(Edge(f"{decided.name}.node{block + 1}.input{source}", OPERATORS, places))
    sums: list[SelectedSum] = [node for cell in cells for node in cell.edges]  # type: ignore[misc]
    nodes = [
        tuple(start + place for place, slot in enumerate(SLOTS) if slot[0] == block)
        for start in range(0, len(edges), len(SLOTS))
        for block in range(NODES)
    ]

    def derive(scores: Sequence[np.ndarray]) -> np.ndarray:
        pairs = kept_edges(scores)
        parts = []
        for start, decided in zip(range(0, len(edges), len(SLOTS)), CELLS, strict=True):
            chosen = [(SLOTS[edge - start], operator) for edge, operator in pairs if start <= edge < start + len(SLOTS)]
            sources = np.array([source for (_, source), _ in chosen]).reshape(1, NODES, KEPT)
            names = [decided.operators.index(OPERATORS[operator]) for _, operator in chosen]
            parts.append(decided.codes(sources, np.array(names).reshape(1, NODES, KEPT)))
        return np.asarray(decisions.canonical(np.asfortranarray(np.concatenate(parts, axis=1)))[0])

    def kept_edges(scores: Sequence[np.ndarray]) -> list[tuple[int, int]]:
        return [pair for node in nodes for pair in kept(node, scores)]

    def mixture(weights: Sequence[torch.Tensor]) -> AbstractContextManager[None]:
        by_type = {}
        for start, decided in zip(range(0, len(edges), len(SLOTS)), CELLS, strict=True):
            rows = iter(weights[start : start + len(SLOTS)])
            by_type[decided.name] = [[next(rows) for _ in range(INPUTS + block)] for block in range(NODES)]
        return CellMixture([(cell, by_type[cell.kind]) for cell in cells], mixed_cell)

    known = all(_known(cell) for cell in cells)
    watched = tuple(range(len(SLOTS)))
    return Relaxation(tuple(edges), tuple(sums), tuple(nodes), derive, kept_edges, mixture if known else None, watched)


def kept(node: Sequence[int], scores: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """The edges of a node whose best operator scores most, `none` apart, with these operators; the earlier one of equals."""
    best = {edge: int(np.argmax(np.where(np.arange(len(OPERATORS)) == NONE, -np.inf, scores[edge]))) for edge in node}
    ranked = sorted(node, key=lambda edge: -float(scores[edge][best[edge]]))
    return [(edge, best[edge]) for edge in sorted(ranked[:KEPT])]


def mixed_cell(cell: Cell, weights: Weights, before: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
    """A cell in which every node adds up all its edges, and every edge all its operators.

    Args:
        weights: for each node and each state the weights of the operators.
    """
    states = [_projected(cell.first, before), _projected(cell.second, previous)]
    totals: list[torch.Tensor | None] = [None] * NODES
    for source in range(INPUTS + NODES - 1):
        if source >= INPUTS:
            finished = totals[source - INPUTS]
            assert finished is not None
            states.append(finished)
        blocks = range(max(0, source - INPUTS + 1), NODES)
        for block, term in zip(blocks, _outgoing(cell, weights, states[source], source, blocks), strict=True):
            total = totals[block]
            totals[block] = term if total is None else total.add_(term)
    return joined([total for total in totals if total is not None])


def _outgoing(cell: Cell, weights: Weights, state: torch.Tensor, source: int, blocks: Sequence[int]) -> Sequence[torch.Tensor]:
    """What a state contributes to each of the nodes that read it."""
    stride = 2 if cell.kind == "reduce" and source < INPUTS else 1
    places = [_place(cell, block, source).candidates for block in blocks]
    shared = {number: _pooled(places[0][number], state) for number in POOLS}
    if stride == 1:
        shared[SKIP] = state
    factors = [weights[block][source] for block in blocks]
    totals = mixed(list(shared.values()), torch.stack([factor[list(shared)] for factor in factors]))
    activated = Activated(torch.relu(state))
    others = [number for number in range(len(OPERATORS)) if number != NONE and number not in shared]
    for total, candidates, factor in zip(totals, places, factors, strict=True):
        for number in others:
            total.add_(convolved(candidates[number], activated, factor[number]))
    return totals


def _place(cell: Cell, block: int, source: int) -> Switch:
    node: Any = cell.edges[block]
    place: Switch = node.branches[source]
    return place


def _pooled(operator: nn.Module, state: torch.Tensor) -> torch.Tensor:
    window, norm = operator.children()
    return normed(norm, window(state))


def _projected(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The input of a cell at the cell's width."""
    return convolved(module, Activated(torch.relu(x)))


def _known(cell: Cell) -> bool:
    """Whether `mixed_cell` knows all that a cell does: it drops no paths."""
    return not any(isinstance(module, DropPath) for module in cell.modules())
