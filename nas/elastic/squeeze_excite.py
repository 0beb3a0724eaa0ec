"""Squeeze-and-excitation with elastic width (Hu et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from nas.choices import Value
from nas.elastic.importance import Axis, ChannelGroup, axes_of, axis_of
from nas.elastic.linear import ElasticLinear


class ElasticSqueezeExcite(nn.Module):
    """Channels weighed by a small network on their means.

    The two 1 x 1 convolutions on a 1 x 1 map are linear layers: the same numbers, several times faster on a CPU.

    Args:
        channels, hidden: may be symbolic.
        activation, gate: called to make the modules after the first and the second layer.
    """

    def __init__(
        self,
        channels: Value,
        hidden: Value,
        activation: type[nn.Module] = nn.ReLU,
        gate: type[nn.Module] = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.reduce = ElasticLinear(channels, hidden)
        self.activation = activation()
        self.expand = ElasticLinear(hidden, channels)
        self.gate = gate()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> the same shape."""
        weights = self.gate(self.expand(self.activation(self.reduce(x.mean((2, 3))))))
        return x * weights.unsqueeze(-1).unsqueeze(-1)  # type: ignore[no-any-return]

    def channel_groups(self) -> Iterator[ChannelGroup]:
        """The hidden channels, see `nas.elastic.importance`."""
        yield ChannelGroup(self.hidden, axis_of(self.expand, 1), tuple(axes_of(self.reduce)))

    def channel_axes(self) -> Iterator[Axis]:
        """Where the channels that it weighs lie in its parameters."""
        yield axis_of(self.reduce, 1)
        yield from axes_of(self.expand)
