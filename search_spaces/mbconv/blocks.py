"""The pieces of a mobile network, each a unit that devices run and tables list as one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from nas.choices import Value, negation, settled
from nas.choices.expression import combine
from nas.elastic import (
    Axis,
    ChannelGroup,
    ElasticBatchNorm2d,
    ElasticConv2d,
    ElasticLinear,
    ElasticSqueezeExcite,
    Switch,
    Unit,
    axes_of,
    axis_of,
)
from nas.elastic.drop_path import DropPath
from nas.elastic.symbolic import same


@dataclass(frozen=True)
class NormFigures:
    """Figures of every batch norm of a network, in torch's convention: momentum is the weight of the new batch."""

    eps: float = 1e-5
    momentum: float = 0.1


PLAIN_NORM = NormFigures()


class ConvNormAct(nn.Module):
    """Convolution, of whichever elastic class, batch norm and activation."""

    def __init__(
        self,
        in_channels: Value,
        out_channels: Value,
        kernel_size: Value = 1,
        stride: int = 1,
        activation: type[nn.Module] | None = nn.ReLU,
        norm: NormFigures = PLAIN_NORM,
        groups: Value = 1,
        convolution: type[ElasticConv2d] = ElasticConv2d,
    ) -> None:
        super().__init__()
        self.conv = convolution(in_channels, out_channels, kernel_size, stride, groups)
        self.norm = ElasticBatchNorm2d(out_channels, norm.eps, norm.momentum)
        self.activation = activation() if activation else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        return self.activation(self.norm(self.conv(x)))  # type: ignore[no-any-return]

    def channel_axes(self) -> Iterator[Axis]:
        """Where the channels that leave lie in its parameters; in those of a depthwise convolution they are all there are."""
        yield from axes_of(self.conv)
        yield from axes_of(self.norm)


def middle_channels(width: Value, judge: ConvNormAct, *modules: nn.Module) -> Iterator[ChannelGroup]:
    """The channels that a block makes and takes back, see `nas.elastic.importance`; none where nothing makes them.

    Args:
        judge: the convolution that reads them.
        modules: those they pass before, the one that makes them first; what has no parameters may be among them.
    """
    if isinstance(modules[0], ConvNormAct):
        passed = (module for module in modules if isinstance(module, ConvNormAct | ElasticSqueezeExcite))
        others = tuple(axis for module in passed for axis in module.channel_axes())
        yield ChannelGroup(width, axis_of(judge.conv, 1), others)


class Convolution(ConvNormAct):
    """The same as a unit of its own: stem and head, or a searched layer at a position (see `nas.elastic.Unit`)."""

    def __init__(
        self,
        in_channels: Value,
        out_channels: Value,
        kernel_size: Value,
        stride: int,
        activation: type[nn.Module],
        norm: NormFigures = PLAIN_NORM,
        position: str = "",
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, activation, norm)
        self.unit = Unit("conv", {"kernel": kernel_size, "stride": stride, "act": activation.__name__.lower()}, position)


