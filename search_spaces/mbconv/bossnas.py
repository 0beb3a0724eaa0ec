"""The MBConv space of BossNAS (Li et al., BossNAS: Exploring Hybrid CNN-transformers with Block-wisely Self-supervised Neural
Architecture Search, 2021).

Eighteen searched layers in five blocks between a fixed MBConv to 16 and a fixed one to 320: kernel 3 or 5, expansion 3 or 6,
with squeeze-and-excitation and SiLU throughout. Every searched layer has a shortcut, which its four operators share.
"""

from __future__ import annotations

import torch
from torch import nn

from nas.choices import Choice
from nas.elastic import ElasticSqueezeExcite, OperatorChoice
from nas.supernet import Space, Task
from search_spaces.mbconv.blocks import Classifier, ConvNormAct, Convolution, MBConv
from search_spaces.mbconv.chain import Place, Stage, blocks, places

OPERATORS = {"k3e3": (3, 3), "k5e3": (5, 3), "k3e6": (3, 6), "k5e6": (5, 6)}
"""Kernel and expansion of each operator, from the cheapest to the dearest."""

NUMBERED = ("k3e6", "k5e6", "k3e3", "k5e3")
"""The operators in the order of the paper's numbers 0 to 3."""

STAGES = (Stage(24, 2, 2), Stage(40, 4, 2), Stage(80, 4, 2), Stage(112, 4, 1), Stage(192, 4, 2))
"""The searched blocks."""

LAST, HEAD = 320, 1280
"""Widths of the fixed layer after them and of the head."""


def mbconv(in_channels: int, out_channels: int, kernel: int, expand: int, stride: int, position: str) -> MBConv:
    """An MBConv without a shortcut, its squeeze-and-excitation a quarter of the width that enters."""
    block = MBConv(
        in_channels,
        out_channels,
        kernel,
        expand,
        stride,
        nn.SiLU,
        squeeze=in_channels // 4,
        residual=False,
        position=position,
    )
    block.squeeze = ElasticSqueezeExcite(in_channels * expand, in_channels // 4, activation=nn.SiLU)
    return block


class Layer(nn.Module):
    """One of four operators, added to a shortcut.

    The shortcut is a mean over 2 x 2 where the stride is 2, of which the last window is partly filled where the side is odd,
    then a 1 x 1 convolution with batch norm where the width changes.
    """

    def __init__(self, place: Place) -> None:
        super().__init__()
        widths = place.in_channels, place.out_channels
        candidates = {
            name: mbconv(*widths, kernel, expand, place.stride, place.name) for name, (kernel, expand) in OPERATORS.items()
        }
        self.operator = OperatorChoice(Choice(place.name, tuple(OPERATORS)), candidates)
        pool = nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False) if place.stride == 2 else nn.Identity()
        match = ConvNormAct(*widths, activation=None) if widths[0] != widths[1] else nn.Identity()
        self.shortcut = nn.Sequential(pool, match)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        return self.operator(x) + self.shortcut(x)  # type: ignore[no-any-return]


class BossNetwork(nn.Module):
    """The macro-architecture for any resolution, number of channels and number of classes.

    Args:
        task: what it is built for.
        dropout: before the last layer.
    """

    def __init__(self, task: Task, dropout: float = 0.2) -> None:
        super().__init__()
        self.stem = Convolution(task.channels, 32, 3, 2, nn.SiLU)
        self.first = mbconv(32, 16, 3, 1, 1, "layer0")
        self.layers = nn.Sequential(*map(Layer, places(STAGES, 16)))
        self.last = mbconv(STAGES[-1].width, LAST, 3, 6, 1, "last")
        self.head = Convolution(LAST, HEAD, 1, 1, nn.SiLU)
        self.classifier = Classifier(HEAD, task.classes, dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> scores (N, classes)."""
        return self.classifier(self.head(self.last(self.layers(self.first(self.stem(images))))))  # type: ignore[no-any-return]

    def block_sequence(self) -> list[nn.Module]:
        """The paper's blocks; see `nas.supernet.blocks`."""
        return blocks([self.stem, self.first], [*self.layers], [stage.layers for stage in STAGES])


def numbered(*codes: str) -> dict[str, str]:
    """Decisions from the paper's operator numbers, a word for each block."""
    return {f"layer{index}": NUMBERED[int(code)] for index, code in enumerate("".join(codes), 1)}


KNOWN = {
    "ranked-1": numbered("11", "1111", "1101", "1011", "1101"),
    "ranked-23": numbered("22", "2202", "2323", "2022", "0022"),
}
"""The first and the last of the 23 networks on which the authors measure the ranking: 75.52 and 73.58 percent on ImageNet."""


def bossnas() -> Space:
    """The space, for ImageNet by default; see `BossNetwork`."""
    return Space(
        "mbconv:bossnas",
        BossNetwork,
        known=KNOWN,
        task=Task(channels=3, resolution=224, classes=1000),
        summary="18 layers of kernel 3 or 5, expansion 3 or 6, with squeeze-and-excitation",
        source="Li et al., BossNAS, 2021",
    )
