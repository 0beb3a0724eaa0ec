"""The space of Single-Path NAS (Stamoulis et al., 2019), every layer of which was measured on a Pixel 1.

Stem of 32 channels, a fixed MBConv to 16, five stages of four searched layers, a fixed MBConv to 320, head of 1280.
A layer is 3 x 3 or 5 x 5 with expansion 3 or 6, or, unless it is the first of its stage, left out.
"""

from __future__ import annotations

import torch
from torch import nn

from nas.choices import Choice
from nas.elastic import Optional
from nas.supernet import Space, Task
from search_spaces.mbconv.blocks import Classifier, Convolution, MBConv, NormFigures
from search_spaces.mbconv.chain import blocks

OPERATORS = {"k3e3": (3, 3), "k5e3": (5, 3), "k3e6": (3, 6), "k5e6": (5, 6)}
"""Kernel and expansion of each operator, from the cheapest to the dearest."""

STAGES = ((24, 2), (40, 2), (80, 2), (96, 1), (192, 2))
"""Width and stride of the five searched stages."""

LAYERS = 4
"""Searched layers in a stage."""

NORM = NormFigures(eps=1e-3, momentum=0.01)
"""The paper's code says decay 0.99."""


def layer_choice(index: int) -> Choice:
    """The decision of searched layer 1 to 20; the first of a stage cannot be left out."""
    first = (index - 1) % LAYERS == 0
    return Choice(f"layer{index}", tuple(OPERATORS) if first else ("skip", *OPERATORS))


def searched_layer(index: int, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """One searched layer; its position is the one in the paper's latency model."""
    choice = layer_choice(index)
    left_out = {"skip": OPERATORS["k3e3"]} if "skip" in choice.options else {}
    settings = {**OPERATORS, **left_out}
    kernel = choice.map({name: kernel for name, (kernel, _) in settings.items()})
    expand = choice.map({name: expand for name, (_, expand) in settings.items()})
    position, depth = f"layer{index}", index / (LAYERS * len(STAGES) + 2)
    block = MBConv(in_channels, out_channels, kernel, expand, stride, norm=NORM, position=position, drop_depth=depth)
    return Optional(block, choice.differs("skip")) if left_out else block


class SinglePathNetwork(nn.Module):
    """The macro-architecture for any resolution, number of channels and number of classes."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.stem = Convolution(task.channels, 32, 3, 2, nn.ReLU, NORM)
        self.first = MBConv(32, 16, 3, 1, residual=False, norm=NORM, position="layer0")
        layers: list[nn.Module] = []
        width = 16
        for stage_width, stage_stride in STAGES:
            for position in range(LAYERS):
                stride = stage_stride if position == 0 else 1
                layers.append(searched_layer(len(layers) + 1, width, stage_width, stride))
                width = stage_width
        self.layers = nn.Sequential(*layers)
        self.last = MBConv(width, 320, 3, 6, residual=False, norm=NORM, position="layer21")
        self.head = Convolution(320, 1280, 1, 1, nn.ReLU, NORM)
        self.classifier = Classifier(1280, task.classes, dropout=0.2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> scores (N, classes)."""
        return self.classifier(self.head(self.last(self.layers(self.first(self.stem(images))))))  # type: ignore[no-any-return]

    def block_sequence(self) -> list[nn.Module]:
        """The stages; see `nas.supernet.blocks`."""
        return blocks([self.stem, self.first], [*self.layers], [LAYERS] * len(STAGES))


def _network(*stages: str) -> dict[str, str]:
    """Decisions from one word a stage: the operator, times how many layers keep it."""
    decisions = {}
    for stage, word in enumerate(stages):
        operator, _, count = word.partition("x")
        for position in range(LAYERS):
            decisions[f"layer{stage * LAYERS + position + 1}"] = operator if position < int(count) else "skip"
    return decisions


KNOWN = {
    # Tan et al., MnasNet, 2019: 3 x 24, 3 x 40, 3 x 80, 2 x 96, 4 x 192.
    "mnasnet-b1": _network("k3e3x3", "k5e3x3", "k5e6x3", "k3e6x2", "k5e6x4"),
}


def single_path() -> Space:
    """The space, for ImageNet by default."""
    return Space(
        "mbconv:single-path",
        SinglePathNetwork,
        known=KNOWN,
        task=Task(channels=3, resolution=224, classes=1000),
        summary="20 layers of kernel 3 or 5, expansion 3 or 6, or left out",
        source="Stamoulis et al., Single-Path NAS, 2019",
    )
