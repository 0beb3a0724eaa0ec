"""Convolution with elastic width, kernel and groups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nas.base.errors import NasError
from nas.choices import Value, bounds, evaluate, free_choices
from nas.choices.expression import assignments
from nas.elastic.layer import Cut, Dimension, ElasticLayer, Setting, blank
from nas.elastic.shapes import conv2d
from nas.elastic.symbolic import SymbolicTensor


class ElasticConv2d(ElasticLayer):
    """A 2-d convolution whose channels, kernel and groups may be symbolic.

    Narrower settings use the first channels, smaller kernels the centre of the largest. Padding keeps the map's size at
    stride 1 ("same"), so kernels are odd. For a depthwise convolution pass `groups=out_channels`.

    Args:
        in_channels, out_channels: may be symbolic.
        kernel_size: odd, may be symbolic.
        groups: may be symbolic; divides both widths in every architecture.
    """

    dimensions: ClassVar[Mapping[str, Dimension]] = {"kernel_size": "kernel"}

    channel_axis = 1

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(
        self,
        in_channels: Value,
        out_channels: Value,
        kernel_size: Value = 1,
        stride: int = 1,
        groups: Value = 1,
        dilation: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.stride, self.dilation = stride, dilation
        table = assignments(free_choices(in_channels, out_channels, kernel_size, groups))
        widest_in, widest_out, kernels, group_counts = (
            np.asarray(evaluate(value, table)) for value in (in_channels, out_channels, kernel_size, groups)
        )
        if (kernels % 2 == 0).any():
            raise NasError(f"an elastic convolution needs odd kernels; given {kernel_size!r}")
        if (widest_in % group_counts).any() or (widest_out % group_counts).any():
            raise NasError(f"groups {groups!r} do not divide the widths {in_channels!r} and {out_channels!r} everywhere")
        per_group = int((widest_in // group_counts).max())
        self.kernel = int(kernels.max())
        self.weight = nn.Parameter(torch.empty(int(widest_out.max()), per_group, self.kernel, self.kernel))
        self.register_parameter("bias", nn.Parameter(torch.empty(int(widest_out.max()))) if bias else None)
        self.reset_parameters(int(group_counts.max()))
        self.declare(in_channels=in_channels, out_channels=out_channels, kernel_size=kernel_size, groups=groups)

    def reset_parameters(self, groups: int) -> None:
        """He initialisation by fan-out of one group (He et al. 2015), as EfficientNet's code does; zero bias."""
        fan_out = self.weight.shape[0] * self.kernel**2 / groups
        nn.init.normal_(self.weight, std=math.sqrt(2.0 / fan_out))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def cuts(self, setting: Setting) -> dict[str, Cut]:
        """The first channels and the centre of the kernel."""
        in_channels, out_channels, kernel, groups = setting
        start = (self.kernel - kernel) // 2
        window = slice(start, start + kernel)
        out = slice(0, out_channels)
        return {"weight": (out, slice(0, in_channels // groups), window, window), "bias": (out,)}

    def for_all(self, settings: Sequence[Setting], largest: Setting) -> Setting | None:
        """The largest widths, where kernels agree and the convolutions are all dense or all depthwise."""
        kernel = settings[0][2]
        dense = all(groups == 1 for *_, groups in settings)
        depthwise = all(before == after == groups for before, after, _, groups in settings)
        if not (dense or depthwise) or any(setting[2] != kernel for setting in settings):
            return None
        return (*largest[:2], kernel, 1 if dense else largest[0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        if isinstance(x, SymbolicTensor):
            return self._walk(x)
        if self._slots is not None:
            return self.batched(self._slots, x)  # type: ignore[no-any-return]
        weight, bias = self.parts()
        _, _, kernel, groups = self.chosen()
        padding = self.dilation * (kernel - 1) // 2
        return F.conv2d(x, weight, bias, self.stride, padding, self.dilation, groups)  # type: ignore[arg-type]

    def _walk(self, x: SymbolicTensor) -> SymbolicTensor:
        in_channels, out_channels, kernel, groups = self.settings.values()
        parameters = out_channels * (in_channels // groups) * kernel * kernel
        if self.bias is not None:
            parameters = parameters + out_channels
        return conv2d(
            x,
            out_channels,
            (kernel, kernel),
            (self.stride, self.stride),
            None,
            (self.dilation, self.dilation),
            groups,
            in_channels,
            parameters,
        )

    def static(self) -> nn.Module:
        """A torch.nn.Conv2d."""
        in_channels, out_channels, kernel, groups = self.chosen()
        twin = blank(
            nn.Conv2d,
            in_channels,
            out_channels,
            kernel,
            self.stride,
            self.dilation * (kernel - 1) // 2,
            self.dilation,
            groups,
            self.bias is not None,
        )
        return self.copy_into(twin)

    def extra_repr(self) -> str:
        """The settings, symbolic where they are."""
        shown = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return f"{shown}, stride={self.stride}, max_width={bounds(self.settings['out_channels'])[1]}"
