"""Networks that are written as a table of stages, with elastic resolution, widths, depths, kernels and expansions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from nas.choices import Choice, Option, Value, make_divisible
from nas.elastic import Depth, ElasticConv2d, ElasticResize, scaled_resolution
from nas.supernet import Task
from search_spaces.mbconv.blocks import PLAIN_NORM, Convolution, ElasticClassifier, MBConv, NormFigures


@dataclass(frozen=True)
class Stage:
    """One row of a table. Options go from small to large; a single option is no decision.

    Attributes:
        name: before the names of its decisions.
        width, depth: decided for the stage; the first `depth` of its blocks are kept.
        kernel, expand: decided for the stage or for each of its blocks, see `Macro`.
        stride: of its first block.
        squeeze: whether its blocks have squeeze-and-excitation, of a quarter of their middle width.
    """

    name: str
    width: tuple[int, ...]
    depth: tuple[int, ...]
    kernel: tuple[int, ...]
    expand: tuple[int, ...]
    stride: int
    activation: type[nn.Module]
    squeeze: bool = False


@dataclass(frozen=True)
class Macro:
    """A table of stages with what stands before and after it.

    Attributes:
        resolution: options of the side of the images.
        stem: options of the width of the first convolution, 3 x 3 with stride 2.
        last: options of the width before the classifier.
        activation: of the convolutions before and after the stages.
        mixing: True for the head of MobileNetV3: a convolution to six times the width, and after the mean over the map a
            linear layer to the last width; False for a convolution to the last width.
        dropout: before the classifier.
        per_block: whether kernels and expansions are decided for each block.
        residual: whether every block has a shortcut, see `blocks.Shortcut`.
        gate: of squeeze-and-excitation.
        convolution: the class of the depthwise convolutions.
        norm: figures of batch norm.
        zero_init: see `blocks.MBConv`.
        dropped: how many of the last stages have blocks that a trainer may drop at random; None for all.
    """

    resolution: tuple[int, ...]
    stem: tuple[int, ...]
    stages: tuple[Stage, ...]
    last: tuple[int, ...]
    activation: type[nn.Module]
    mixing: bool
    dropout: float
    per_block: bool
    residual: bool
    gate: type[nn.Module] = nn.Hardsigmoid
    convolution: type[ElasticConv2d] = ElasticConv2d
    norm: NormFigures = PLAIN_NORM
    zero_init: bool = False
    dropped: int | None = None


def decided(name: str, options: Sequence[Option]) -> Value:
    """A choice, or the option itself where there is but one."""
    return Choice(name, tuple(options)) if len(options) > 1 else options[0]  # type: ignore[return-value]


def scaled(widths: Sequence[int], ratio: float) -> tuple[int, ...]:
    """Widths times a ratio, as multiples of 8."""
    return tuple(int(make_divisible(width * ratio)) for width in widths)


class StagedNetwork(nn.Module):
    """Stem, stages of MBConv blocks, head. The resolution holds at a task of its largest option, else in proportion."""

    def __init__(self, task: Task, macro: Macro) -> None:
        super().__init__()
        self.macro = macro
        resolution = Choice("resolution", macro.resolution)
        self.resize = ElasticResize(scaled_resolution(resolution, task.resolution))
        width = decided("stem.width", macro.stem)
        self.stem = Convolution(task.channels, width, 3, 2, macro.activation, macro.norm)
        stages, before = [], 0
        for index, stage in enumerate(macro.stages):
            drops = macro.dropped is None or index >= len(macro.stages) - macro.dropped
            module, width = self._stage(stage, width, before if drops else None)
            stages.append(module)
            before += max(stage.depth)
        self.stages = nn.Sequential(*stages)
        last = decided("last.width", macro.last)
        self.head = Convolution(width, 6 * width if macro.mixing else last, 1, 1, macro.activation, macro.norm)
        if macro.mixing:
            self.classifier = ElasticClassifier(6 * width, task.classes, macro.dropout, last, macro.activation)
        else:
            self.classifier = ElasticClassifier(last, task.classes, macro.dropout)

    def _stage(self, stage: Stage, in_channels: Value, before: int | None) -> tuple[nn.Module, Value]:
        """The blocks of a stage and its width; `before` counts those before it, None where its own are never dropped."""
        macro = self.macro
        total = sum(max(other.depth) for other in macro.stages)
        width = decided(f"{stage.name}.width", stage.width)
        depth = decided(f"{stage.name}.depth", stage.depth)
        shared = None if macro.per_block else _figures(stage, stage.name)
        blocks = []
        for place in range(1, max(stage.depth) + 1):
            kernel, expand = shared or _figures(stage, f"{stage.name}.block{place}")
            block = MBConv(
                in_channels,
                width,
                kernel,
                expand,
                stage.stride if place == 1 else 1,
                stage.activation,
                make_divisible(in_channels * expand // 4) if stage.squeeze else None,
                True if macro.residual else None,
                macro.norm,
                gate=macro.gate,
                convolution=macro.convolution,
                zero_init=macro.zero_init,
                drop_depth=0.0 if before is None else (before + place - 1) / total,
            )
            blocks.append(block)
            in_channels = width
        return Depth(blocks, depth), width

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> scores (N, classes)."""
        return self.classifier(self.head(self.stages(self.stem(self.resize(images)))))  # type: ignore[no-any-return]

    def block_sequence(self) -> list[nn.Module]:
        """The stages; see `nas.supernet.blocks`."""
        first, *rest = self.stages
        return [nn.Sequential(self.resize, self.stem, first), *rest]


def _figures(stage: Stage, owner: str) -> tuple[Value, Value]:
    """Kernel and expansion, decided for a stage or for one of its blocks."""
    return decided(f"{owner}.kernel", stage.kernel), decided(f"{owner}.expand", stage.expand)
