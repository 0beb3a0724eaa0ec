"""The network around the cells of NAS-Bench-201 and NATS-Bench: stages of cells, residual blocks of stride 2 between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from nas.choices import Value
from nas.elastic import ElasticBatchNorm2d, ElasticConv2d, ElasticLinear, Unit


class ElasticReluConvNorm(nn.Module):
    """ReLU, convolution, batch norm, of symbolic widths."""

    def __init__(self, in_channels: Value, out_channels: Value, kernel: int, stride: int = 1, relu: bool = True) -> None:
        super().__init__()
        self.relu = relu
        self.conv = ElasticConv2d(in_channels, out_channels, kernel, stride)
        self.norm = ElasticBatchNorm2d(out_channels)
        shape = f"{kernel}x{kernel}" + (f"s{stride}" if stride > 1 else "")
        self.unit = Unit("conv_norm", {"relu": int(relu), "conv": shape})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        return self.norm(self.conv(torch.relu(x) if self.relu else x))  # type: ignore[no-any-return]


class ResidualReduction(nn.Module):
    """Two 3 x 3 convolutions, the first of stride 2; the shortcut is a mean over 2 x 2 and a 1 x 1 convolution without norm.

    Args:
        side: of the map that arrives; of an odd one the last window of the mean sticks out.
    """

    def __init__(self, in_channels: Value, out_channels: Value, side: int) -> None:
        super().__init__()
        self.first = ElasticReluConvNorm(in_channels, out_channels, 3, 2)
        self.second = ElasticReluConvNorm(out_channels, out_channels, 3)
        self.pool = nn.AvgPool2d(2, 2, ceil_mode=bool(side % 2), count_include_pad=False)
        self.project = ElasticConv2d(in_channels, out_channels, 1)
        self.unit = Unit("residual_reduction")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H / 2, W / 2)."""
        return self.project(self.pool(x)) + self.second(self.first(x))  # type: ignore[no-any-return]

    def last_norms(self) -> Iterator[nn.Module]:
        """See `nas.elastic.residual`."""
        yield self.second.norm


class TinyNetwork(nn.Module):
    """Stem (3 x 3 convolution, batch norm), the layers, batch norm, ReLU, mean over the map, linear.

    Args:
        first, last: widths of the stem's and of the last layer's output.
        layers: what stands between.
    """

    def __init__(self, channels: int, first: Value, layers: Sequence[nn.Module], last: Value, classes: int) -> None:
        super().__init__()
        self.stem = ElasticReluConvNorm(channels, first, 3, relu=False)
        self.layers = nn.Sequential(*layers)
        self.norm = ElasticBatchNorm2d(last)
        self.linear = ElasticLinear(last, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> scores (N, classes)."""
        x = torch.relu(self.norm(self.layers(self.stem(images))))
        return self.linear(x.mean((2, 3)))  # type: ignore[no-any-return]
