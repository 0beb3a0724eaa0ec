"""Blocks that mix channels by moving them: ShuffleNetV2 (Ma et al., ShuffleNet V2, 2018) as Single Path One-Shot uses it."""

from __future__ import annotations

import torch
from torch import nn

from nas.elastic import ElasticBatchNorm2d, ElasticConv2d


class ChannelShuffle(nn.Module):
    """Channels of several groups taken in turn, so that each group of what follows sees all of them (Zhang et al. 2018).

    Written as reshapes and one transposition, which every exporter knows.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> the same shape; the number of groups divides C."""
        return x.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)  # type: ignore[no-any-return]


def even_and_odd(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Channels 0, 2, 4, ... and 1, 3, 5, ... of (N, C, H, W): a shuffle of two groups and a split in one."""
    pairs = x.unflatten(1, (-1, 2))
    return pairs[:, :, 0], pairs[:, :, 1]


def _pointwise(in_channels: int, out_channels: int, affine: bool) -> list[nn.Module]:
    return [ElasticConv2d(in_channels, out_channels), ElasticBatchNorm2d(out_channels, affine=affine), nn.ReLU()]


def _depthwise(channels: int, kernel: int, stride: int, affine: bool) -> list[nn.Module]:
    convolution = ElasticConv2d(channels, channels, kernel, stride, groups=channels)
    return [convolution, ElasticBatchNorm2d(channels, affine=affine)]


class ShuffleBlock(nn.Module):
    """A main branch beside a shortcut, joined by concatenation.

    At stride 1 the odd channels go through the main branch and the even ones pass it. At stride 2 the whole input goes through
    the main branch and through a projection, a depthwise and a 1 x 1 convolution that keep its width.

    Args:
        in_channels: twice the main branch's at stride 1.
        out_channels: equal to in_channels at stride 1; half of it is the width inside the main branch.
        kernel: of the depthwise convolutions.
        xception: three depthwise convolutions, each followed by a 1 x 1 one, instead of 1 x 1, depthwise, 1 x 1.
        affine: whether batch norms scale and shift.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, xception: bool = False, affine: bool = True
    ) -> None:
        super().__init__()
        entering = in_channels // 2 if stride == 1 else in_channels
        middle, leaving = out_channels // 2, out_channels - entering
        if xception:
            widths = ((entering, middle, stride), (middle, middle, 1), (middle, leaving, 1))
            branch = [
                layer
                for width, following, step in widths
                for layer in (*_depthwise(width, kernel, step, affine), *_pointwise(width, following, affine))
            ]
        else:
            branch = [
                *_pointwise(entering, middle, affine),
                *_depthwise(middle, kernel, stride, affine),
                *_pointwise(middle, leaving, affine),
            ]
        self.main = nn.Sequential(*branch)
        self.projection = None
        if stride > 1:
            self.projection = nn.Sequential(
                *_depthwise(in_channels, kernel, stride, affine), *_pointwise(in_channels, in_channels, affine)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W'); what passes comes first."""
        if self.projection is None:
            passing, changed = even_and_odd(x)
            return torch.cat((passing, self.main(changed)), 1)
        return torch.cat((self.projection(x), self.main(x)), 1)
