"""Spaces of several kinds that train in milliseconds, for tests that run every trainer on one that it fits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tiny_training import TASK, tiny_space
from torch import nn

from nas.choices import Choice
from nas.supernet import Space, Task
from search_spaces.cells.nas_bench_201 import nas_bench_201_space
from search_spaces.mbconv.blocks import Classifier, Convolution, MBConv
from search_spaces.mbconv.stages import Macro, Stage, StagedNetwork

STAGES = (
    Stage("one", (4, 8), (1, 2), (3, 5), (1, 2), 1, nn.ReLU),
    Stage("two", (8, 12), (1, 2, 3), (3, 5), (2, 3), 2, nn.ReLU, squeeze=True),
)


def tiny_mobile(dropout: float = 0.2) -> Space:
    """A BigNAS space in small: resolution, widths, depths, kernels, expansions; every block has a shortcut."""
    macro = Macro((12, 16), (4, 8), STAGES, (16, 24), nn.ReLU, False, dropout, per_block=False, residual=True)
    return Space("tiny-mobile", partial(StagedNetwork, macro=macro), task=TASK)


class TinyChain(nn.Sequential):
    """Kernel and expansion of three blocks, and nothing else."""

    def __init__(self, task: Task) -> None:
        kernels = [Choice(f"block{index}.kernel", (3, 5)) for index in range(3)]
        expansions = [Choice(f"block{index}.expand", (2, 3)) for index in range(3)]
        super().__init__(
            Convolution(task.channels, 8, 3, 2, nn.ReLU),
            MBConv(8, 8, kernels[0], expansions[0]),
            MBConv(8, 12, kernels[1], expansions[1], 2),
            MBConv(12, 12, kernels[2], expansions[2]),
            Classifier(12, task.classes, 0.1),
        )

    def block_sequence(self) -> list[nn.Module]:
        """Two blocks."""
        stem, first, second, third, _ = self
        return [nn.Sequential(stem, first), nn.Sequential(second, third)]


def tiny_chain() -> Space:
    """Blocks one after the other, decided each by itself."""
    return Space("tiny-chain", TinyChain, task=TASK)


TINY: tuple[Callable[[], Space], ...] = (
    tiny_mobile,
    partial(tiny_space, dropout=0.2),
    partial(nas_bench_201_space, channels=4, cells=1),
    tiny_chain,
)
"""Each makes a space; append one where a trainer fits none of these."""
