"""The cell space of NASNet (Zoph et al., Learning transferable architectures for scalable image recognition, 2018).

Cells (see `search_spaces.cells.nasnet_cell`) are repeated, with a reduction cell between groups of normal ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from nas.choices import Option
from nas.elastic import ElasticBatchNorm2d, SelectedLinear, Selection
from nas.supernet import Space, Task
from search_spaces.cells import known
from search_spaces.cells.auxiliary import MIDDLE, AuxiliaryHead, CellNetwork
from search_spaces.cells.decisions import isomorphism
from search_spaces.cells.encoding import encoding_of
from search_spaces.cells.genotype import Genotype, decisions_of
from search_spaces.cells.graphs import cell_graphs
from search_spaces.cells.nasnet_cell import CELLS, Cell, Output, Settings, pointwise

LARGE = 128
"""From this resolution on, a convolution of stride 2 and two reduction cells come first, as the paper has it for ImageNet."""


class NasNetNetwork(CellNetwork):
    """Stem, three times `repeats` normal cells with a reduction cell before the second and the third group, head.

    Args:
        filters: of the first normal cell's states; doubled by each reduction cell.
        repeats: normal cells between two reductions, N in the paper.
        stem_multiplier: width of the stem's convolution: for CIFAR in filters, for ImageNet times 32.
        drop_path: probability at the end of training in the last cell (ScheduledDropPath).
        dropout: before the classifier.
        skip_reduction_input: whether the older input of the cell after a reduction is that of two cells before the reduction.
        auxiliary: whether there is an auxiliary head before the second reduction.
        kept: cell -> states, in the convention of DARTS, that are joined even where a block reads them, as the authors' code
            has it for NASNet-A: `search_spaces.cells.known.NASNET_A_KEPT`.
    """

    def __init__(
        self,
        task: Task,
        filters: int = 16,
        repeats: int = 2,
        stem_multiplier: int = 3,
        drop_path: float = 0.0,
        dropout: float = 0.0,
        skip_reduction_input: bool = False,
        auxiliary: bool = False,
        kept: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        super().__init__([choice for cell in CELLS for choice in cell.choices])
        large = task.resolution >= LARGE
        always = {name: tuple(states) for name, states in (kept or {}).items()}
        settings = Settings(1e-3 if large else 1e-5, 3e-4 if large else 0.1, drop_path, always)
        total = 3 * repeats + 2 + 2 * large
        stem_width = 32 * stem_multiplier if large else filters * stem_multiplier
        conv = nn.Conv2d(task.channels, stem_width, 3, 2 if large else 1, 0 if large else 1, bias=False)
        side = (task.resolution - 3) // 2 + 1 if large else task.resolution
        self.stem = nn.Sequential(conv, ElasticBatchNorm2d(stem_width, settings.eps, settings.momentum))
        self.cells = nn.ModuleList()
        self.older: list[int] = []
        """For each cell the number of its older input: 0 is the stem, then come the cells."""
        outputs = [Output(stem_width, side)]

        def add(name: int, width: int, older: int | None) -> None:
            before = None if older is None else outputs[older]
            depth = (len(self.cells) + 1) / total
            cell = Cell(CELLS[name], before, outputs[-1], width, depth, settings)
            self.cells.append(cell)
            self.older.append(0 if older is None else older)
            outputs.append(cell.output)

        def last_but_one() -> int | None:
            return len(outputs) - 2 if len(outputs) > 1 else None

        if large:
            add(1, filters // 4, last_but_one())
            add(1, filters // 2, last_but_one())
        self.auxiliary_cell = -1
        for group in range(3):
            width = filters * 2**group
            for repeat in range(repeats):
                older = last_but_one()
                if group and repeat == 0:
                    add(1, width, last_but_one())
                    older = older if skip_reduction_input else last_but_one()
                add(0, width, older)
            if group == 1:
                self.auxiliary_cell = len(self.cells) - 1
                if auxiliary:
                    output = outputs[-1]
                    self.auxiliary = AuxiliaryHead(pointwise(output, MIDDLE), output.side, task.classes)
        self.dropout = nn.Dropout(dropout)
        assert isinstance(outputs[-1].width, Selection)
        self.linear = SelectedLinear(outputs[-1].width, task.classes)

    def run_cells(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `CellNetwork`."""
        outputs = [self.stem(images)]
        for cell, older in zip(self.cells, self.older, strict=True):
            outputs.append(cell(outputs[older], outputs[-1]))
        middle = outputs[self.auxiliary_cell + 1]
        return self.linear(self.dropout(torch.relu(outputs[-1]).mean((2, 3)))), middle


def nasnet_space(task: Task | None = None, name: str = "cells:nasnet", **settings: Any) -> Space:
    """The space; by default with N = 2 and 16 filters, for CIFAR-10.

    The paper searches with N = 2 and 32 filters, one network at a time; a supernet holds 520 operators a cell, 31 M weights
    with 16 filters and 121 M with 32.

    Args:
        settings: see `NasNetNetwork`.
    """
    return Space(
        name,
        partial(NasNetNetwork, **settings),
        known={"nasnet-a": from_genotype(known.NASNET_A), "amoebanet-a": from_genotype(known.AMOEBANET_A)},
        task=task or Task(channels=3, resolution=32, classes=10),
        summary="normal and reduction cell of five blocks, thirteen operators, searched inputs",
        source="Zoph et al., Learning transferable architectures for scalable image recognition, 2018",
        isomorphism=isomorphism(CELLS),
        graphs=partial(cell_graphs, cells=CELLS, every=False),
        encoding=encoding_of(CELLS, every=False),
    )


def evaluation_space(task: Task | None = None, **settings: Any) -> Space:
    """The space at the size at which the paper trains its result, with the auxiliary head.

    For CIFAR 32 filters, N = 6 and drop path up to 0.4; for ImageNet the mobile size, 44 filters, N = 4, stem of 32 channels
    and dropout 0.5. NASNet-A as the authors count it needs `kept=known.NASNET_A_KEPT` besides.
    """
    task = task or Task(channels=3, resolution=32, classes=10)
    small = {"filters": 32, "repeats": 6, "drop_path": 0.4}
    mobile = {"filters": 44, "repeats": 4, "stem_multiplier": 1, "dropout": 0.5}
    return nasnet_space(task, **{"auxiliary": True, **(mobile if task.resolution >= LARGE else small), **settings})


def from_genotype(genotype: Genotype) -> dict[str, Option]:
    """The decisions of a genotype. Raises NasError where this space does not hold it."""
    return decisions_of(genotype, CELLS)
