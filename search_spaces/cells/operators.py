"""The operators of cells, built from torch's own layers and batch norm without statistics of its own.

Definitions as in Liu et al., DARTS, 2019, and Zoph et al., Learning transferable architectures (NASNet), 2018. Every
convolution is without bias and sits between a ReLU before it and a batch norm after it. Sides after stride 2 are rounded up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import nn

from nas.choices import Value
from nas.elastic import ElasticBatchNorm2d, Unit


@dataclass(frozen=True)
class Place:
    """Where an operator stands.

    Attributes:
        in_channels, out_channels: widths before and after.
        stride: 1 or 2.
        side: of the map that arrives, in pixels.
        affine: whether batch norms scale and shift.
        pool_norm: whether pools are followed by a batch norm, as in the network that DARTS searches.
        eps, momentum: of every batch norm, in torch's convention.
    """

    in_channels: int
    out_channels: int
    stride: int
    side: int
    affine: bool = True
    pool_norm: bool = False
    eps: float = 1e-5
    momentum: float = 0.1

    def norm(self, affine: bool | None = None) -> ElasticBatchNorm2d:
        """A batch norm of the output's width."""
        return ElasticBatchNorm2d(self.out_channels, self.eps, self.momentum, self.affine if affine is None else affine)


Maker: TypeAlias = Callable[[Place], nn.Module]
"""Makes an operator for a place."""


class ReluConvNorm(nn.Module):
    """ReLU, one convolution or two in a row, batch norm."""

    def __init__(self, place: Place, conv: nn.Module, then: nn.Module | None = None, relu: bool = True) -> None:
        super().__init__()
        self.relu = relu
        self.conv = conv
        self.then = then
        self.norm = place.norm()
        self.unit = conv_unit([conv] if then is None else [conv, then], relu)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        x = self.conv(torch.relu(x) if self.relu else x)
        return self.norm(x if self.then is None else self.then(x))  # type: ignore[no-any-return]


def conv_unit(convs: Sequence[nn.Module], relu: bool) -> Unit:
    """A batch norm behind convolutions, behind a ReLU or not: devices run them as one."""
    attributes: dict[str, Value | str] = {"relu": int(relu)}
    for name, conv in zip(("conv", "then"), convs, strict=False):
        attributes[name] = _shown(conv) if isinstance(conv, nn.Conv2d) else "1x1"  # of searched inputs, see `nasnet_cell`
    return Unit("conv_norm", attributes)


def _shown(conv: nn.Conv2d) -> str:
    """Such as 'dw5x5s2' or '3x3d2': depthwise, window, stride and dilation."""
    (rows, columns), stride, dilation = conv.kernel_size, max(conv.stride), conv.dilation[0]
    depthwise = "dw" if conv.groups > 1 else ""
    return f"{depthwise}{rows}x{columns}" + (f"s{stride}" if stride > 1 else "") + (f"d{dilation}" if dilation > 1 else "")


