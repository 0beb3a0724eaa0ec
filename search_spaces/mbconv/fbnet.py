"""The space of FBNet (Wu et al., FBNet: Hardware-Aware Efficient ConvNet Design via Differentiable Neural Architecture
Search, 2019).

Twenty-two searched layers between a stem of 16 and a 1 x 1 head. A layer is one of eight blocks, each with weights of its own,
or is skipped: that is an identity where the layer would keep the shape of its input, and else the 1 x 1 convolution (with
batch norm, activation and the layer's stride) that the change of shape needs, as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import nn

from nas.choices import Choice
from nas.elastic import OperatorChoice, Unit
from nas.supernet import Space, Task
from search_spaces.mbconv.blocks import Classifier, ConvNormAct, Convolution
from search_spaces.mbconv.chain import Place, Skip, Stage, blocks, named, places
from search_spaces.mbconv.shuffle import ChannelShuffle

BLOCKS = {
    "k3e1g2": (3, 1, 2),
    "k5e1g2": (5, 1, 2),
    "k3e1": (3, 1, 1),
    "k5e1": (5, 1, 1),
    "k3e3": (3, 3, 1),
    "k5e3": (5, 3, 1),
    "k3e6": (3, 6, 1),
    "k5e6": (5, 6, 1),
}
"""Kernel, expansion and groups of the 1 x 1 convolutions of each block, from the cheapest to the dearest."""

STAGES = (
    Stage(16, 1, 1),
    Stage(24, 4, 2),
    Stage(32, 4, 2),
    Stage(64, 4, 2),
    Stage(112, 4, 1),
    Stage(184, 4, 2),
    Stage(352, 1, 1),
)
"""The searched stages."""

SMALL_STAGES = (STAGES[0], Stage(24, 4, 1), *STAGES[2:])
"""The stages for images of 32 px, where neither the stem nor the second stage has a stride."""

SMALL_HEAD = 1504
"""Width of the last convolution there."""

HEAD = 1984
"""Width of the last convolution of FBNet-B and C; FBNet-A has 1504."""


class FBNetBlock(nn.Module):
    """1 x 1, depthwise and 1 x 1 convolution, added to the input where shapes agree.

    Grouped 1 x 1 convolutions come with a channel shuffle, so that the groups see each other. Unlike MobileNetV2's, the block
    has its first 1 x 1 convolution at expansion 1, too.
    """

    def __init__(self, place: Place, kernel: int, expand: int, groups: int) -> None:
        super().__init__()
        middle = place.in_channels * expand
        self.residual = place.keeps_shape
        self.expand = ConvNormAct(place.in_channels, middle, groups=groups)
        self.shuffle = ChannelShuffle(groups) if groups > 1 else nn.Identity()
        self.depthwise = ConvNormAct(middle, middle, kernel, place.stride, groups=middle)
        self.project = ConvNormAct(middle, place.out_channels, activation=None, groups=groups)
        attributes = {"kernel": kernel, "expand": expand, "groups": groups, "stride": place.stride}
        self.unit = Unit("fbnet", {**attributes, "residual": int(self.residual), "act": "relu"}, place.name)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        y = self.project(self.depthwise(self.shuffle(self.expand(x))))
        return x + y if self.residual else y  # type: ignore[no-any-return]

    def last_norms(self) -> Iterator[nn.Module]:
        """See `nas.elastic.residual`."""
        if self.residual:
            yield self.project.norm


def searched_layer(place: Place) -> nn.Module:
    """One searched layer: each block is a module of its own."""
    skipped: nn.Module = (
        Skip(place.name)
        if place.keeps_shape
        else Convolution(place.in_channels, place.out_channels, 1, place.stride, nn.ReLU, position=place.name)
    )
    candidates: dict[str, nn.Module] = {"skip": skipped}
    for name, (kernel, expand, groups) in BLOCKS.items():
        candidates[name] = FBNetBlock(place, kernel, expand, groups)
    return OperatorChoice(Choice(place.name, tuple(candidates)), dict(candidates))


class FBNetNetwork(nn.Module):
    """The macro-architecture for any resolution, number of channels and number of classes.

    Args:
        task: what it is built for.
        head: width of the last convolution.
        dropout: before the last layer.
        stem_stride: of the first convolution.
        stages: the searched stages.
    """

    def __init__(
        self,
        task: Task,
        head: int = HEAD,
        dropout: float = 0.2,
        stem_stride: int = 2,
        stages: Sequence[Stage] = STAGES,
    ) -> None:
        super().__init__()
        self.stage_layers = [stage.layers for stage in stages]
        self.stem = Convolution(task.channels, 16, 3, stem_stride, nn.ReLU)
        self.layers = nn.Sequential(*map(searched_layer, places(stages, 16)))
        self.head = Convolution(stages[-1].width, head, 1, 1, nn.ReLU)
        self.classifier = Classifier(head, task.classes, dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> scores (N, classes)."""
        return self.classifier(self.head(self.layers(self.stem(images))))  # type: ignore[no-any-return]

    def block_sequence(self) -> list[nn.Module]:
        """The stages; see `nas.supernet.blocks`."""
        return blocks([self.stem], [*self.layers], self.stage_layers)


KNOWN = {
    "fbnet-a": named(
        "skip  k3e3 k3e1 skip skip  k5e6 k3e3 k5e1 k3e3  k5e6 k5e3 k5e1g2 k5e6  "
        "k3e6 k5e1g2 k5e1 k3e1g2  k5e6 k5e6 k5e3 k5e6  k5e6"
    ),
    "fbnet-b": named(
        "k3e1  k3e6 k5e1 k3e1 k3e1  k5e6 k5e3 k3e6 k5e6  k5e6 k5e1 skip k5e3  k5e6 k3e1 k5e1 k5e3  k5e6 k5e1 k5e6 k5e6  k3e6"
    ),
    "fbnet-c": named(
        "k3e1  k3e6 skip k3e1 k3e1  k5e6 k5e3 k5e6 k3e6  k5e6 k5e3 k5e6 k5e6  k5e6 k5e6 k5e6 k5e3  k5e6 k5e6 k5e6 k5e6  k3e6"
    ),
}
"""The paper's networks, as its authors released them."""


def fbnet(head: int = HEAD, dropout: float = 0.2) -> Space:
    """The space, for ImageNet by default; see `FBNetNetwork`."""
    return Space(
        "mbconv:fbnet",
        partial(FBNetNetwork, head=head, dropout=dropout),
        known=KNOWN,
        task=Task(channels=3, resolution=224, classes=1000),
        summary="22 layers of kernel 3 or 5, expansion 1 (also in groups), 3 or 6, or skipped",
        source="Wu et al., FBNet, 2019",
    )


def fbnet_cifar() -> Space:
    """The space for images of 32 px, as in HW-NAS-Bench (Li et al., HW-NAS-Bench: Hardware-Aware Neural Architecture Search
    Benchmark, 2021), for CIFAR-100 by default."""
    return Space(
        "mbconv:fbnet-cifar",
        partial(FBNetNetwork, head=SMALL_HEAD, stem_stride=1, stages=SMALL_STAGES),
        task=Task(channels=3, resolution=32, classes=100),
        summary="the 22 layers of FBNet for images of 32 px, with two strides less",
        source="Li et al., HW-NAS-Bench, 2021",
    )
