"""Patch embedding with elastic width."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from nas.choices import Value, bounds
from nas.elastic.layer import Cut, ElasticLayer, Setting, blank
from nas.elastic.shapes import conv2d
from nas.elastic.symbolic import SymbolicTensor


class ElasticPatchEmbedding(ElasticLayer):
    """A linear layer on each patch of a map: a convolution without padding whose kernel is its stride.

    Rows and columns that do not fill a patch are left out.

    Args:
        in_channels, out_channels: may be symbolic; narrower settings use the first ones.
        patch: side of a patch.
    """

    channel_axis = 1

    def __init__(self, in_channels: Value, out_channels: Value, patch: int, bias: bool = True) -> None:
        super().__init__()
        self.patch = patch
        widest_in, widest_out = bounds(in_channels)[1], bounds(out_channels)[1]
        self.weight = nn.Parameter(torch.empty(widest_out, widest_in, patch, patch))
        self.register_parameter("bias", nn.Parameter(torch.empty(widest_out)) if bias else None)
        self.reset_parameters()
        self.declare(in_channels=in_channels, out_channels=out_channels)

    def reset_parameters(self) -> None:
        """Weights of variance 1 / fan-in, as of the linear layer that it is (LeCun et al. 1998); zero bias."""
        nn.init.normal_(self.weight, std=1 / math.sqrt(self.weight[0].numel()))
        bias = self._parameters["bias"]
        if bias is not None:
            nn.init.zeros_(bias)

    def cuts(self, setting: Setting) -> dict[str, Cut]:
        """The first channels."""
        in_channels, out_channels = setting
        out = slice(0, out_channels)
        return {"weight": (out, slice(0, in_channels)), "bias": (out,)}

    def for_all(self, settings: Sequence[Setting], largest: Setting) -> Setting | None:
        """The largest."""
        return largest

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H // patch, W // patch)."""
        if isinstance(x, SymbolicTensor):
            return self._walk(x)
        if self._slots is not None:
            return self.batched(self._slots, x)  # type: ignore[no-any-return]
        weight, bias = self.parts()
        return F.conv2d(x, weight, bias, self.patch)  # type: ignore[arg-type]

    def _walk(self, x: SymbolicTensor) -> SymbolicTensor:
        in_channels, out_channels = self.settings.values()
        parameters = out_channels * in_channels * self.patch**2
        if self._parameters["bias"] is not None:
            parameters = parameters + out_channels
        kernel = (self.patch, self.patch)
        return conv2d(x, out_channels, kernel, kernel, (0, 0), (1, 1), 1, in_channels, parameters)

    def static(self) -> nn.Module:
        """A torch.nn.Conv2d."""
        in_channels, out_channels = self.chosen()
        bias = self._parameters["bias"] is not None
        return self.copy_into(blank(nn.Conv2d, in_channels, out_channels, self.patch, self.patch, 0, 1, 1, bias))
