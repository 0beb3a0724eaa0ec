"""The block space of Single Path One-Shot (Guo et al., Single Path One-Shot Neural Architecture Search with Uniform Sampling,
2020).

Twenty searched layers of ShuffleNetV2 blocks between a stem of 16 and a head of 1024. A layer is a shuffle block of depthwise
kernel 3, 5 or 7, or one like an Xception module; each has weights of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from nas.choices import Choice
from nas.elastic import ElasticBatchNorm2d, ElasticConv2d, OperatorChoice
from nas.supernet import Space, Task
from search_spaces.mbconv.chain import Place, Stage, blocks, places
from search_spaces.mbconv.shuffle import ShuffleBlock

BLOCKS = {"k3": (3, False), "k5": (5, False), "k7": (7, False), "xception": (3, True)}
"""Depthwise kernel, and whether the main branch is Xception's, in the order of the paper's numbers 0 to 3.

That is the order of their parameters; in multiply-adds Xception's, which is strided at once, is the cheapest at stride 2.
"""

STAGES = (Stage(64, 4, 2), Stage(160, 4, 2), Stage(320, 8, 2), Stage(640, 4, 2))
"""The searched stages."""


def searched_layer(place: Place, affine: bool) -> nn.Module:
    """One searched layer: each block is a module of its own."""
    candidates = {
        name: ShuffleBlock(place.in_channels, place.out_channels, kernel, place.stride, xception, affine)
        for name, (kernel, xception) in BLOCKS.items()
    }
    return OperatorChoice(Choice(place.name, tuple(candidates)), dict(candidates))


class ShuffleNetwork(nn.Module):
    """The macro-architecture for any resolution, number of channels and number of classes.

    Args:
        task: what it is built for.
        affine: whether batch norms scale and shift. The paper's supernet has none of that, so that blocks of different paths
            stay comparable; its networks are trained anew with it.
        dropout: before the last layer.
    """

    def __init__(self, task: Task, affine: bool = False, dropout: float = 0.1) -> None:
        super().__init__()
        self.stem = nn.Sequential(ElasticConv2d(task.channels, 16, 3, 2), ElasticBatchNorm2d(16, affine=affine), nn.ReLU())
        self.layers = nn.Sequential(*(searched_layer(place, affine) for place in places(STAGES, 16)))
        self.head = nn.Sequential(ElasticConv2d(640, 1024), ElasticBatchNorm2d(1024, affine=affine), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(1024, task.classes, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> scores (N, classes)."""
        features = self.head(self.layers(self.stem(images))).mean((2, 3))
        return self.classifier(self.dropout(features))  # type: ignore[no-any-return]

    def block_sequence(self) -> list[nn.Module]:
        """The stages; see `nas.supernet.blocks`."""
        return blocks([self.stem], [*self.layers], [stage.layers for stage in STAGES])


def numbered(blocks: Sequence[int]) -> dict[str, str]:
    """Decisions from the paper's block numbers, one a layer."""
    names = tuple(BLOCKS)
    return {f"layer{index}": names[block] for index, block in enumerate(blocks, 1)}


KNOWN = {"spos": numbered((2, 1, 0, 1, 2, 0, 2, 0, 2, 0, 2, 3, 0, 0, 0, 0, 3, 2, 3, 3))}
"""The network that the authors published."""


def spos(affine: bool = False, dropout: float = 0.1) -> Space:
    """The space, for ImageNet by default; see `ShuffleNetwork`."""
    return Space(
        "mbconv:spos",
        partial(ShuffleNetwork, affine=affine, dropout=dropout),
        known=KNOWN,
        task=Task(channels=3, resolution=224, classes=1000),
        summary="20 shuffle blocks of kernel 3, 5 or 7, or like Xception's",
        source="Guo et al., Single Path One-Shot, 2020",
    )
