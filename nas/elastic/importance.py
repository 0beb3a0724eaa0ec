"""Putting the channels inside a block in the order of their importance, so that the first ones are those worth keeping.

The protocol for networks: a module that has channels whose order nobody outside it can see says so with a method
`channel_groups()`, which yields a `ChannelGroup` for each such set: where its channels lie in the parameters, and which
parameter tells what they are worth. Permuting all those parameters together leaves the full network's output as it is, while
every narrower sub-network gets better channels (Cai et al., Once-for-All, 2020, section 3.2).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from nas.choices import Expression, Value


@dataclass(frozen=True)
class Axis:
    """A dimension of a parameter along which channels lie.

    Attributes:
        parameter: the full parameter.
        dim: the dimension.
        unit: neighbouring entries that are one channel, such as the features of an attention head.
    """

    parameter: nn.Parameter
    dim: int = 0
    unit: int = 1

    @property
    def channels(self) -> int:
        """How many there are."""
        return self.parameter.shape[self.dim] // self.unit

    def importance(self) -> torch.Tensor:
        """(channels,): the sum of the absolute values of each channel's weights."""
        return self._split(self.parameter.detach()).abs().sum((1, 2))

    def permute(self, tensor: torch.Tensor, order: torch.Tensor) -> None:
        """Put the channels of a tensor of the parameter's shape in another order, in place."""
        tensor.copy_(self._split(tensor)[order].reshape(self._moved(tensor).shape).movedim(0, self.dim))

    def _moved(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.movedim(self.dim, 0)

    def _split(self, tensor: torch.Tensor) -> torch.Tensor:
        """(channels, unit, all the rest)."""
        return self._moved(tensor).reshape(self.channels, self.unit, -1)


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that may take any order, as long as all the parameters in which they lie take it.

    Attributes:
        width: how many of them an architecture uses, the first ones.
        judge: what reads them; its weights say what they are worth.
        others: the other places where they lie.
    """

    width: Value
    judge: Axis
    others: tuple[Axis, ...]


def axes_of(module: nn.Module, dim: int = 0, unit: int = 1) -> Iterator[Axis]:
    """What leaves a convolution, linear layer or norm (dim 0), or what enters a convolution or linear layer (dim 1).

    Biases lie along what leaves alone.
    """
    for parameter in module._parameters.values():
        if parameter is not None and (dim == 0 or parameter.ndim > dim):
            yield Axis(parameter, dim, unit)


def axis_of(module: nn.Module, dim: int, unit: int = 1) -> Axis:
    """The axis of a module's weight."""
    return Axis(module.get_parameter("weight"), dim, unit)


def channel_groups(network: nn.Module) -> list[ChannelGroup]:
    """All the groups of a network of which some architecture uses fewer channels than there are."""
    return [
        group
        for module in network.modules()
        if callable(declared := getattr(module, "channel_groups", None))
        for group in declared()
        if isinstance(group.width, Expression)
    ]


@torch.no_grad()
def sort_channels(
    network: nn.Module,
    kept: Callable[[Value], Iterable[int]] = lambda width: (),
    companions: Callable[[nn.Parameter], Sequence[torch.Tensor]] = lambda parameter: (),
) -> int:
    """Sort the channels of every group by importance, the most important first; what the full network computes stays.

    Args:
        kept: widths of a group, given its symbolic width, that smaller sub-networks were trained at already: channels beyond
            such a width stay behind those within, and only the order inside each part is new.
        companions: further tensors of a parameter's shape that belong to its entries, such as an optimiser's momentum.

    Returns:
        How many groups were sorted.
    """
    groups = channel_groups(network)
    for group in groups:
        order = _order(group.judge.importance(), kept(group.width))
        for axis in (group.judge, *group.others):
            for tensor in (axis.parameter, *companions(axis.parameter)):
                axis.permute(tensor, order)
    return len(groups)


def _order(importance: torch.Tensor, kept: Iterable[int]) -> torch.Tensor:
    """The channels by falling importance within each part; equal ones as they stood."""
    borders = sorted({0, *(width for width in kept if width < len(importance)), len(importance)})
    parts = [start + importance[start:end].argsort(descending=True, stable=True) for start, end in itertools.pairwise(borders)]
    return torch.cat(parts)
