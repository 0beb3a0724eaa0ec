"""Batch-norm statistics of the batch of all processes that train together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from nas.elastic import ElasticBatchNorm2d, RelaxedNorm
from nas.training.parallel.ranks import Ranks


class JointStatistics:
    """Mean and variance over equal parts of a batch, one in each process, from the parts' own; gradients reach all parts.

    One small reduction in the forward and one in the backward pass of every norm. Exact: variance = mean of the parts'
    variances + variance of the parts' means.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks

    def __call__(self, mean: torch.Tensor, variance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(C,) each, of this process's part -> (C,) each, of the whole batch."""
        mine = torch.zeros((self._ranks.size, 1, 1), dtype=mean.dtype, device=mean.device)
        mine[self._ranks.rank] = 1.0
        means, variances = _Sum.apply(mine * torch.stack([mean, variance])).unbind(1)
        joint = means.mean(0)
        return joint, (variances + (means - joint).square()).mean(0)


@contextlib.contextmanager
def joined(network: nn.Module, ranks: Ranks) -> Iterator[None]:
    """Inside, the network's batch norms use the statistics of all processes' images while they train."""
    norms = [module for module in network.modules() if isinstance(module, ElasticBatchNorm2d | RelaxedNorm)]
    for norm in norms:
        norm.joint = JointStatistics(ranks)
    try:
        yield
    finally:
        for norm in norms:
            norm.joint = None


class _Sum(torch.autograd.Function):
    """Sum over the processes, forwards and, for the gradient of the sum of their losses, backwards."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        return _Sum.apply(gradients[0])
