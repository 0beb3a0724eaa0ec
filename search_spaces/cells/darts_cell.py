"""The cell of DARTS (Liu et al., DARTS: Differentiable architecture search, 2019).

A cell has two inputs and four nodes; a node adds up one operator of each of two different earlier states, and the cell joins
its nodes. Cells of a type share their decisions, each with weights of its own. All eight operators stand on each of the 14
edges of a cell, in the order of the paper: `cell.edges[node].branches[state].candidates`. `none` is never chosen here, since
genotypes leave it out; a relaxation of the edges replaces the forward of each `Switch` by a weighted sum over its candidates,
and that of each `SelectedSum` by the sum over all its states, or that of the whole cell; pools then have a batch norm.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from nas.elastic import RelaxedNorm, SelectedSum, Switch
from nas.elastic.drop_path import with_drop_path
from search_spaces.cells.decisions import PairedCell
from search_spaces.cells.operators import DARTS_OPERATORS, FactorisedReduction, Place, ReluConvNorm

NODES = 4

CHOSEN = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "sep_conv_3x3",
    "sep_conv_5x5",
)
"""What a genotype may hold, from the cheapest operator to the dearest."""

CELLS = tuple(PairedCell(name, NODES, CHOSEN) for name in ("normal", "reduce"))
"""The decisions of both types of cells."""


class Cell(nn.Module):
    """One cell: both inputs brought to one width, four nodes, the nodes joined.

    Attributes:
        kind: 'normal' or 'reduce'.
    """

    policy: Callable[..., torch.Tensor] | None = None
    """Computes in the place of `forward` while the choices of the whole cell are relaxed: gets the cell and what arrives."""

    def __init__(
        self,
        decisions: PairedCell,
        widths: tuple[int, int],
        channels: int,
        sides: tuple[int, int],
        affine: bool,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.kind = decisions.name
        reduces = self.kind == "reduce"
        self.side = (sides[1] + 1) // 2 if reduces else sides[1]
        before = Place(widths[0], channels, 1 if sides[0] == sides[1] else 2, sides[0], affine)
        self.first = _projection(before) if before.stride == 1 else FactorisedReduction(before)
        self.second = _projection(Place(widths[1], channels, 1, sides[1], affine))
        self.edges = nn.ModuleList()
        for block, uses in enumerate(decisions.uses):
            branches: list[nn.Module] = []
            for source in range(len(uses)):
                shrinks = reduces and source < 2
                place = Place(
                    channels, channels, 2 if shrinks else 1, sides[1] if shrinks else self.side, affine, pool_norm=not affine
                )
                index = decisions.operator_index(block, source, tuple(DARTS_OPERATORS))
                candidates = [with_drop_path(_candidate(name, place), drop_path) for name in DARTS_OPERATORS]
                branches.append(Switch(index, candidates))
            self.edges.append(SelectedSum(uses, branches))

    def forward(self, before: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
        """Outputs of the two cells before -> (N, 4 C, H, W)."""
        if self.policy is not None:
            return self.policy(self, before, previous)
        states = [self.first(before), self.second(previous)]
        for node in self.edges:
            states.append(node(*states))
        return torch.cat(states[2:], 1)


def _candidate(name: str, place: Place) -> nn.Module:
    operator = DARTS_OPERATORS[name](place)
    if isinstance(operator, nn.MaxPool2d | nn.AvgPool2d):
        return nn.Sequential(operator, RelaxedNorm(place.eps))
    return operator


def _projection(place: Place) -> nn.Module:
    return ReluConvNorm(place, nn.Conv2d(place.in_channels, place.out_channels, 1, bias=False))
