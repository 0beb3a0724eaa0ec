"""The space of ProxylessNAS (Cai et al., ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware, 2019).

Twenty-one searched layers between a fixed MBConv to 16 and a head of 1280. A layer is an MBConv of kernel 3, 5 or 7 and
expansion 3 or 6, each with weights of its own, or, where it would keep the shape of its input, nothing but its shortcut.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from nas.choices import Choice
from nas.elastic import OperatorChoice
from nas.supernet import Space, Task
from search_spaces.mbconv.blocks import Classifier, Convolution, MBConv, NormFigures
from search_spaces.mbconv.chain import Place, Skip, Stage, blocks, named, places, rewidened

OPERATORS = {f"k{kernel}e{expand}": (kernel, expand) for expand in (3, 6) for kernel in (3, 5, 7)}
"""Kernel and expansion of each operator, from the cheapest to the dearest."""

STAGES = (Stage(32, 4, 2), Stage(40, 4, 2), Stage(80, 4, 2), Stage(96, 4, 1), Stage(192, 4, 2), Stage(320, 1, 1))
"""The searched stages."""

WIDTHS = tuple(stage.width for stage in STAGES)
"""Their widths in the published network for phones."""

NARROW = (24, *WIDTHS[1:])
"""The widths from which the authors' search code starts."""

NORM = NormFigures(eps=1e-3, momentum=0.1)


def searched_layer(place: Place) -> nn.Module:
    """One searched layer: each operator is a module of its own."""
    candidates: dict[str, nn.Module] = {"skip": Skip(place.name)} if place.keeps_shape else {}
    for name, (kernel, expand) in OPERATORS.items():
        candidates[name] = MBConv(
            place.in_channels,
            place.out_channels,
            kernel,
            expand,
            place.stride,
            nn.ReLU6,
            norm=NORM,
            position=place.name,
            drop_depth=place.index / (1 + sum(stage.layers for stage in STAGES)),
        )
    return OperatorChoice(Choice(place.name, tuple(candidates)), dict(candidates))


class ProxylessNetwork(nn.Module):
    """The macro-architecture for any resolution, number of channels and number of classes.

    Args:
        task: what it is built for.
        widths: of the six searched stages.
        dropout: before the last layer; none during the search.
    """

    def __init__(self, task: Task, widths: Sequence[int] = WIDTHS, dropout: float = 0.0) -> None:
        super().__init__()
        self.stem = Convolution(task.channels, 32, 3, 2, nn.ReLU6, NORM)
        self.first = MBConv(32, 16, 3, 1, activation=nn.ReLU6, norm=NORM, position="layer0")
        self.layers = nn.Sequential(*map(searched_layer, places(rewidened(STAGES, widths), 16)))
        self.head = Convolution(widths[-1], 1280, 1, 1, nn.ReLU6, NORM)
        self.classifier = Classifier(1280, task.classes, dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> scores (N, classes)."""
        return self.classifier(self.head(self.layers(self.first(self.stem(images)))))  # type: ignore[no-any-return]

    def block_sequence(self) -> list[nn.Module]:
        """The stages; see `nas.supernet.blocks`."""
        return blocks([self.stem, self.first], [*self.layers], [stage.layers for stage in STAGES])


KNOWN = {
    "proxylessnas-mobile": named(
        "k5e3 k3e3 skip skip  k7e3 k3e3 k5e3 k5e3  k7e6 k5e3 k5e3 k5e3  k5e6 k5e3 k5e3 k5e3  k7e6 k7e6 k7e3 k7e3  k7e6"
    ),
}
"""The network that the paper found for the Pixel 1."""


def proxyless(widths: Sequence[int] = WIDTHS, dropout: float = 0.0, name: str = "mbconv:proxyless") -> Space:
    """The space, for ImageNet by default; see `ProxylessNetwork`."""
    return Space(
        name,
        partial(ProxylessNetwork, widths=widths, dropout=dropout),
        known=KNOWN,
        task=Task(channels=3, resolution=224, classes=1000),
        summary="21 layers of kernel 3, 5 or 7, expansion 3 or 6, or left out",
        source="Cai et al., ProxylessNAS, 2019",
    )


def proxyless_w24() -> Space:
    """The space with the widths of the authors' search code."""
    return proxyless(NARROW, name="mbconv:proxyless-w24")
