"""A batch as one view for each of its slots, and back: see `nas.elastic.batched`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


def _parts(x: torch.Tensor, axis: int, counts: Sequence[int], widths: Sequence[int]) -> list[torch.Tensor]:
    """Each slot's examples with its first channels, as views."""
    return [part.narrow(axis, 0, width) for part, width in zip(x.split(list(counts)), widths, strict=True)]


def _fill(
    x: torch.Tensor, axis: int, pieces: Sequence[torch.Tensor | None], widths: Sequence[int], counts: Sequence[int]
) -> None:
    """Write the pieces into the slots' first channels, zeros beyond."""
    for part, piece, width in zip(x.split(list(counts)), pieces, widths, strict=True):
        if piece is None:
            part.zero_()
            continue
        part.narrow(axis, 0, width).copy_(piece)
        if width < part.shape[axis]:
            part.narrow(axis, width, part.shape[axis] - width).zero_()


class Narrow(torch.autograd.Function):
    """A batch into views of each slot's channels in use; backwards one copy, where slicing would zero-fill once a slot."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, axis: int, counts: tuple[int, ...], widths: tuple[int, ...]
    ) -> tuple[torch.Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.cut = axis, counts, widths
        ctx.layout = torch.empty_like(x, device="meta"), x.device
        return tuple(_parts(x, axis, counts, widths))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> tuple[torch.Tensor | None, None, None, None]:
        axis, counts, widths = ctx.cut
        layout, device = ctx.layout
        whole = torch.empty_like(layout, device=device)
        _fill(whole, axis, gradients, widths, counts)
        return whole, None, None, None


class Widen(torch.autograd.Function):
    """Slots of different widths into one batch of the full width, with zeros; backwards views of the channels in use."""

    @staticmethod
    def forward(ctx: Any, axis: int, full: int, *pieces: torch.Tensor) -> torch.Tensor:
        counts, widths = [len(piece) for piece in pieces], [piece.shape[axis] for piece in pieces]
        shape = list(pieces[0].shape)
        shape[0], shape[axis] = sum(counts), full
        flat = pieces[0].dim() == 4 and axis == 1 and pieces[0].is_contiguous(memory_format=torch.channels_last)
        whole = pieces[0].new_empty(shape)
        whole = whole.contiguous(memory_format=torch.channels_last) if flat else whole
        _fill(whole, axis, pieces, widths, counts)
        ctx.cut = axis, counts, widths
        return whole

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return None, None, *_parts(gradient, *ctx.cut)
