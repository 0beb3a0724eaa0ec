"""Operators and residual branches left out at random while it is trained.

The protocol for trainers: before each step they call `set_progress(fraction)`, with the share of training that is done, of
every module that has such a method (`scheduled`). A network whose progress was never set drops nothing.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import nn

from nas.elastic.symbolic import SymbolicTensor


@runtime_checkable
class Scheduled(Protocol):
    """A module that changes with the progress of training."""

    def set_progress(self, fraction: float) -> None:
        """Take up the share of training that is done, from 0 to 1."""


class DropPath(nn.Module):
    """Zeroes a whole operator's output, example by example, and scales what is kept; the identity in evaluation.

    The probability grows from 0 with the progress of training. With depth 1 everywhere this is the drop path of DARTS (Liu
    et al. 2019); with `depth` the share of the network's cells up to this one it is ScheduledDropPath (Zoph et al. 2018) in
    the version with both ramps: the probability is progress * depth * final.

    Without the ramp of training the probability is depth * final throughout: stochastic depth (Huang et al. 2016), which
    mobile networks know as drop connect.

    Args:
        final: probability at the end of training, in a place of depth 1.
        depth: (index of the cell + 1) / number of cells.
        ramp: whether the probability grows with training.
    """

    def __init__(self, final: float, depth: float = 1.0, ramp: bool = True) -> None:
        super().__init__()
        self.final = final
        self.depth = depth
        self.ramp = ramp
        self.probability = 0.0

    def set_progress(self, fraction: float) -> None:
        """The share of training that is done, 0 to 1; what lies outside counts as the nearer end."""
        share = min(max(fraction, 0.0), 1.0) if self.ramp else 1.0
        self.probability = share * self.depth * self.final

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, ...) -> the same shape."""
        if isinstance(x, SymbolicTensor) or not self.training or self.probability == 0.0:
            return x
        keep = 1.0 - self.probability
        return x * x.new_empty(len(x), *[1] * (x.dim() - 1)).bernoulli_(keep).div_(keep)

    def extra_repr(self) -> str:
        """The schedule's figures."""
        return f"final={self.final:g}, depth={self.depth:g}" + ("" if self.ramp else ", ramp=False")


def scheduled(network: nn.Module) -> list[Scheduled]:
    """The modules of a network that are to be told how much of training is done."""
    return [module for module in network.modules() if isinstance(module, Scheduled)]


def with_drop_path(operator: nn.Module, final: float, depth: float = 1.0) -> nn.Module:
    """An operator and its drop path; identities are never dropped, and nothing is added where the probability is 0."""
    if final == 0.0 or isinstance(operator, nn.Identity):
        return operator
    return nn.Sequential(operator, DropPath(final, depth))
