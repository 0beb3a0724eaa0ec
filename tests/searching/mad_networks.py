"""Published networks as plain torch modules, and DeepMAD's formulas once more, for one network and in plain words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import pstdev

import torch
from torch import nn

from nas.architectures import Decisions
from nas.choices import Choice
from nas.elastic import walk
from nas.searching.entropy import EntropyOfRows, Figures, read_chain


@dataclass(frozen=True)
class SuperBlock:
    kernel: int
    middle: int
    width: int
    depth: int
    stride: int


@dataclass(frozen=True)
class Published:
    """A network of the authors' repository (configs/classification/models), and its figures by the specification."""

    stem: int
    blocks: tuple[SuperBlock, ...]
    last: int | None
    entropy: float
    effectiveness: float
    penalty: float


def of(*figures: tuple[int, int, int, int, int]) -> tuple[SuperBlock, ...]:
    return tuple(SuperBlock(*block) for block in figures)


R18 = of((5, 40, 96, 1, 2), (5, 40, 384, 6, 2), (5, 64, 384, 9, 2), (3, 104, 1024, 10, 1), (5, 104, 672, 12, 2))
R34 = of((5, 24, 128, 1, 2), (5, 48, 512, 10, 2), (5, 88, 896, 13, 2), (5, 104, 1024, 11, 1), (5, 128, 616, 14, 2))
R50 = of((5, 40, 128, 1, 2), (5, 48, 512, 11, 2), (5, 88, 872, 12, 2), (5, 104, 1024, 13, 1), (5, 120, 1232, 15, 2))
M29 = of((5, 240, 40, 2, 1), (5, 512, 85, 4, 2), (5, 800, 134, 6, 2), (5, 1208, 201, 6, 2), (5, 1872, 312, 5, 2))
M50 = of((5, 672, 112, 7, 2), (5, 1008, 168, 9, 2), (5, 1512, 252, 7, 2), (5, 2272, 378, 3, 2), (3, 3456, 576, 1, 1))
M89 = of((5, 816, 136, 10, 2), (5, 1224, 204, 9, 2), (5, 1952, 326, 7, 2), (5, 2944, 490, 4, 2), (3, 4464, 744, 1, 1))

PUBLISHED = {
    "deepmad-R18": Published(32, R18, None, 32_120.2, 0.2991, 34.81),
    "deepmad-R34": Published(24, R34, None, 43_142.7, 0.3000, 34.81),
    "deepmad-R50": Published(32, R50, None, 48_919.3, 0.2998, 34.81),
    "deepmad-29M-224": Published(40, M29, 1792, 19_135.9, 0.4965, 44.67),
    "deepmad-50M": Published(48, M50, 2048, 23_605.0, 0.493, 189.0),
    "deepmad-89M": Published(56, M89, 2560, 28_445.0, 0.495, 274.0),
}


class Block(nn.Module):
    """1 x 1, k x k, 1 x 1; a projected shortcut where dense, a gate and a shortcut between equal shapes where not."""

    def __init__(self, before: int, block: SuperBlock, stride: int, dense: bool) -> None:
        super().__init__()
        middle = block.middle
        self.reduce = nn.Conv2d(before, middle, 1)
        self.conv = nn.Conv2d(middle, middle, block.kernel, stride, block.kernel // 2, groups=1 if dense else middle)
        self.expand = nn.Conv2d(middle, block.width, 1)
        self.squeeze = None if dense else nn.Conv2d(middle, middle // 4, 1)
        self.excite = None if dense else nn.Conv2d(middle // 4, middle, 1)
        same = stride == 1 and before == block.width
        self.pool = nn.AvgPool2d(stride, ceil_mode=True) if dense and stride > 1 else nn.Identity()
        self.match = nn.Conv2d(before, block.width, 1) if dense and before != block.width else nn.Identity()
        self.residual = dense or same

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(self.reduce(x).relu()).relu()
        if self.squeeze is not None and self.excite is not None:
            y = y * self.excite(self.squeeze(nn.functional.adaptive_avg_pool2d(y, 1)).relu()).sigmoid()
        y = self.expand(y)
        return (y + self.match(self.pool(x)) if self.residual else y).relu()


class Network(nn.Module):
    """A stem of stride 2, super-blocks, perhaps a last convolution, a classifier."""

    def __init__(self, stem: nn.Module, width: int, blocks: tuple[SuperBlock, ...], last: int | None, dense: bool) -> None:
        super().__init__()
        self.stem = stem
        made = []
        for block in blocks:
            for place in range(block.depth):
                made.append(Block(width, block, block.stride if place == 0 else 1, dense))
                width = block.width
        self.blocks = nn.Sequential(*made)
        self.last = nn.Identity() if last is None else nn.Conv2d(width, last, 1)
        self.classifier = nn.Linear(last or width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.last(self.blocks(self.stem(x))).mean((2, 3)))


def network(published: Published) -> Network:
    """Without memory: only its operators are read."""
    with torch.device("meta"):
        stem = nn.Conv2d(3, published.stem, 3, 2, 1)
        return Network(stem, published.stem, published.blocks, published.last, dense=published.last is None)


def resnet50() -> Network:
    """The same, with a stem of 7 x 7 and max pooling."""
    blocks = of((3, 64, 256, 3, 1), (3, 128, 512, 4, 2), (3, 256, 1024, 6, 2), (3, 512, 2048, 3, 2))
    with torch.device("meta"):
        stem = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        return Network(stem, 64, blocks, None, dense=True)


def figures_of(module: nn.Module, side: int = 224) -> Figures:
    """The figures of one plain network."""
    nothing = Decisions([Choice("nothing", (0,))])
    return EntropyOfRows(nothing, read_chain(walk(module, (3, side, side))))(nothing.smallest())


def by_hand(stem: int, blocks: tuple[SuperBlock, ...], last: int | None = None, side: int = 224) -> tuple[float, float, float]:
    """Entropy, effectiveness and penalty, convolution by convolution."""
    dense = last is None
    total, layers, before, side = 0.5 * math.log(3 * 9), 1, stem, -(-side // 2)
    stages = []
    for block in blocks:
        for place in range(block.depth):
            if place == 0 and block.stride == 2:
                stages.append((total, layers, before, side))
                side = -(-side // 2)
            filtered = block.kernel**2 * (block.middle if dense else 1)
            for fan_in in (before, filtered, block.middle):
                total, layers = total + 0.5 * math.log(fan_in), layers + 1
            before = block.width
    if last is not None:
        total, layers, before = total + 0.5 * math.log(before), layers + 1, last
    stages.append((total, layers, before, side))
    weights = (1, 1, 1, 1, 8)
    entropy = sum(a * math.log(c * r * r) * h for a, (h, _, c, r) in zip(weights, stages, strict=True))
    depths = [block.depth for block in blocks][2 if dense else 0 :]
    return entropy, max(n / math.exp(2 * h / n) for h, n, _, _ in stages), 10 * math.exp(pstdev(depths))
