"""The network of the fabric, for the search and for the retraining."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from nas.base.errors import NasError
from nas.choices import Option, Value, where
from nas.elastic import ElasticBatchNorm2d, ElasticConv2d, ElasticLinear, OperatorChoice, Switch, SymbolicTensor
from nas.supernet import Task
from search_spaces.hytra.blocks import SEARCHED, Bottleneck, Style, conv_norm
from search_spaces.hytra.fabric import Fabric
from search_spaces.hytra.paths import BLOCK, OPERATORS, SCALES, Path, block_paths

SMALL_IMAGES = 112
"""Below this resolution the stem keeps the map and every width is a quarter, as in ResNets for CIFAR."""

WIDTH = 64
"""Channels of the stem; a layer on the largest map has four times as many, and each smaller map twice the one before."""


@dataclass(frozen=True)
class Form:
    """How the fabric is built.

    Attributes:
        style: of its blocks.
        projected_stem: whether the stem's output passes a 1 x 1 convolution also where the first layer is on the largest map.
        last_stride: of the step to the smallest scale; 1 keeps the 14 x 14 map (BossNet-T1).
    """

    style: Style = SEARCHED
    projected_stem: bool = True
    last_stride: int = 2


class HytraNetwork(nn.Module):
    """Stem, the layers of the fabric, mean over the map, classifier."""

    def __init__(self, task: Task, fabric: Fabric, form: Form) -> None:
        super().__init__()
        small = task.resolution < SMALL_IMAGES
        step = 8 if small else 32
        if task.resolution % step:
            raise NasError(
                f"HyTra halves its map {3 if small else 5} times, so the resolution must be a multiple of {step}; given "
                f"{task.resolution}"
            )
        width = WIDTH // 4 if small else WIDTH
        self.fabric = fabric
        self.scales = fabric.scales()
        channels = {scale: 4 * width * 2 ** (3 - scale) for scale in SCALES}
        self.stem = _stem(task.channels, width, small, form.style)
        # By scale from 0, the order in which Switch takes its candidates.
        entries = [_first_entry(scale, width, channels[scale], form) for scale in sorted(SCALES)]
        self.entry = Switch(self.scales[0], entries)
        self.layers = nn.ModuleList(
            Switch(self.scales[index], [_layer(fabric, index, scale, channels, self.scales, form) for scale in sorted(SCALES)])
            for index in range(fabric.layers)
        )
        last = self.scales[-1]
        features = where(last > 2, channels[3], where(last > 1, channels[2], where(last > 0, channels[1], channels[0])))
        self.classifier = ElasticLinear(features, task.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> scores (N, classes)."""
        if isinstance(images, SymbolicTensor):
            images.recorder.use(*self.scales)  # so that these decisions come first, as Fabric.clipped expects
        x = self.entry(self.stem(images))
        for layer in self.layers:
            x = layer(x)
        return self.classifier(x.mean((2, 3)))  # type: ignore[no-any-return]

    def block_sequence(self) -> list[nn.Module]:
        """Four layers a block, the stem with the first; see `nas.supernet.blocks`."""
        layers = [[*self.layers[first : first + BLOCK]] for first in range(0, len(self.layers), BLOCK)]
        return [nn.Sequential(self.stem, self.entry, *layers[0]), *(nn.Sequential(*block) for block in layers[1:])]

    def block_paths(self, number: int, before: Mapping[str, Option]) -> Iterator[Mapping[str, Option]]:
        """The restricted table of the released search; see `nas.supernet.blocks`."""
        first = number * BLOCK
        length = min(BLOCK, self.fabric.layers - first)
        done = self.fabric.path(before)[:first]
        for path in block_paths(number, length, done[-1][0] if done else None):
            scale = path[-1][0]
            later = ((scale, OPERATORS[scale][0]),) * (self.fabric.layers - first - length)
            yield self.fabric.decisions((*done, *path, *later))

    def block_path(self, number: int, decisions: Mapping[str, Option]) -> Path:
        """Scales and operators of a block; see `nas.supernet.blocks`."""
        return self.fabric.path(decisions)[number * BLOCK : (number + 1) * BLOCK]


def _stem(channels: int, width: int, small: bool, style: Style) -> nn.Sequential:
    kernel_size, stride = (3, 1) if small else (7, 2)
    pool: list[nn.Module] = [] if small else [nn.MaxPool2d(3, 2, 1)]
    return nn.Sequential(*conv_norm(channels, width, kernel_size, stride), style.activation(), *pool)


def _first_entry(scale: int, width: int, channels: int, form: Form) -> nn.Module:
    """The stem's map brought to the scale of the first layer: a depthwise convolution whose kernel is its stride, 1 x 1, norm.

    The kernel is even, which a plain convolution has and an elastic one has not.
    """
    side = (8 if form.last_stride == 2 else 4) if scale == 0 else 2 ** (3 - scale)
    if side == 1 and not form.projected_stem:
        return nn.Identity()
    patch = nn.Conv2d(width, width, side, side, groups=width, bias=False)
    nn.init.kaiming_normal_(patch.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(patch, ElasticConv2d(width, channels // 4, 1), ElasticBatchNorm2d(channels // 4))


def _layer(fabric: Fabric, index: int, scale: int, channels: dict[int, int], scales: list[Value], form: Form) -> nn.Module:
    """A layer on one scale: whatever may arrive there, and the operators there are."""
    entry: Value = 0
    entries = [(channels[scale] // 4, 1)]
    if index:
        entries = [(channels[scale], 1)]
        if scale < max(SCALES):
            entries.append((channels[scale + 1], form.last_stride if scale == 0 else 2))
            entry = scales[index - 1] - scales[index]
    blocks = {kind: Bottleneck(kind, channels[scale], entries, entry, form.style) for kind in OPERATORS[scale]}
    return OperatorChoice(fabric.operators[index], blocks) if len(blocks) > 1 else next(iter(blocks.values()))
