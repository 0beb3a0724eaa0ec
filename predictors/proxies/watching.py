"""Seeing the operators that a network runs, whether they are modules, functions or methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten

RECTIFIERS = {aten.relu, aten.relu_, aten.leaky_relu, aten.leaky_relu_, aten._prelu_kernel, aten.hardtanh, aten.hardtanh_}
"""Piecewise linear functions with a kink at 0; `hardtanh` is one where its lower end is 0, as in ReLU6."""

SOFTMAXES = {aten._softmax, aten._safe_softmax}


class Operators(TorchDispatchMode):
    """A mode that sees every operator of torch, and does not import the compiler for it, which would take seconds."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


class Watch(Operators):
    """Inside, three kinds of operators are told of, each where a function is given for it.

    Args:
        rectified: gets what arrives at a ReLU, leaky ReLU, PReLU or ReLU6, before it is changed.
        softmax: gets what leaves a softmax.
        pooled: gets the maps (N, C, H, W) of which the mean over all positions is taken.
    """

    def __init__(
        self,
        rectified: Callable[[torch.Tensor], None] | None = None,
        softmax: Callable[[torch.Tensor], None] | None = None,
        pooled: Callable[[torch.Tensor], None] | None = None,
    ) -> None:
        super().__init__()
        self.rectified, self.softmax, self.pooled = rectified, softmax, pooled

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Run one operator."""
        kwargs = kwargs or {}
        operator = func.overloadpacket
        if self.rectified is not None and operator in RECTIFIERS and not _two_sided(operator, args):
            self.rectified(args[0])
        elif self.pooled is not None and _is_global_mean(operator, args):
            self.pooled(args[0])
        output = func(*args, **kwargs)
        if self.softmax is not None and operator in SOFTMAXES:
            self.softmax(output)
        return output


def _two_sided(operator: Any, args: tuple[Any, ...]) -> bool:
    """Whether this is the hard tanh, which is linear about 0."""
    lower = args[1] if len(args) > 1 else -1
    return operator in (aten.hardtanh, aten.hardtanh_) and lower != 0


def _is_global_mean(operator: Any, args: tuple[Any, ...]) -> bool:
    """Adaptive pooling to 1 x 1 is a mean over two dimensions for torch; ordinary pooling may span the map, too."""
    if operator is aten.mean and len(args) > 1 and args[0].ndim == 4:
        return {dimension % 4 for dimension in args[1]} == {2, 3}
    if operator is aten.avg_pool2d:
        return tuple(args[0].shape[2:]) == (args[1] * 2 if len(args[1]) == 1 else tuple(args[1]))
    return operator is aten._adaptive_avg_pool2d and set(args[1]) == {1}
