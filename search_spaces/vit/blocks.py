"""The pieces that vision transformers share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction

import torch
from torch import nn

from nas.choices import Choice, Value
from nas.elastic import (
    ChannelGroup,
    ElasticAttention,
    ElasticLayerNorm,
    ElasticLinear,
    ElasticParameter,
    Unit,
    axes_of,
    axis_of,
)
from nas.elastic.drop_path import DropPath

SMALL = 112
"""Images of fewer pixels a side are no pictures at a paper's scale; patches are chosen by the grid they give instead."""


def patch_side(resolution: int, paper: int, grid: int = 8) -> int:
    """The side of a patch: the paper's, or below 112 px the one that makes about `grid` patches a side.

    At 32 px a patch of 16 would leave four tokens; the patch of 4 leaves 8 x 8.
    """
    return paper if resolution >= SMALL else max(1, resolution // grid)


def scaled(width: Value, ratio: Choice) -> Value:
    """floor(width * ratio) in whole numbers, for a choice of ratios."""
    exact = {option: Fraction(float(option)).limit_denominator(1000) for option in ratio.options}
    denominator = math.lcm(*(fraction.denominator for fraction in exact.values()))
    return width * ratio.map({option: int(fraction * denominator) for option, fraction in exact.items()}) // denominator


class ClassToken(nn.Module):
    """A learned token before the others (Dosovitskiy et al., An image is worth 16 x 16 words, 2021)."""

    def __init__(self, width: Value) -> None:
        super().__init__()
        self.token = ElasticParameter(1, 1, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, L, C) -> (N, 1 + L, C)."""
        return torch.cat((self.token.of(x).expand(x.shape[0], -1, -1), x), 1)


class PositionEmbedding(nn.Module):
    """A learned vector added to each token."""

    def __init__(self, length: int, width: Value) -> None:
        super().__init__()
        self.embedding = ElasticParameter(1, length, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, L, C) -> the same shape."""
        return x + self.embedding.of(x)


class Mlp(nn.Module):
    """Two linear layers with GELU between."""

    def __init__(self, width: Value, hidden: Value) -> None:
        super().__init__()
        self.hidden = hidden
        self.expand = ElasticLinear(width, hidden)
        self.activation = nn.GELU()
        self.project = ElasticLinear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., C) -> the same shape."""
        return self.project(self.activation(self.expand(x)))  # type: ignore[no-any-return]

    def channel_groups(self) -> Iterator[ChannelGroup]:
        """The hidden units, see `nas.elastic.importance`."""
        yield ChannelGroup(self.hidden, axis_of(self.project, 1), tuple(axes_of(self.expand)))


def drop_depth(index: int, count: int) -> float:
    """The share of its probability with which block `index` (from 0) of `count` is dropped: from 0 linearly to 1."""
    return index / max(count - 1, 1)


class TransformerBlock(nn.Module):
    """Attention and a multi-layer perceptron, each behind a layer norm and added to its input (pre-norm).

    Args:
        width: features of a token; may be symbolic.
        attention: (..., C) -> the same shape.
        hidden: of the perceptron; may be symbolic.
        described: what tells its attention from others in a latency table.
        drop_depth: share of the network's blocks that come before this one, 1 for the last. A trainer that drops residual
            branches at random drops this one's with that share of its probability (stochastic depth); 0 for never.
    """

    def __init__(
        self,
        width: Value,
        attention: nn.Module,
        hidden: Value,
        described: Mapping[str, Value | str],
        drop_depth: float = 0.0,
    ) -> None:
        super().__init__()
        self.unit = Unit("transformer", {**described, "hidden": hidden})
        self.drop = DropPath(0.0, drop_depth, ramp=False) if drop_depth > 0 else nn.Identity()
        self.attention_norm = ElasticLayerNorm(width)
        self.attention = attention
        self.mlp_norm = ElasticLayerNorm(width)
        self.mlp = Mlp(width, hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., C) -> the same shape."""
        x = x + self.drop(self.attention(self.attention_norm(x)))
        return x + self.drop(self.mlp(self.mlp_norm(x)))  # type: ignore[no-any-return]

    def channel_groups(self) -> Iterator[ChannelGroup]:
        """The heads of attention that is given no bias, see `nas.elastic.importance`."""
        if isinstance(self.attention, ElasticAttention):
            yield from self.attention.head_groups()
