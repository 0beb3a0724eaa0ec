"""The two spaces in which DeepMAD designs networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from torch import fx

from nas.architectures.decisions import Rows
from nas.base.errors import unknown
from nas.choices import Choice, Option, minimum
from nas.costs import RowCost, Term, summed_terms
from nas.elastic import Walk
from nas.supernet import SeparateSpace, Space, Task
from nas.supernet.extract import extract
from nas.supernet.space import COUNTED
from search_spaces.mad.decisions import MadDecisions, multiples, wide
from search_spaces.mad.network import Kind, MadNetwork, Structure, SuperBlock

SOURCE = "Shen et al., DeepMAD: Mathematical Architecture Design for Deep Convolutional Neural Network, 2023"

FIRST_DEPTH = 3
"""The first super-block works on the largest map and has at most so many blocks."""

DEPTH = 24
"""Blocks of a super-block at most; the published networks have up to 15."""

RECORDED = 2
"""Blocks of a super-block in the record of all networks: the first, and one that stands for all that repeat it."""


@dataclass(frozen=True)
class GrowingCost:
    """A cost that grows with every decision, so that the first options cost least: rows (N, D) -> (N,)."""

    cost: RowCost
    least: float

    def __call__(self, rows: Rows) -> npt.NDArray[np.float64]:
        """The cost of each row."""
        return self.cost(rows)

    def minimum(self) -> float:
        """The cost of the smallest network."""
        return self.least


class MadSpace(SeparateSpace):
    """Networks of a stem and a few super-blocks; none of them shares weights, and every one is trained by itself.

    Costs come from one record of all networks, in which a super-block has its first block and one other, which counts as often
    as it is repeated.

    Args:
        kernels: options of every super-block's kernel.
        strides: of the super-blocks.
        widths, middles, stems: options, multiples of 8.
        last: see `Structure`.
    """

    decisions: MadDecisions

    def __init__(
        self,
        name: str,
        kind: Kind,
        kernels: Sequence[int],
        strides: Sequence[int],
        stems: Sequence[int],
        widths: Sequence[int],
        middles: Sequence[int],
        last: int | None,
        summary: str,
        known: Mapping[str, Mapping[str, Option]] | None = None,
    ) -> None:
        stem = Choice("stem.width", tuple(stems))
        choices, blocks = [stem], []
        for number, stride in enumerate(strides, 1):
            place = f"block{number}"
            width = Choice(f"{place}.width", tuple(widths))
            middle = Choice(f"{place}.middle", tuple(middles))
            kernel = Choice(f"{place}.kernel", tuple(kernels))
            depth = Choice(f"{place}.depth", tuple(range(1, (FIRST_DEPTH if number == 1 else DEPTH) + 1)))
            choices += [width, middle, kernel, depth]
            blocks.append(SuperBlock(width, middle, kernel, depth, stride))
        task = Task(channels=3, resolution=224, classes=1000)
        super().__init__(name, MadDecisions(choices, kind), known, task, summary, SOURCE)
        self.structure = Structure(kind, stem, tuple(blocks), last)
        self._walks: dict[Task, Walk] = {}
        self._costs = {}

    def structure_of(self, row: np.ndarray) -> Structure:
        """The structure of one row (D,), in plain numbers."""
        chosen = [int(choice.options[code]) for choice, code in zip(self.decisions.choices, row.tolist(), strict=True)]
        blocks = [
            replace(block, width=width, middle=middle, kernel=kernel, depth=depth)
            for block, width, middle, kernel, depth in zip(
                self.structure.blocks, chosen[1::4], chosen[2::4], chosen[3::4], chosen[4::4], strict=True
            )
        ]
        return replace(self.structure.with_blocks(blocks), stem=chosen[0])

    def build_row(self, row: np.ndarray, task: Task) -> fx.GraphModule:
        """The network of a row in plain torch, with fresh weights."""
        structure = self.structure_of(row)
        network = MadNetwork(structure, task.channels, task.classes, [int(block.depth) for block in structure.blocks])
        return extract(network)

    def build(self, task: Task) -> MadNetwork:
        """The record of all networks; for reading, not for running."""
        layers = [RECORDED] * len(self.structure.blocks)
        blocks = [replace(block, depth=minimum(block.depth, RECORDED)) for block in self.structure.blocks]
        return MadNetwork(self.structure.with_blocks(blocks), task.channels, task.classes, layers)

    def walk(self, task: Task | None = None) -> Walk:
        """The operators of the record; see `counting_walk` for how often they are run."""
        return Space.walk(self, task)

    def counting_walk(self, task: Task | None = None) -> Walk:
        """The same, guards being how often an operator is run: what repeats, once less than its super-block is deep."""
        found = self.walk(task)
        times = {f"stages.{index}.blocks.1.": block.depth - 1 for index, block in enumerate(self.structure.blocks)}
        counted = []
        for operator in found.operators:
            repeated = next((count for path, count in times.items() if operator.path.startswith(path)), None)
            counted.append(operator if repeated is None else replace(operator, guard=repeated))
        return replace(found, operators=tuple(counted))

    def compiled(self, metric: str, task: Task | None = None) -> RowCost:
        """'macs', 'params' or 'memory' as a function of rows; see `nas.Space.compiled`."""
        if metric not in COUNTED:
            raise unknown("metric", metric, COUNTED)
        cost = Space.compiled(self, metric, task)
        return GrowingCost(cost, float(cost(self.whole.decisions.smallest())[0]))

    def terms(self, metric: str, task: Task | None = None) -> list[Term]:
        """The terms of 'macs' or 'params'."""
        return summed_terms(self.counting_walk(task), metric)


def _known(stem: int, *blocks: tuple[int, int, int, int]) -> dict[str, Option]:
    """Decisions of a network: width, middle width, kernel and depth of each super-block."""
    decisions: dict[str, Option] = {"stem.width": stem}
    for number, figures in enumerate(blocks, 1):
        for part, value in zip(("width", "middle", "kernel", "depth"), figures, strict=True):
            decisions[f"block{number}.{part}"] = value
    return decisions


def bottleneck() -> MadSpace:
    """Bottlenecks as in ResNet: the authors' `space_k1kxk1`, with the three networks that they published."""
    return MadSpace(
        "mad:bottleneck",
        "bottleneck",
        kernels=(3, 5),
        strides=(2, 2, 2, 1, 2),
        stems=multiples(8, 32),
        widths=multiples(8, 2048),
        middles=multiples(8, 2048),
        last=None,
        summary="a stem and five super-blocks of bottlenecks, designed without training by --strategy deepmad",
        known={
            "deepmad-r18": _known(32, (96, 40, 5, 1), (384, 40, 5, 6), (384, 64, 5, 9), (1024, 104, 3, 10), (672, 104, 5, 12)),
            "deepmad-r34": _known(
                24, (128, 24, 5, 1), (512, 48, 5, 10), (896, 88, 5, 13), (1024, 104, 5, 11), (616, 128, 5, 14)
            ),
            "deepmad-r50": _known(
                32, (128, 40, 5, 1), (512, 48, 5, 11), (872, 88, 5, 12), (1024, 104, 5, 13), (1232, 120, 5, 15)
            ),
        },
    )


def depthwise() -> MadSpace:
    """Depthwise blocks with squeeze-and-excitation: the authors' `space_k1dwsek1`. Their networks hold widths that are no
    multiples of 8, and so are not in it."""
    return MadSpace(
        "mad:depthwise",
        "depthwise",
        kernels=(3, 5, 7),
        strides=(2, 2, 2, 2, 1),
        stems=multiples(16, 32),
        widths=multiples(8, 1280),
        middles=wide(7680),
        last=1792,
        summary="a stem and five super-blocks of depthwise blocks with squeeze-and-excitation, for --strategy deepmad",
    )