class Shortcut(nn.Module):
    """The way around a block, whatever its stride and widths.

    2 x 2 average pooling where the stride is 2, of which the last window is partly filled where the side is odd; then a
    1 x 1 convolution in the architectures whose widths differ.
    """

    def __init__(self, in_channels: Value, out_channels: Value, stride: int) -> None:
        super().__init__()
        self.pool = nn.Identity() if stride == 1 else nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False)
        differ = settled(negation(combine("==", in_channels, out_channels)))
        self.match: nn.Module = nn.Identity()
        if differ is not False:
            match = ElasticConv2d(in_channels, out_channels)
            self.match = match if differ is True else Switch(differ, [nn.Identity(), match], out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        return self.match(self.pool(x))  # type: ignore[no-any-return]


class MBConv(nn.Module):
    """Expand (1 x 1), filter (depthwise), optionally weigh channels, project (1 x 1); added to its input where shapes agree.

    Sandler et al., MobileNetV2, 2018; squeeze-and-excitation as in Tan et al., MnasNet, 2019.

    Args:
        expand: ratio of the middle width to the input's; the first convolution is left out where it is 1.
        squeeze: hidden width of the squeeze-and-excitation; None for none.
        residual: None for a shortcut exactly where stride is 1 and widths agree; True for one in every case, see `Shortcut`.
        position: see `nas.elastic.Unit`.
        gate: the last function of the squeeze-and-excitation.
        convolution: the class of the depthwise convolution.
        zero_init: the last batch norm begins with weights of zero, so that a block with a shortcut begins as that alone.
        drop_depth: share of the network's blocks that come before this one. A trainer that drops residual branches at random
            drops this one with the share of its probability, where stride is 1 and widths agree; 0 for never.
    """

    def __init__(
        self,
        in_channels: Value,
        out_channels: Value,
        kernel_size: Value,
        expand: Value,
        stride: int = 1,
        activation: type[nn.Module] = nn.ReLU,
        squeeze: Value | None = None,
        residual: bool | None = None,
        norm: NormFigures = PLAIN_NORM,
        position: str = "",
        gate: type[nn.Module] = nn.Sigmoid,
        convolution: type[ElasticConv2d] = ElasticConv2d,
        zero_init: bool = False,
        drop_depth: float = 0.0,
    ) -> None:
        super().__init__()
        fits = stride == 1 and same(in_channels, out_channels)
        self.residual = fits if residual is None else residual
        self.shortcut = Shortcut(in_channels, out_channels, stride) if self.residual and not fits else nn.Identity()
        self.middle = middle = in_channels * expand
        plain = isinstance(expand, int) and expand == 1
        self.expand = nn.Identity() if plain else ConvNormAct(in_channels, middle, 1, 1, activation, norm)
        self.depthwise = ConvNormAct(middle, middle, kernel_size, stride, activation, norm, middle, convolution)
        self.squeeze = nn.Identity() if squeeze is None else ElasticSqueezeExcite(middle, squeeze, gate=gate)
        self.project = ConvNormAct(middle, out_channels, 1, 1, None, norm)
        if zero_init:
            nn.init.zeros_(self.project.norm.get_parameter("weight"))
        dropped = fits and self.residual and drop_depth > 0
        self.drop = DropPath(0.0, drop_depth, ramp=False) if dropped else nn.Identity()
        self.unit = Unit(
            "mbconv",
            {
                "kernel": kernel_size,
                "expand": expand,
                "stride": stride,
                "residual": int(self.residual),
                "squeeze": 0 if squeeze is None else squeeze,
                "act": activation.__name__.lower(),
            },
            position,
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        y = self.drop(self.project(self.squeeze(self.depthwise(self.expand(x)))))
        return y + self.shortcut(x) if self.residual else y  # type: ignore[no-any-return]

    def last_norms(self) -> Iterator[nn.Module]:
        """See `nas.elastic.residual`."""
        if self.residual:
            yield self.project.norm

    def channel_groups(self) -> Iterator[ChannelGroup]:
        """The middle channels."""
        yield from middle_channels(self.middle, self.project, self.expand, self.depthwise, self.squeeze)


class Classifier(nn.Module):
    """Mean over the map, dropout, linear."""

    def __init__(self, in_features: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(in_features, classes)
        self.unit = Unit("classifier")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, classes)."""
        return self.linear(self.dropout(self.flatten(self.pool(x))))  # type: ignore[no-any-return]


class ElasticClassifier(nn.Module):
    """Mean over the map, a linear layer without bias and an activation where there is a hidden width, dropout, linear."""

    def __init__(
        self,
        in_features: Value,
        classes: int,
        dropout: float,
        hidden: Value | None = None,
        activation: type[nn.Module] = nn.Hardswish,
    ) -> None:
        super().__init__()
        self.mix = nn.Identity() if hidden is None else ElasticLinear(in_features, hidden, bias=False)
        self.activation = nn.Identity() if hidden is None else activation()
        self.dropout = nn.Dropout(dropout)
        self.linear = ElasticLinear(in_features if hidden is None else hidden, classes)
        mixed: dict[str, Value | str] = {} if hidden is None else {"hidden": hidden, "act": activation.__name__.lower()}
        self.unit = Unit("classifier", mixed)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, classes)."""
        return self.linear(self.dropout(self.activation(self.mix(x.mean((2, 3))))))  # type: ignore[no-any-return]