def convolution(kernel: int, dilation: int = 1) -> Maker:
    """ReLU, k x k convolution, batch norm."""

    def make(place: Place) -> nn.Module:
        padding = dilation * (kernel // 2)
        conv = nn.Conv2d(place.in_channels, place.out_channels, kernel, place.stride, padding, dilation, bias=False)
        return ReluConvNorm(place, conv)

    return make


def factorised_convolution(kernel: int) -> Maker:
    """ReLU, 1 x k convolution with stride (1, s), k x 1 convolution with stride (s, 1), batch norm."""

    def make(place: Place) -> nn.Module:
        width, half = place.out_channels, kernel // 2
        rows = nn.Conv2d(place.in_channels, width, (1, kernel), (1, place.stride), (0, half), bias=False)
        columns = nn.Conv2d(width, width, (kernel, 1), (place.stride, 1), (half, 0), bias=False)
        return ReluConvNorm(place, rows, columns)

    return make


def _separable(place: Place, kernel: int, stride: int, in_channels: int, dilation: int = 1) -> nn.Module:
    padding = dilation * (kernel // 2)
    depthwise = nn.Conv2d(in_channels, in_channels, kernel, stride, padding, dilation, groups=in_channels, bias=False)
    pointwise = nn.Conv2d(in_channels, place.out_channels, 1, bias=False)
    return ReluConvNorm(place, depthwise, pointwise)


def separable_convolution(kernel: int) -> Maker:
    """Twice: ReLU, depthwise k x k (the first time with the stride), 1 x 1, batch norm."""

    def make(place: Place) -> nn.Module:
        first = _separable(place, kernel, place.stride, place.in_channels)
        return nn.Sequential(first, _separable(place, kernel, 1, place.out_channels))

    return make


def dilated_separable_convolution(kernel: int) -> Maker:
    """ReLU, depthwise k x k with dilation 2, 1 x 1, batch norm."""
    return lambda place: _separable(place, kernel, place.stride, place.in_channels, dilation=2)


class FactorisedReduction(nn.Module):
    """Half the map by two 1 x 1 convolutions of stride 2, half of the width each, the second on the map moved by one pixel."""

    def __init__(self, place: Place, relu: bool = True) -> None:
        super().__init__()
        self.relu = relu
        self.odd = bool(place.side % 2)
        half = place.out_channels // 2
        self.first = nn.Conv2d(place.in_channels, half, 1, 2, bias=False)
        self.second = nn.Conv2d(place.in_channels, place.out_channels - half, 1, 2, bias=False)
        self.norm = place.norm()
        self.unit = Unit("factorised_reduction", {"relu": int(relu)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H / 2, W / 2)."""
        if self.relu:
            x = torch.relu(x)
        return self.norm(torch.cat([self.first(x), self.second(moved(x, self.odd))], 1))  # type: ignore[no-any-return]


def moved(x: torch.Tensor, odd: bool) -> torch.Tensor:
    """The map one pixel up and left; a row and a column of zeros follow where an odd side would lose its last window."""
    shifted = x[:, :, 1:, 1:]
    return F.pad(shifted, (0, 1, 0, 1)) if odd else shifted


def pool(kind: str, kernel: int) -> Maker:
    """Mean ('avg') or maximum ('max') of a window, zeros around the map not counted.

    A batch norm follows, or a 1 x 1 convolution and a batch norm, where the place asks for it or changes the width.
    """

    def make(place: Place) -> nn.Module:
        window: nn.Module = (
            nn.MaxPool2d(kernel, place.stride, kernel // 2)
            if kind == "max"
            else nn.AvgPool2d(kernel, place.stride, kernel // 2, count_include_pad=False)
        )
        if place.in_channels != place.out_channels:
            conv = nn.Conv2d(place.in_channels, place.out_channels, 1, bias=False)
            return nn.Sequential(window, ReluConvNorm(place, conv, relu=False))
        return nn.Sequential(window, place.norm(affine=False)) if place.pool_norm else window

    return make


class Zero(nn.Module):
    """Zeros of the output's shape: the operator `none`."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        return (x if self.stride == 1 else x[:, :, :: self.stride, :: self.stride]) * 0.0


def zero(place: Place) -> nn.Module:
    """The operator `none`, which keeps the width."""
    return Zero(place.stride)


def skip_or_reduce(place: Place) -> nn.Module:
    """The input itself; a factorised reduction at stride 2 (DARTS)."""
    return nn.Identity() if place.stride == 1 else FactorisedReduction(place)


def identity_or_project(place: Place) -> nn.Module:
    """The input itself; ReLU, 1 x 1 convolution with the stride and batch norm where stride or width change (NASNet)."""
    same = place.stride == 1 and place.in_channels == place.out_channels
    return nn.Identity() if same else convolution(1)(place)


DARTS_OPERATORS: Mapping[str, Maker] = {
    "none": zero,
    "max_pool_3x3": pool("max", 3),
    "avg_pool_3x3": pool("avg", 3),
    "skip_connect": skip_or_reduce,
    "sep_conv_3x3": separable_convolution(3),
    "sep_conv_5x5": separable_convolution(5),
    "dil_conv_3x3": dilated_separable_convolution(3),
    "dil_conv_5x5": dilated_separable_convolution(5),
}
"""The eight operators in the paper's order, which a relaxation over them keeps."""

NASNET_OPERATORS: Mapping[str, Maker] = {
    "skip_connect": identity_or_project,
    "avg_pool_3x3": pool("avg", 3),
    "max_pool_3x3": pool("max", 3),
    "max_pool_5x5": pool("max", 5),
    "max_pool_7x7": pool("max", 7),
    "conv_1x1": convolution(1),
    "sep_conv_3x3": separable_convolution(3),
    "sep_conv_5x5": separable_convolution(5),
    "sep_conv_7x7": separable_convolution(7),
    "conv_3x1_1x3": factorised_convolution(3),
    "conv_3x3": convolution(3),
    "conv_3x3_dilated": convolution(3, dilation=2),
    "conv_7x1_1x7": factorised_convolution(7),
}
"""The thirteen operators, from the cheapest to the dearest at the widths of these networks."""

NAS_BENCH_201_OPERATORS: Mapping[str, Maker] = {
    "none": zero,
    "skip_connect": identity_or_project,
    "nor_conv_1x1": convolution(1),
    "nor_conv_3x3": convolution(3),
    "avg_pool_3x3": pool("avg", 3),
}
"""The five operators in the paper's order."""
