"""Relaxed cells, computed with what the operators of a cell have in common.

The same sums as `nas.supernet.mixture.WeightedSum` makes, in another order: `none` is left out; the ReLU, the pools and their
norms of a state are computed once for all edges that leave it; operators without weights are added up for all those edges
by one product of matrices; the weight of an operator is the scale of its last norm. See `search_spaces.cells.kernels` for the
rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from nas.elastic.norm import jointly_normed
from search_spaces.cells.kernels import depthwise, even, pointwise
from search_spaces.cells.operators import FactorisedReduction, ReluConvNorm, moved

Weights = Sequence[Sequence[torch.Tensor]]
"""For each node and each state that it reads the weights of the operators, (O,)."""


class CellMixture(AbstractContextManager[None]):
    """Inside, each cell computes a mixture of all its operators.

    Args:
        cells: modules with an attribute `policy`, each with the weights of its edges and how it computes its mixture.
    """

    def __init__(self, cells: Sequence[tuple[Any, Weights]], compute: Callable[..., torch.Tensor]) -> None:
        self.cells = cells
        self.compute = compute

    def __enter__(self) -> None:
        for cell, weights in self.cells:
            cell.policy = _Policy(self.compute, weights)

    def __exit__(self, *_: object) -> None:
        for cell, _weights in self.cells:
            cell.policy = None


class _Policy:
    """What a cell does instead of its own forward."""

    def __init__(self, compute: Callable[..., torch.Tensor], weights: Weights) -> None:
        self.compute = compute
        self.weights = weights

    def __call__(self, cell: nn.Module, *states: torch.Tensor) -> torch.Tensor:
        dense = [state.contiguous(memory_format=torch.channels_last) for state in states]
        return self.compute(cell, self.weights, *dense)


class Activated:
    """A state after its ReLU, and what is read of it at stride 2, each made once.

    Attributes:
        map: (N, C, H, W).
    """

    def __init__(self, activated: torch.Tensor) -> None:
        self.map = activated
        self._even: torch.Tensor | None = None
        self._odd: torch.Tensor | None = None

    @property
    def even(self) -> torch.Tensor:
        """Rows and columns 0, 2, 4, ..."""
        if self._even is None:
            self._even = even(self.map)
        return self._even

    def odd(self, sticks_out: bool) -> torch.Tensor:
        """Rows and columns 1, 3, 5, ..., see `moved`."""
        if self._odd is None:
            self._odd = even(moved(self.map, sticks_out))
        return self._odd


def normed(norm: nn.Module, x: torch.Tensor, factor: torch.Tensor | None = None) -> torch.Tensor:
    """The batch norm of x, times a factor, which its scale takes up.

    Args:
        norm: an `ElasticBatchNorm2d`, or a `RelaxedNorm` as if it were in force.
    """
    weight, bias = norm._parameters.get("weight"), norm._parameters.get("bias")
    eps: Any = norm.eps
    if factor is not None:
        # Written out: torch's backward pass reads the memory of a scale without looking at its strides.
        weight = factor.expand(x.shape[1]).contiguous() if weight is None else weight * factor  # type: ignore[assignment]
        bias = None if bias is None else bias * factor  # type: ignore[assignment]
    joint: Any = norm.joint
    if joint is not None:
        return jointly_normed(x, joint, weight, bias, eps)
    return F.batch_norm(x, None, None, weight, bias, True, 0.0, eps)


def convolved(operator: nn.Module, x: Activated, factor: torch.Tensor | None = None) -> torch.Tensor:
    """What an operator with weights makes of a state, times a factor."""
    if isinstance(operator, FactorisedReduction):
        halves = [pointwise(x.even, operator.first.weight), pointwise(x.odd(operator.odd), operator.second.weight)]
        return normed(operator.norm, torch.cat(halves, 1), factor)
    sequence: Any = operator if isinstance(operator, nn.Sequential) else [operator]
    *others, last = sequence
    for module in others:
        x = Activated(normed(module.norm, linear_part(module, x)).relu_())
    return normed(last.norm, linear_part(last, x), factor)


def linear_part(module: ReluConvNorm, x: Activated) -> torch.Tensor:
    """What the convolutions between ReLU and norm make of a state."""
    conv: Any = module.conv
    if module.then is None:
        return pointwise(x.map, conv.weight) if conv.kernel_size == (1, 1) else conv(x.map)
    stride, dilation = conv.stride[0], conv.dilation[0]
    if stride == 1:
        filtered = depthwise(x.map, conv.weight, dilation)
    elif dilation == 2:
        filtered = depthwise(x.even, conv.weight, 1)
    else:
        filtered = conv(x.map)
    return pointwise(filtered, module.then.weight)  # type: ignore[arg-type]
