"""The convolutions of ViT-ResNAS: its patch embedding and its residual spatial reduction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from nas.choices import Value
from nas.elastic import (
    Configurable,
    ElasticBatchNorm2d,
    ElasticConv2d,
    ElasticLayerNorm,
    ElasticLinear,
    ElasticPatchEmbedding,
    Slots,
)
from search_spaces.vit.blocks import PositionEmbedding


class ConvPatchEmbedding(nn.Module):
    """Three 3 x 3 convolutions, the second and third with a shortcut around them, before the patches are embedded.

    The first has stride 2 where the patch's side is even; the embedding then has half the patch's side.

    Args:
        out_channels: may be symbolic.
        middle: channels of the three convolutions.
        patch: the side of a patch in pixels.
    """

    def __init__(self, in_channels: int, out_channels: Value, middle: int, patch: int) -> None:
        super().__init__()
        stride = 2 if patch % 2 == 0 else 1
        self.first = nn.Sequential(ElasticConv2d(in_channels, middle, 3, stride), ElasticBatchNorm2d(middle), nn.ReLU())
        self.second = nn.Sequential(ElasticConv2d(middle, middle, 3), ElasticBatchNorm2d(middle), nn.ReLU())
        self.third = nn.Sequential(ElasticConv2d(middle, middle, 3), ElasticBatchNorm2d(middle))
        self.activation = nn.ReLU()
        self.embed = ElasticPatchEmbedding(middle, out_channels, patch // stride)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H // patch, W // patch)."""
        x = self.first(images)
        return self.embed(self.activation(x + self.third(self.second(x))))  # type: ignore[no-any-return]

    def last_norms(self) -> Iterator[nn.Module]:
        """See `nas.elastic.residual`."""
        yield self.third[1]


class SpatialReduction(Configurable):
    """Half the rows and columns, more channels: residual spatial reduction (Liao et al. 2021).

    Patches pass a layer norm and a 3 x 3 convolution of stride 2 and get positions anew; around it, their 2 x 2 means,
    with zeros for the channels that are new. The class token passes the same norm and a linear layer; around it, itself with
    zeros. A grid of odd side is filled up with zeros before the means are taken.

    Args:
        in_channels, out_channels: may be symbolic; the second is nowhere smaller.
        side: rows and columns of the grid that arrives.
    """

    def __init__(self, in_channels: Value, out_channels: Value, side: int) -> None:
        super().__init__()
        self.side = side
        self.norm = ElasticLayerNorm(in_channels)
        self.reduce = ElasticConv2d(in_channels, out_channels, 3, stride=2, bias=True)
        self.position = PositionEmbedding(((side + 1) // 2) ** 2, out_channels)
        self.token = ElasticLinear(in_channels, out_channels)
        self.declare(added=out_channels - in_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 1 + side^2, C) -> (N, 1 + ceil(side / 2)^2, C')."""
        if self._slots is not None:
            return self.batched(self._slots, x)
        return self._reduced(x, *self.figures(x))

    def batched(self, slots: Slots, x: torch.Tensor) -> torch.Tensor:
        """Channels that an architecture does not have are zeros already, so that all get as many more."""
        return self._reduced(x, slots.largest(self.token)[1] - x.shape[2])

    def _reduced(self, x: torch.Tensor, added: Any) -> torch.Tensor:
        normed = self.norm(x)
        patches = self.position(self.reduce(self._map(normed)).flatten(2).transpose(1, 2))
        token = self.token(normed[:, :1])
        shortcut = self._map(x)
        if self.side % 2:
            shortcut = F.pad(shortcut, (0, 1, 0, 1))
        means = F.avg_pool2d(shortcut, 2).flatten(2).transpose(1, 2)
        kept = F.pad(torch.cat((x[:, :1], means), 1), (0, added))
        return torch.cat((token, patches), 1) + kept

    def _map(self, tokens: torch.Tensor) -> torch.Tensor:
        """The patches as a map: (N, 1 + side^2, C) -> (N, C, side, side)."""
        return tokens[:, 1:].transpose(1, 2).unflatten(2, (self.side, self.side))  # type: ignore[no-any-return]
