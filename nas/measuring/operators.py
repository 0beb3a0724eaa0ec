"""An operator of a network by itself, for those that no module stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from nas.base.errors import NasError

Shape = tuple[int, ...]


class Bare(nn.Module):
    """A function of tensors as a module.

    Attributes:
        shapes: of its inputs, without the batch.
    """

    def __init__(self, function: Callable[..., torch.Tensor], *shapes: Shape) -> None:
        super().__init__()
        self.function = function
        self.shapes = shapes

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The function's value."""
        return self.function(*inputs)


def bare_operator(kind: str, first: Shape, output: Shape, attributes: Mapping[str, Any]) -> Bare:
    """The operator of a kind, on an input of the first shape, with others that make the output's shape; without the batch.

    Raises:
        NasError: a kind that cannot be run by itself.
    """
    make = _MAKERS.get(kind)
    made = None if make is None else make(first, output, attributes)
    if made is None:
        raise NasError(
            f"an operator '{kind}' of {_show(first)} -> {_show(output)} cannot be measured by itself; give the module that "
            "runs it a `unit` (nas.elastic.Unit), so that it is measured as a whole"
        )
    return made


def _elementwise(first: Shape, output: Shape, attributes: Mapping[str, Any]) -> Bare:
    return Bare(torch.add, first, output)


def _activation(first: Shape, output: Shape, attributes: Mapping[str, Any]) -> Bare:
    return Bare(torch.relu, first)


def _concatenation(first: Shape, output: Shape, attributes: Mapping[str, Any]) -> Bare | None:
    differ = [axis for axis, (a, b) in enumerate(zip(first, output, strict=False)) if a != b]
    if len(first) != len(output) or len(differ) != 1:
        return None
    axis = differ[0]
    rest = (*first[:axis], output[axis] - first[axis], *first[axis + 1 :])
    return Bare(lambda a, b: torch.cat((a, b), axis + 1), first, rest)


def _pool(first: Shape, output: Shape, attributes: Mapping[str, Any]) -> Bare | None:
    if "kernel" in attributes:
        kernel, stride = int(attributes["kernel"]), int(attributes["stride"])
        side = -(-(first[-1] - kernel) // stride) + 1
        padding = 0 if side == output[-1] else kernel // 2
        pool = F.max_pool2d if "max" in attributes else F.avg_pool2d
        return Bare(lambda x: pool(x, kernel, stride, padding), first)
    kept = list(output)
    axes = []
    for axis, size in enumerate(first):
        if kept and kept[0] == size:
            kept.pop(0)
        else:
            axes.append(axis + 1)
    if kept == [1] * len(axes):
        return Bare(lambda x: x.mean(axes, keepdim=True), first)
    return None if kept else Bare(lambda x: x.mean(axes), first)


def _pad(first: Shape, output: Shape, attributes: Mapping[str, Any]) -> Bare:
    widths = [width for a, b in reversed(list(zip(first, output, strict=True))) for width in (0, b - a)]
    return Bare(lambda x: F.pad(x, widths), first)


def _resize(first: Shape, output: Shape, attributes: Mapping[str, Any]) -> Bare:
    return Bare(lambda x: F.interpolate(x, output[-2:], mode="bilinear", align_corners=False), first)


def _matmul(first: Shape, output: Shape, attributes: Mapping[str, Any]) -> Bare:
    return Bare(torch.matmul, first, (*first[:-2], int(attributes["inner"]), output[-1]))


def _attention(first: Shape, output: Shape, attributes: Mapping[str, Any]) -> Bare:
    return Bare(F.scaled_dot_product_attention, first, first, (*first[:-1], output[-1]))


def _copy(first: Shape, output: Shape, attributes: Mapping[str, Any]) -> Bare | None:
    return Bare(lambda x: x.roll(1, -1), first) if first == output else None


_MAKERS: Mapping[str, Callable[[Shape, Shape, Mapping[str, Any]], Bare | None]] = {
    "activation": _activation,
    "attention": _attention,
    "concatenation": _concatenation,
    "copy": _copy,
    "elementwise": _elementwise,
    "matmul": _matmul,
    "pad": _pad,
    "pool": _pool,
    "resize": _resize,
}


def _show(shape: Shape) -> str:
    return "x".join(map(str, shape))
