"""How much of its input map a module needs for a part of its output map."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

Interval = tuple[int, int]
"""From the first row or column to the one after the last."""


@dataclass(frozen=True)
class Window:
    """A window that slides along one axis of a map; the default one sees a single place."""

    kernel: int = 1
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    def size(self, size: int) -> int:
        """The output's length for an input's."""
        return (size + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) // self.stride + 1

    def needs(self, part: Interval) -> Interval:
        """The part of the input that a part of the output is computed from; it may stick out into the padding."""
        start, stop = part
        first = start * self.stride - self.padding
        return first, first + (stop - start - 1) * self.stride + self.dilation * (self.kernel - 1) + 1


Windows = tuple[Window, Window]
"""Along the height and along the width."""

SINGLE: Windows = (Window(), Window())

POINTWISE_MODULES = (
    nn.BatchNorm2d,
    nn.CELU,
    nn.Dropout,
    nn.Dropout2d,
    nn.ELU,
    nn.GELU,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.Hardtanh,
    nn.Identity,
    nn.LeakyReLU,
    nn.Mish,
    nn.PReLU,
    nn.ReLU,
    nn.SELU,
    nn.Sigmoid,
    nn.SiLU,
    nn.Softplus,
    nn.Tanh,
)
"""Each place of the output depends on the same place of the input alone; ReLU6 is a Hardtanh."""

POINTWISE_FUNCTIONS: dict[Any, Any] = {
    **{name: name for name in (operator.add, operator.mul, operator.sub, torch.add, torch.mul, torch.sub)},
    **{name: name for name in (F.relu, F.relu6, F.hardswish, F.hardsigmoid, F.silu, F.gelu)},
    **{name: name for name in (torch.relu, torch.sigmoid, torch.tanh)},
    operator.iadd: operator.add,
    operator.imul: operator.mul,
    operator.isub: operator.sub,
}
"""Functions of one or two maps, place by place, with the form of each that leaves its operands as they are."""

POINTWISE_METHODS = frozenset({"add", "clone", "contiguous", "mul", "relu", "sigmoid", "sub", "tanh"})


def windows_of(node: fx.Node, module: nn.Module | None) -> Windows | None:
    """What a node of an extracted network sees; None where a part of its output is not computed from a part of its input.

    Args:
        module: of a node that calls one.
    """
    if node.op == "call_function" and node.target in (torch.cat, torch.concat):
        axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
        return SINGLE if axis in (1, -3) else None
    if node.op == "call_function":
        return SINGLE if node.target in POINTWISE_FUNCTIONS and not node.kwargs.get("inplace") else None
    if node.op == "call_method":
        return SINGLE if node.target in POINTWISE_METHODS else None
    if isinstance(module, POINTWISE_MODULES):
        return SINGLE
    if isinstance(module, nn.Conv2d) and module.padding_mode == "zeros":
        return _slide(module.kernel_size, module.stride, _padding(module), module.dilation)
    if isinstance(module, nn.MaxPool2d) and not module.ceil_mode and not module.return_indices:
        return _slide(module.kernel_size, module.stride, module.padding, module.dilation)
    if (
        isinstance(module, nn.AvgPool2d)
        and not module.ceil_mode
        and (module.count_include_pad or module.padding in (0, (0, 0)))
    ):
        return _slide(module.kernel_size, module.stride, module.padding, 1)
    return None


def border(module: nn.Module) -> float:
    """What a module that slides reads where its window sticks out."""
    return -torch.inf if isinstance(module, nn.MaxPool2d) else 0.0


def _slide(kernel: Any, stride: Any, padding: Any, dilation: Any) -> Windows | None:
    """None where the padding differs between the two ends of an axis, or holds whole windows."""
    if padding is None:
        return None
    figures = [(value, value) if isinstance(value, int) else tuple(value) for value in (kernel, stride, padding, dilation)]
    windows = Window(*(value[0] for value in figures)), Window(*(value[1] for value in figures))
    return windows if all(window.padding <= window.dilation * (window.kernel - 1) for window in windows) else None


def _padding(module: nn.Conv2d) -> tuple[int, ...] | None:
    if module.padding == "valid":
        return (0, 0)
    if module.padding == "same":
        whole = [step * (side - 1) for step, side in zip(module.dilation, module.kernel_size, strict=True)]
        return tuple(size // 2 for size in whole) if not any(size % 2 for size in whole) else None
    assert not isinstance(module.padding, str)
    return module.padding
