"""Ways to compute the pieces of a relaxed cell that are the same in mathematics and faster on a processor.

A network whose edges weigh all their operators spends its time in depthwise convolutions, above all in their gradients, and
in moving maps. On a GPU, and in reduced precision, torch's own operators are used. Maps (N, C, H, W) are channels-last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

PRODUCT_SIDE = 16
"""Up to this width of a map the weight gradient of a 5 x 5 depthwise kernel is faster as products of matrices."""


def pointwise(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """A 1 x 1 convolution (C', C, 1, 1) as a linear map of every pixel."""
    return F.linear(x.permute(0, 2, 3, 1), weight.flatten(1)).permute(0, 3, 1, 2)


def depthwise(x: torch.Tensor, weight: torch.Tensor, dilation: int) -> torch.Tensor:
    """A depthwise convolution of stride 1 that keeps the map's side; kernels (C, 1, k, k)."""
    if plain(x):
        return F.conv2d(x, weight, None, 1, dilation * (weight.shape[-1] // 2), dilation, len(weight))
    found: torch.Tensor = _Depthwise.apply(x, weight, dilation)
    return found


def even(x: torch.Tensor) -> torch.Tensor:
    """Rows and columns 0, 2, 4, ...: what a kernel with stride 2 and dilation 2, or with stride 2 and side 1, looks at."""
    return x[:, :, ::2, ::2].contiguous(memory_format=torch.channels_last)


def mixed(terms: Sequence[torch.Tensor], weights: torch.Tensor) -> Sequence[torch.Tensor]:
    """Sums of the same terms with several sets of weights.

    Args:
        terms: T maps of one shape.
        weights: (S, T).

    Returns:
        S maps that share no memory.
    """
    if plain(terms[0]):
        return [
            sum((term * weight for term, weight in zip(terms[1:], row[1:], strict=True)), terms[0] * row[0]) for row in weights
        ]
    found: tuple[torch.Tensor, ...] = _Mixed.apply(weights, *terms)
    return found


def joined(states: Sequence[torch.Tensor]) -> torch.Tensor:
    """Maps one after the other along the channels; each is given a dense gradient."""
    if plain(states[0]):
        return torch.cat(list(states), 1)
    found: torch.Tensor = _Joined.apply(*states)
    return found


def plain(x: torch.Tensor) -> bool:
    """Whether torch's own operators are to be used."""
    return x.device.type != "cpu" or torch.is_autocast_enabled(x.device.type)


class _Depthwise(torch.autograd.Function):
    """The gradient of the input is the same convolution with the kernel turned around, which torch's own way takes up to 30
    times as long for where there is dilation."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, dilation: int) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dilation = dilation
        return F.conv2d(x, weight, None, 1, dilation * (weight.shape[-1] // 2), dilation, len(weight))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        x, weight = ctx.saved_tensors
        side, dilation = weight.shape[-1], ctx.dilation
        padding = dilation * (side // 2)
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            of_x = F.conv2d(gradient, weight.flip(2, 3), None, 1, padding, dilation, len(weight))
        if ctx.needs_input_grad[1] and side > 3 and (dilation > 1 or x.shape[-1] <= PRODUCT_SIDE):
            of_weight = depthwise_gradient(x, gradient, side, dilation)
        elif ctx.needs_input_grad[1]:
            two = [1, 1]
            pads, dilations = [padding, padding], [dilation, dilation]
            of_weight = torch.ops.aten.convolution_backward(
                gradient, x, weight, None, two, pads, dilations, False, [0, 0], len(weight), [False, True, False]
            )[1]
        return of_x, of_weight, None


def depthwise_gradient(x: torch.Tensor, gradient: torch.Tensor, side: int, dilation: int) -> torch.Tensor:
    """The weight gradient (C, 1, k, k) of a depthwise convolution that keeps the map's side.

    For each channel and each row of the kernel, the columns of the gradient times the columns of the input, moved by that
    row, are one product of matrices; an entry of the kernel is the sum along one of its diagonals.
    """
    images, channels, height, width = x.shape
    padding = dilation * (side // 2)
    wide = width + 2 * padding
    rows = x.new_zeros(channels, height + 2 * padding, images, wide)
    rows[:, padding : padding + height, :, padding : padding + width] = x.permute(1, 2, 0, 3)
    rows = rows.view(channels, -1, wide)
    columns = gradient.permute(1, 3, 2, 0).reshape(channels, width, height * images)
    found = x.new_empty(channels, 1, side, side)
    for row in range(side):
        start = row * dilation * images
        products = torch.bmm(columns, rows[:, start : start + height * images])
        diagonals = products.as_strided((channels, width, side), (width * wide, wide + 1, dilation))
        torch.sum(diagonals, 1, out=found[:, 0, row])
    return found


class _Mixed(torch.autograd.Function):
    """One small product of matrices forth and two back, instead of a multiplication and an addition for each pair."""

    @staticmethod
    def forward(ctx: Any, weights: torch.Tensor, *terms: torch.Tensor) -> tuple[torch.Tensor, ...]:
        dense = torch.stack([term.permute(0, 2, 3, 1) for term in terms])
        ctx.save_for_backward(weights, dense)
        sums = tuple(torch.empty_like(terms[0], memory_format=torch.channels_last) for _ in weights)
        for row, total in zip(weights, sums, strict=True):
            # Written in place: a sum must not be a view, since others are added to it.
            torch.mv(dense.view(len(terms), -1).t(), row, out=total.permute(0, 2, 3, 1).view(-1))
        return sums

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        weights, dense = ctx.saved_tensors
        flat = torch.stack([gradient.permute(0, 2, 3, 1) for gradient in gradients]).view(len(gradients), -1)
        of_weights = flat @ dense.view(len(dense), -1).t() if ctx.needs_input_grad[0] else None
        of_terms = (weights.t() @ flat).view(dense.shape).permute(0, 1, 4, 2, 3)
        return of_weights, *of_terms


class _Joined(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *states: torch.Tensor) -> torch.Tensor:
        ctx.widths = [state.shape[1] for state in states]
        return torch.cat(states, 1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(part.contiguous(memory_format=torch.channels_last) for part in gradient.split(ctx.widths, 1))
