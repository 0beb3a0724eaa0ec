"""The networks of DeepMAD: a stem, super-blocks of equal blocks, a classifier (Shen et al., 2023).

The same definition makes one network, of plain numbers, and the record of all, of symbolic ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from nas.choices import Value, maximum, negation, settled
from nas.choices.expression import combine
from nas.elastic import (
    Depth,
    ElasticBatchNorm2d,
    ElasticConv2d,
    ElasticLinear,
    ElasticSqueezeExcite,
    Switch,
    Unit,
)

Kind = Literal["bottleneck", "depthwise"]

NARROWING = 4
"""Middle channels for each hidden channel of squeeze-and-excitation."""


@dataclass(frozen=True)
class SuperBlock:
    """Blocks of one width; the first has the stride and may change the width.

    Attributes:
        middle: channels between the 1 x 1 convolutions.
        depth: blocks.
    """

    width: Value
    middle: Value
    kernel: Value
    depth: Value
    stride: int


@dataclass(frozen=True)
class Structure:
    """A whole network.

    Attributes:
        kind: 1 x 1, k x k, 1 x 1 with ReLU, or the same with a depthwise convolution, squeeze-and-excitation and SiLU.
        stem: channels of the first convolution, 3 x 3 with stride 2.
        last: channels of a 1 x 1 convolution before the classifier; None for none.
    """

    kind: Kind
    stem: Value
    blocks: tuple[SuperBlock, ...]
    last: int | None = None

    def with_blocks(self, blocks: Sequence[SuperBlock]) -> Structure:
        """The same with other super-blocks."""
        return replace(self, blocks=tuple(blocks))


class ConvNorm(nn.Module):
    """Convolution and batch norm, and an activation where one is given."""

    def __init__(
        self,
        in_channels: Value,
        out_channels: Value,
        kernel: Value = 1,
        stride: int = 1,
        groups: Value = 1,
        activation: type[nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.conv = ElasticConv2d(in_channels, out_channels, kernel, stride, groups)
        self.norm = ElasticBatchNorm2d(out_channels)
        self.activation = activation() if activation else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        return self.activation(self.norm(self.conv(x)))  # type: ignore[no-any-return]


class Body(nn.Module):
    """1 x 1 to the middle width, k x k, 1 x 1 to the block's width."""

    def __init__(self, kind: Kind, in_channels: Value, block: SuperBlock, stride: int) -> None:
        super().__init__()
        middle = block.middle
        dense = kind == "bottleneck"
        activation: type[nn.Module] = nn.ReLU if dense else nn.SiLU
        self.reduce = ConvNorm(in_channels, middle, activation=activation)
        self.conv = ConvNorm(middle, middle, block.kernel, stride, 1 if dense else middle, activation)
        hidden = maximum(8, middle // (8 * NARROWING) * 8)
        self.squeeze = nn.Identity() if dense else ElasticSqueezeExcite(middle, hidden, activation)
        self.expand = ConvNorm(middle, block.width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        return self.expand(self.squeeze(self.conv(self.reduce(x))))  # type: ignore[no-any-return]


class Residual(nn.Module):
    """A body added to its input, which is averaged where the body strides."""

    def __init__(self, body: nn.Module, stride: int, project: nn.Module) -> None:
        super().__init__()
        self.body = body
        # A partly filled last window keeps the side equal to the convolution's where it is odd.
        self.pool = nn.Identity() if stride == 1 else nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False)
        self.project = project

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        return self.body(x) + self.project(self.pool(x))  # type: ignore[no-any-return]


class Block(nn.Module):
    """A body and its shortcut. Where the width changes, a bottleneck has a projection in it, the other kind no shortcut."""

    def __init__(self, kind: Kind, in_channels: Value, block: SuperBlock, stride: int) -> None:
        super().__init__()
        dense = kind == "bottleneck"
        body = Body(kind, in_channels, block, stride)
        differ = settled(negation(combine("==", in_channels, block.width)))
        project: nn.Module = nn.Identity()
        if dense and differ is not False:
            match = ConvNorm(in_channels, block.width)
            project = match if differ is True else Switch(differ, [nn.Identity(), match])
        self.body: nn.Module = Residual(body, stride, project)
        if not dense and differ is not False:
            self.body = body if differ is True else Switch(differ, [self.body, body])
        self.activation = nn.ReLU() if dense else nn.SiLU()
        self.unit = Unit(kind, {"middle": block.middle, "kernel": block.kernel, "stride": stride})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        return self.activation(self.body(x))  # type: ignore[no-any-return]


class MadNetwork(nn.Module):
    """A network, or the record of many.

    Args:
        layers: how many blocks of each super-block are built; its largest depth for one network.
    """

    def __init__(self, structure: Structure, channels: int, classes: int, layers: Sequence[int]) -> None:
        super().__init__()
        activation: type[nn.Module] = nn.ReLU if structure.kind == "bottleneck" else nn.SiLU
        self.stem = ConvNorm(channels, structure.stem, 3, 2, activation=activation)
        width = structure.stem
        stages = []
        for block, count in zip(structure.blocks, layers, strict=True):
            made = []
            for place in range(count):
                made.append(Block(structure.kind, width, block, block.stride if place == 0 else 1))
                width = block.width
            stages.append(Depth(made, block.depth))
        self.stages = nn.Sequential(*stages)
        self.last: nn.Module = nn.Identity()
        if structure.last is not None:
            self.last = ConvNorm(width, structure.last, activation=activation)
            width = structure.last
        self.classifier = ElasticLinear(width, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> scores (N, classes)."""
        return self.classifier(self.last(self.stages(self.stem(images))).mean((2, 3)))  # type: ignore[no-any-return]
