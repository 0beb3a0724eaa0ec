"""The cell of NASNet (Zoph et al., Learning transferable architectures for scalable image recognition, 2018).

A cell has two inputs and five blocks; a block applies one of thirteen operators to each of two earlier states, which may be
the same, and adds the results. The cell joins the states that no block reads. Cells of a type share their decisions; weights
belong to a cell, an operand, the state it reads and the operator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

from nas.elastic import Concatenation, InputChoice, OperatorChoice, SelectedConv2d, Selection
from nas.elastic.drop_path import with_drop_path
from search_spaces.cells.decisions import FreeCell
from search_spaces.cells.isomorphism import INPUTS
from search_spaces.cells.operators import NASNET_OPERATORS, FactorisedReduction, Place, ReluConvNorm, moved
from search_spaces.cells.values import StatesLeft

BLOCKS = 5

CELLS = tuple(FreeCell(name, BLOCKS, tuple(NASNET_OPERATORS)) for name in ("normal", "reduce"))
"""The decisions of both types of cells."""


@dataclass(frozen=True)
class Output:
    """What a later cell needs to know of an earlier output: its width, fixed or a selection of states, and its side."""

    width: int | Selection
    side: int


@cache
def selection(name: str, widths: tuple[int, ...], kept: tuple[int, ...]) -> Selection:
    """The states that a cell joins; one object for all cells whose states have the same widths."""
    cell = CELLS[0] if name == "normal" else CELLS[1]
    return Selection(StatesLeft(cell.inputs, INPUTS + BLOCKS, kept), widths)


def pointwise(before: Output, out_channels: int, stride: int = 1) -> nn.Module:
    """A 1 x 1 convolution of an earlier output."""
    if isinstance(before.width, Selection):
        return SelectedConv2d(before.width, out_channels, stride)
    return nn.Conv2d(before.width, out_channels, 1, stride, bias=False)


class Reduction(nn.Module):
    """ReLU and the factorised reduction of an earlier output: see `FactorisedReduction`."""

    def __init__(self, before: Output, place: Place) -> None:
        super().__init__()
        self.odd = bool(before.side % 2)
        half = place.out_channels // 2
        self.first = pointwise(before, half, 2)
        self.second = pointwise(before, place.out_channels - half, 2)
        self.norm = place.norm()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H / 2, W / 2)."""
        x = torch.relu(x)
        return self.norm(torch.cat([self.first(x), self.second(moved(x, self.odd))], 1))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Settings:
    """What all cells of a network have in common.

    Attributes:
        eps, momentum: of every batch norm, in torch's convention.
        drop_path: probability at the end of training in the last cell.
        kept: cell -> states that are joined even where a block reads them.
    """

    eps: float
    momentum: float
    drop_path: float
    kept: Mapping[str, tuple[int, ...]]

    def place(self, in_channels: int, out_channels: int, stride: int, side: int) -> Place:
        """Where an operator stands."""
        return Place(in_channels, out_channels, stride, side, eps=self.eps, momentum=self.momentum)


class Cell(nn.Module):
    """One cell.

    Args:
        before: output of the cell before the previous one; None in the first cell, whose two inputs are the previous output,
            once as it is.
        depth: (index of the cell + 1) / number of cells, for the drop path.
    """

    def __init__(
        self,
        decisions: FreeCell,
        before: Output | None,
        previous: Output,
        filters: int,
        depth: float,
        settings: Settings,
    ) -> None:
        super().__init__()
        reduces = decisions.name == "reduce"
        side = (previous.side + 1) // 2 if reduces else previous.side
        self.before, width = _prepared(before, previous, filters, settings)
        place = settings.place(0, filters, 1, previous.side)
        self.previous = ReluConvNorm(place, pointwise(previous, filters))
        widths = (width, *[filters] * (1 + BLOCKS))
        self.operands = nn.ModuleList()
        for source, operator in decisions.operands:
            branches: list[nn.Module] = []
            for state in range(len(source.options)):
                shrinks = reduces and state < INPUTS
                at = settings.place(widths[state], filters, 2 if shrinks else 1, previous.side if shrinks else side)
                made = {name: make(at) for name, make in NASNET_OPERATORS.items()}
                dropped = {name: with_drop_path(module, settings.drop_path, depth) for name, module in made.items()}
                branches.append(OperatorChoice(operator, dropped))
            self.operands.append(InputChoice(source, branches))
        fitting = [_fitting(widths[state], filters, reduces, previous.side, settings) for state in range(INPUTS)]
        joined = selection(decisions.name, (filters,) * (INPUTS + BLOCKS), settings.kept.get(decisions.name, ()))
        self.join = Concatenation(joined, [*fitting, *(nn.Identity() for _ in range(BLOCKS))])
        self.output = Output(joined, side)

    def forward(self, before: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
        """Outputs of the two cells before -> (N, filters x joined states, H, W)."""
        states = [self.before(before), self.previous(previous)]
        for block in range(BLOCKS):
            first, second = self.operands[2 * block], self.operands[2 * block + 1]
            known_states = states[: INPUTS + block]
            states.append(first(*known_states) + second(*known_states))
        return self.join(*states)  # type: ignore[no-any-return]


def _prepared(before: Output | None, previous: Output, filters: int, settings: Settings) -> tuple[nn.Module, int]:
    """What brings the older input to the cell's size and width, and the width it then has.

    The authors' code leaves the 1 x 1 convolution out where the width happens to fit, which a cell that joins one state
    brings about; here it is always there.
    """
    if before is None:
        assert isinstance(previous.width, int)
        return nn.Identity(), previous.width
    if before.side != previous.side:
        return Reduction(before, settings.place(0, filters, 2, before.side)), filters
    return ReluConvNorm(settings.place(0, filters, 1, before.side), pointwise(before, filters)), filters


def _fitting(width: int, filters: int, reduces: bool, side: int, settings: Settings) -> nn.Module:
    """What brings an input that no block reads to the size and width of the states it is joined with."""
    if reduces:
        return FactorisedReduction(settings.place(width, filters, 2, side), relu=False)
    if width == filters:
        return nn.Identity()
    conv = nn.Conv2d(width, filters, 1, bias=False)
    return ReluConvNorm(settings.place(width, filters, 1, side), conv, relu=False)
