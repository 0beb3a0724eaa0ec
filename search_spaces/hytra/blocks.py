"""ResConv and ResAtt: bottlenecks around a convolution or around attention, with a positional encoding generator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from nas.choices import Value
from nas.elastic import ElasticBatchNorm2d, ElasticConv2d, ElasticSqueezeExcite, Switch, Unit

HEAD_WIDTH = 64
"""Features of an attention head."""


@dataclass(frozen=True)
class Style:
    """What the search and the retraining of the paper do differently.

    Attributes:
        activation: after norms and after the residual sum.
        pooled_shortcut: a shortcut that halves the map is a 2 x 2 mean and a 1 x 1 convolution; else a 3 x 3 convolution
            of stride 2 and an activation.
        squeeze: squeeze-and-excitation at the end of ResConv, its hidden width this fraction of the channels; 0 for none.
    """

    activation: type[nn.Module] = nn.ReLU
    pooled_shortcut: bool = False
    squeeze: float = 0.0


SEARCHED = Style()
RETRAINED = Style(activation=nn.SiLU, pooled_shortcut=True, squeeze=1 / 16)


def conv_norm(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, then batch norm."""
    conv = ElasticConv2d(in_channels, out_channels, kernel_size, stride)
    return nn.Sequential(conv, ElasticBatchNorm2d(out_channels))


def reduction(in_channels: int, middle: int, stride: int) -> nn.Sequential:
    """1 x 1 convolution, then the positional encoding generator: a depthwise 3 x 3 convolution whose zero padding tells
    positions apart (Chu et al., Conditional Positional Encodings for Vision Transformers, 2021), here without a sum."""
    generator = ElasticConv2d(middle, middle, 3, stride, groups=middle, bias=True)
    return nn.Sequential(ElasticConv2d(in_channels, middle, 1), generator)


class MapAttention(nn.Module):
    """Multi-head self-attention over all positions of a map, softmax(q k^T / sqrt(d)) v, heads of 64 features."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // HEAD_WIDTH)
        self.projection = ElasticConv2d(channels, 3 * channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> the same shape."""
        packed = self.projection(x).flatten(2).unflatten(1, (3, self.heads, -1)).transpose(3, 4)
        query, key, value = packed.unbind(1)
        attended = F.scaled_dot_product_attention(query, key, value)
        channels_first = attended.transpose(2, 3).flatten(1, 2)
        return channels_first.unflatten(2, (x.shape[2], x.shape[3]))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """1 x 1, positional encoding generator, 3 x 3 convolution or attention, 1 x 1; added to a shortcut, then activated.

    Args:
        kind: 'convolution' (ResConv) or 'attention' (ResAtt).
        channels: of the output; the middle has a quarter.
        entries: (channels, stride) of each input that may arrive; an input of the output's own shape passes the shortcut
            unchanged.
        entry: index of the input that does arrive, symbolic.
    """

    def __init__(self, kind: str, channels: int, entries: Sequence[tuple[int, int]], entry: Value, style: Style) -> None:
        super().__init__()
        middle = channels // 4
        self.shortcut = Switch(entry, [self._shortcut(given, stride, channels, style) for given, stride in entries])
        self.reduce = Switch(entry, [reduction(given, middle, stride) for given, stride in entries])
        self.enter = nn.Sequential(ElasticBatchNorm2d(middle), style.activation())
        self.mix: nn.Module = MapAttention(middle) if kind == "attention" else ElasticConv2d(middle, middle, 3)
        self.leave = nn.Sequential(ElasticBatchNorm2d(middle), style.activation())
        self.expand = conv_norm(middle, channels, 1)
        nn.init.zeros_(self.expand[1].weight)  # type: ignore[arg-type]
        squeezed = style.squeeze > 0 and kind == "convolution"
        hidden = round(channels * style.squeeze) if squeezed else 0
        self.squeeze = ElasticSqueezeExcite(channels, hidden) if squeezed else nn.Identity()
        self.activation = style.activation()
        name = "resatt" if kind == "attention" else "resconv"
        self.unit = Unit(name, {"squeeze": hidden, "act": style.activation.__name__.lower()})

    @staticmethod
    def _shortcut(given: int, stride: int, channels: int, style: Style) -> nn.Module:
        if given == channels:
            return nn.Identity()
        if style.pooled_shortcut:
            pool: list[nn.Module] = [nn.AvgPool2d(2, 2)] if stride == 2 else []
            return nn.Sequential(*pool, *conv_norm(given, channels, 1))
        kernel_size = 3 if stride == 2 else 1
        return nn.Sequential(*conv_norm(given, channels, kernel_size, stride), style.activation())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C', H', W') -> (N, C, H, W)."""
        y = self.squeeze(self.expand(self.leave(self.mix(self.enter(self.reduce(x))))))
        return self.activation(self.shortcut(x) + y)  # type: ignore[no-any-return]

    def last_norms(self) -> Iterator[nn.Module]:
        """See `nas.elastic.residual`."""
        yield self.expand[1]
