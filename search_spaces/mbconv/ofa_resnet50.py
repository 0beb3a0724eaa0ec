"""The ResNet-50 space of Once-for-All: ResNet-D bottlenecks with elastic width, depth and middle width.

The paper of the method (Cai et al., Once-for-All: Train One Network and Specialize it, 2020) is about mobile networks; its
authors added this space later, described by three lists: width multipliers, extra depth and bottleneck ratios. What the
lists leave open follows ResNet-D (He et al., Bag of Tricks for Image Classification, 2019) and is an argument of
`ofa_resnet50`. At width 1 and ratio 1/4, ResNet-50-D itself is in the space.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import nn

from nas.choices import Choice, Option, Value, make_divisible
from nas.elastic import (
    ChannelGroup,
    Depth,
    ElasticResize,
    Unit,
    scaled_resolution,
)
from nas.supernet import Space, Task
from search_spaces.mbconv.blocks import ConvNormAct, ElasticClassifier, middle_channels
from search_spaces.mbconv.ofa import RESOLUTIONS
from search_spaces.mbconv.stages import decided

WIDTHS = (0.65, 0.8, 1.0)
"""Width multipliers, decided for the middle and the end of the stem and for each stage."""

EXTRA_DEPTHS = (0, 1, 2)
"""Blocks of a stage beyond the least."""

EXPANSIONS = (0.2, 0.25, 0.35)
"""Middle width of a block relative to its output width, decided for each block."""

STAGES = ((256, 1), (512, 2), (1024, 2), (2048, 2))
"""Full width and stride of the stages."""


def width_of(name: str, full: int) -> Value:
    """The full width times a multiplier, which is the decision `name`, as a multiple of 8.

    Of multipliers that lead to the same width the first is an option: 0.65 and 0.8 of 32 channels both are 24.
    """
    widths: dict[float, int] = {}
    for ratio in WIDTHS:
        width = int(make_divisible(full * ratio))
        if width not in widths.values():
            widths[ratio] = width
    return Choice(name, tuple(widths)).map(widths)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 with a shortcut: average pooling where it strides, a convolution where `project` says so."""

    def __init__(
        self, in_channels: Value, out_channels: Value, expand: Value, stride: int, project: bool, zero_init: bool
    ) -> None:
        super().__init__()
        self.middle = middle = make_divisible(out_channels * expand)
        self.reduce = ConvNormAct(in_channels, middle)
        self.conv = ConvNormAct(middle, middle, 3, stride)
        self.expand = ConvNormAct(middle, out_channels, activation=None)
        # A partly filled last window keeps the side equal to the convolution's where it is odd.
        self.pool = nn.Identity() if stride == 1 else nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False)
        self.project = ConvNormAct(in_channels, out_channels, activation=None) if project else nn.Identity()
        self.activation = nn.ReLU()
        if zero_init:
            nn.init.zeros_(self.expand.norm.get_parameter("weight"))
        self.unit = Unit("bottleneck", {"middle": middle, "stride": stride, "projected": int(project)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        return self.activation(self.expand(self.conv(self.reduce(x))) + self.project(self.pool(x)))  # type: ignore[no-any-return]

    def last_norms(self) -> Iterator[nn.Module]:
        """See `nas.elastic.residual`."""
        yield self.expand.norm

    def channel_groups(self) -> Iterator[ChannelGroup]:
        """The middle channels before and behind the 3 x 3 convolution."""
        yield from middle_channels(self.middle, self.conv, self.reduce)
        yield from middle_channels(self.middle, self.expand, self.conv)


class Residual(nn.Module):
    """A module added to its input."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> the same shape."""
        return x + self.module(x)  # type: ignore[no-any-return]


class Stem(nn.Module):
    """Two or three 3 x 3 convolutions, the first of stride 2, then max pooling; the optional one is residual."""

    def __init__(self, channels: int, depths: tuple[int, ...]) -> None:
        super().__init__()
        middle, width = width_of("stem.middle", 32), width_of("stem.width", 64)
        self.first = ConvNormAct(channels, middle, 3, 2)
        depth = decided("stem.depth", depths)
        self.more = Depth([Residual(ConvNormAct(middle, middle, 3))], depth - 2)
        self.last = ConvNormAct(middle, width, 3)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.out_channels = width
        self.unit = Unit("stem", {"middle": middle, "depth": depth})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H / 4, W / 4)."""
        return self.pool(self.last(self.more(self.first(x))))  # type: ignore[no-any-return]


class ElasticResNet(nn.Module):
    """Stem, four stages of bottlenecks, mean, linear. The resolution is exact at a task of 224 px, else in proportion."""

    def __init__(
        self, task: Task, base_depths: tuple[int, ...], stem_depths: tuple[int, ...], dropout: float, zero_init: bool
    ) -> None:
        super().__init__()
        self.resize = ElasticResize(scaled_resolution(Choice("resolution", RESOLUTIONS), task.resolution))
        self.stem = Stem(task.channels, stem_depths)
        width = self.stem.out_channels
        stages = []
        for number, ((full, stride), base) in enumerate(zip(STAGES, base_depths, strict=True), 1):
            name = f"stage{number}"
            out_channels = width_of(f"{name}.width", full)
            depths = tuple(base + extra for extra in EXTRA_DEPTHS)
            blocks = []
            for index in range(depths[-1]):
                first = index == 0
                expand = Choice(f"{name}.block{index + 1}.expand", EXPANSIONS)
                blocks.append(Bottleneck(width, out_channels, expand, stride if first else 1, first, zero_init))
                width = out_channels
            stages.append(Depth(blocks, Choice(f"{name}.depth", depths)))
        self.stages = nn.Sequential(*stages)
        self.classifier = ElasticClassifier(width, task.classes, dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> scores (N, classes)."""
        return self.classifier(self.stages(self.stem(self.resize(images))))  # type: ignore[no-any-return]

    def block_sequence(self) -> list[nn.Module]:
        """The stages; see `nas.supernet.blocks`."""
        first, *rest = self.stages
        return [nn.Sequential(self.resize, self.stem, first), *rest]


def _resnet50(depths: tuple[int, ...] = (3, 4, 6, 3)) -> dict[str, Option]:
    """ResNet-50-D but for the shortcut around the second convolution of the stem, which costs nothing."""
    decisions: dict[str, Option] = {"resolution": 224, "stem.middle": 1.0, "stem.width": 1.0, "stem.depth": 3}
    for number, depth in enumerate(depths, 1):
        decisions |= {f"stage{number}.width": 1.0, f"stage{number}.depth": depth}
        decisions |= {f"stage{number}.block{index}.expand": 0.25 for index in range(1, depth + 1)}
    return decisions


def ofa_resnet50(
    base_depths: tuple[int, ...] = (2, 2, 4, 2),
    stem_depths: tuple[int, ...] = (2, 3),
    dropout: float = 0.0,
    zero_init: bool = False,
) -> Space:
    """The space, for ImageNet by default.

    Args:
        base_depths: the least blocks of each stage, to which the extra depth is added.
        stem_depths: options of how many convolutions the stem has, of 2 and 3.
        dropout: before the classifier.
        zero_init: the last batch norm of every block begins with weights of zero.
    """
    known = {"resnet50-d": _resnet50()} if (base_depths, stem_depths) == ((2, 2, 4, 2), (2, 3)) else {}
    return Space(
        "mbconv:ofa-resnet50",
        partial(ElasticResNet, base_depths=base_depths, stem_depths=stem_depths, dropout=dropout, zero_init=zero_init),
        known=known,
        task=Task(channels=3, resolution=224, classes=1000),
        summary="ResNet-D bottlenecks: width 0.65 to 1, 0 to 2 extra blocks a stage, ratio 0.2 to 0.35, resolution 128 to 224",
        source="Cai et al., Once-for-All: Train One Network and Specialize it for Efficient Deployment, 2020",
    )
