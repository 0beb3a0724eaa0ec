"""The relaxed cell of NAS-Bench-201, computed with what its operators have in common; see `search_spaces.cells.mixture`."""

from __future__ import annotations

from typing import Any

import torch

from search_spaces.cells.cell_strings import NODES
from search_spaces.cells.kernels import mixed
from search_spaces.cells.mixture import Activated, Weights, convolved

CHOSEN = ("none", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3")
"""The operators, from the cheapest to the dearest."""

SKIP, POOL = CHOSEN.index("skip_connect"), CHOSEN.index("avg_pool_3x3")
CONVOLVED = (CHOSEN.index("nor_conv_1x1"), CHOSEN.index("nor_conv_3x3"))


def mixed_cell(cell: Any, weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """A cell in which every node adds up all its edges, and every edge all its operators.

    Args:
        cell: `nodes[target - 1].branches[source].candidates` are the operators between two nodes.
        weights: for each node but the first and each node before it the weights of the operators.
    """
    state = x
    totals: list[torch.Tensor] = []
    for source in range(NODES - 1):
        targets = range(source + 1, NODES)
        places = [cell.nodes[target - 1].branches[source].candidates for target in targets]
        factors = [weights[target - 1][source] for target in targets]
        terms = mixed([state, places[0][POOL](state)], torch.stack([factor[[SKIP, POOL]] for factor in factors]))
        activated = Activated(torch.relu(state))
        for term, candidates, factor in zip(terms, places, factors, strict=True):
            for number in CONVOLVED:
                term.add_(convolved(candidates[number], activated, factor[number]))
        totals = [term.add_(total) for term, total in zip(terms, totals, strict=True)] if totals else list(terms)
        state = totals.pop(0)
    return state
