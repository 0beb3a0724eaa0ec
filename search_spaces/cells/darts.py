"""The space of DARTS (Liu et al., DARTS: Differentiable architecture search, 2019).

Cells (see `search_spaces.cells.darts_cell`) are repeated, with reduction cells at a third and at two thirds of the depth.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn

from nas.choices import Option
from nas.elastic import ElasticBatchNorm2d
from nas.supernet import Space, Task
from search_spaces.cells import known
from search_spaces.cells.auxiliary import MIDDLE, AuxiliaryHead, CellNetwork
from search_spaces.cells.darts_cell import CELLS, NODES, Cell
from search_spaces.cells.darts_relaxation import relaxation
from search_spaces.cells.decisions import isomorphism
from search_spaces.cells.encoding import encoding_of
from search_spaces.cells.genotype import Genotype, decisions_of
from search_spaces.cells.graphs import cell_graphs

LARGE = 128
"""From this resolution on, three convolutions of stride 2 come before the first cell, as the paper has it for ImageNet."""


class DartsNetwork(CellNetwork):
    """Stem, cells with reduction cells at a third and two thirds of the depth, mean over the map, linear.

    Args:
        channels: C, of the first cell's nodes.
        cells: how many.
        affine: False for the network that the paper searches: no batch norm scales, and pools are followed by one.
        drop_path: probability at the end of training; see `nas.elastic.drop_path`.
        auxiliary: whether there is an auxiliary head after the second reduction; see `search_spaces.cells.auxiliary`.
    """

    def __init__(
        self,
        task: Task,
        channels: int = 16,
        cells: int = 8,
        affine: bool = True,
        drop_path: float = 0.0,
        auxiliary: bool = False,
    ) -> None:
        super().__init__([choice for cell in CELLS for choice in cell.choices])
        large = task.resolution >= LARGE
        self.stem: nn.Module
        self.second_stem: nn.Module | None = None
        if large:
            sides = [(task.resolution + 3) // 4, (task.resolution + 7) // 8]
            widths = [channels, channels]
            half = channels // 2
            self.stem = nn.Sequential(
                *_conv_norm(task.channels, half, 2, affine), nn.ReLU(), *_conv_norm(half, channels, 2, affine)
            )
            self.second_stem = nn.Sequential(nn.ReLU(), *_conv_norm(channels, channels, 2, affine))
        else:
            sides, widths = [task.resolution] * 2, [3 * channels] * 2
            self.stem = nn.Sequential(*_conv_norm(task.channels, 3 * channels, 1, affine))
        self.cells = nn.ModuleList()
        self.auxiliary_cell = 2 * cells // 3
        for index in range(cells):
            reduces = index in (cells // 3, 2 * cells // 3)
            channels *= 2 if reduces else 1
            cell = Cell(
                CELLS[1] if reduces else CELLS[0],
                (widths[-2], widths[-1]),
                channels,
                (sides[-2], sides[-1]),
                affine,
                drop_path,
            )
            self.cells.append(cell)
            widths.append(NODES * channels)
            sides.append(cell.side)
            if auxiliary and index == self.auxiliary_cell:
                reduce = nn.Conv2d(widths[-1], MIDDLE, 1, bias=False)
                self.auxiliary = AuxiliaryHead(reduce, cell.side, task.classes, 2 if large else 3, last_norm=not large)
        self.linear = nn.Linear(widths[-1], task.classes)

    def run_cells(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `CellNetwork`."""
        before = previous = middle = self.stem(images)
        if self.second_stem is not None:
            previous = self.second_stem(before)
        for index, cell in enumerate(self.cells):
            before, previous = previous, cell(before, previous)
            middle = previous if index == self.auxiliary_cell else middle
        return self.linear(previous.mean((2, 3))), middle


def _conv_norm(in_channels: int, out_channels: int, stride: int, affine: bool) -> list[nn.Module]:
    conv = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
    return [conv, ElasticBatchNorm2d(out_channels, affine=affine)]


def darts_space(
    channels: int = 16,
    cells: int = 8,
    affine: bool = True,
    drop_path: float = 0.0,
    auxiliary: bool = False,
    task: Task | None = None,
    name: str = "cells:darts",
) -> Space:
    """The space; by default with the width and depth at which the paper searches, 16 channels and 8 cells, for CIFAR-10.

    See `DartsNetwork` for the arguments.
    """
    settings: dict[str, Any] = {
        "channels": channels,
        "cells": cells,
        "affine": affine,
        "drop_path": drop_path,
        "auxiliary": auxiliary,
    }
    return Space(
        name,
        partial(DartsNetwork, **settings),
        known={"darts-v1": from_genotype(known.DARTS_V1), "darts-v2": from_genotype(known.DARTS_V2)},
        task=task or Task(channels=3, resolution=32, classes=10),
        summary="normal and reduction cell of four nodes, two of seven operators each",
        source="Liu et al., DARTS, 2019",
        isomorphism=isomorphism(CELLS),
        graphs=partial(cell_graphs, cells=CELLS, every=True),
        relaxation=relaxation,
        encoding=encoding_of(CELLS, every=True),
    )


def evaluation_space(
    channels: int | None = None,
    cells: int | None = None,
    drop_path: float | None = None,
    auxiliary: bool = True,
    task: Task | None = None,
) -> Space:
    """The space at the size at which the paper trains its result: 36 channels and 20 cells, for ImageNet 48 and 14.

    The paper's drop path ends at 0.2, and is not used for ImageNet. `evaluation_space().supernet(...).extract(architecture)` is
    a genotype's evaluation network.
    """
    task = task or Task(channels=3, resolution=32, classes=10)
    large = task.resolution >= LARGE
    if drop_path is None:
        drop_path = 0.0 if large else 0.2
    return darts_space(channels or (48 if large else 36), cells or (14 if large else 20), True, drop_path, auxiliary, task)


def from_genotype(genotype: Genotype) -> dict[str, Option]:
    """The decisions of a genotype. Raises NasError where this space does not hold it."""
    return decisions_of(genotype, CELLS)
