"""Attention within windows of a map (Liu et al., Swin Transformer, 2021), with windows that may be searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import torch
from torch import nn

from nas.choices import Value
from nas.elastic import (
    Axis,
    ChannelGroup,
    Configurable,
    Dimension,
    ElasticAttention,
    ElasticParameter,
    Optional,
    Slots,
    SymbolicTensor,
)
from nas.elastic.layer import Cut, Setting
from search_spaces.vit.choosing import Chosen


def window_side(window: int, side: int, paper_side: int) -> int:
    """The window for a map whose side differs from the paper's: never larger than the map, which it divides.

    It keeps the paper's share of the map, rounded up to the next divisor: 7 of 56 is 2 of 16 and 12 of 96.
    """
    share = -(-window * side // paper_side)
    return next((candidate for candidate in range(share, side) if side % candidate == 0), side)


def shift_of(window: int, side: int) -> int:
    """How far the map is rolled in every second block: half a window, but not at all where one window is the map."""
    return window // 2 if window < side else 0


class CentredTable(ElasticParameter):
    """Scores by head, row offset and column offset; smaller windows use the centre of the table, where offsets agree."""

    dimensions: ClassVar[Mapping[str, Dimension]] = {"size1": "kernel", "size2": "kernel"}

    def __init__(self, heads: Value, span: Value) -> None:
        super().__init__(heads, span, span)

    def cuts(self, setting: Setting) -> dict[str, Cut]:
        """The first heads and the smallest offsets."""
        heads, span, _ = setting
        start = (self.full.shape[1] - span) // 2
        return {"full": (slice(0, heads), slice(start, start + span), slice(start, start + span))}


class WindowBias(Configurable):
    """What is added to the scores of attention within windows, L = window * window positions each.

    A learned score for each offset; in a rolled map also minus infinity between positions that are no neighbours.
    """

    def __init__(self, side: int, heads: Value, windows: Chosen, rolled: bool) -> None:
        super().__init__()
        self.side, self.rolled = side, rolled
        self.table = CentredTable(heads, 2 * windows.value - 1)
        for window in windows.options:
            places = torch.arange(window)
            self.register_buffer(f"offsets{window}", places[None, :] - places[:, None] + window - 1, persistent=False)
            if rolled:
                self.register_buffer(f"barrier{window}", barrier(side, window), persistent=False)
        self.declare(window=windows.value)

    def of(self, x: torch.Tensor) -> torch.Tensor:
        """(heads, L, L), or (windows, heads, L, L) in a rolled map. `x` is any tensor of the present pass."""
        (window,) = self.figures(x)
        table = self.table.of(x)
        if isinstance(table, SymbolicTensor):
            count, area = (self.side // window) * (self.side // window), window * window
            shape = (table.shape[0], area, area)
            scores = table.recorder.record("copy", (table,), shape)
            return table.recorder.record("elementwise", (scores,), (count, *shape)) if self.rolled else scores
        offsets = getattr(self, f"offsets{window}")
        scores = table[:, offsets][..., offsets].transpose(2, 3).flatten(3, 4).flatten(1, 2)
        return scores + getattr(self, f"barrier{window}") if self.rolled else scores


def barrier(side: int, window: int) -> torch.Tensor:
    """(windows, 1, L, L): minus infinity between positions of one window that were rolled in from opposite borders."""
    shift = shift_of(window, side)
    places = torch.arange(side)
    beyond = (places >= side - shift).long()
    region = (2 * beyond[:, None] + beyond[None, :]).unflatten(0, (-1, window)).unflatten(2, (-1, window))
    region = region.transpose(1, 2).flatten(2, 3).flatten(0, 1)
    apart = region[:, None, :, None] != region[:, None, None, :]
    return torch.zeros(apart.shape).masked_fill(apart, float("-inf"))


class Roll(Configurable):
    """A map rolled up and to the left by `shift`, or back with `back=True`; what leaves at one border enters opposite."""

    def __init__(self, shift: Value, back: bool = False) -> None:
        super().__init__()
        self.sign = 1 if back else -1
        self.declare(shift=shift)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, H, W, C) -> the same shape."""
        (shift,) = self.figures(x)
        return x.roll((self.sign * shift, self.sign * shift), (1, 2))


class TiledAttention(ElasticAttention):
    """Self-attention of tokens (N, windows, L, C) within each window."""

    def __init__(self, width: Value, heads: Value, head_dims: Chosen) -> None:
        super().__init__(width, heads, head_dims.value)
        self.declare(heads=heads, head_dim=head_dims.value, scale=head_dims.map(lambda size: size**-0.5).value)

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The same as products written out: the ONNX exporter knows torch's own function with four dimensions alone."""
        _, _, scale = self.figures(query)
        scores = (query * scale) @ key.transpose(-2, -1)
        weights = (scores if bias is None else scores + bias).softmax(-1)
        return weights @ value  # type: ignore[no-any-return]


class WindowAttention(Configurable):
    """Multi-head self-attention within each window of a map.

    Args:
        side: rows and columns of the map; every window divides it.
        width: features; may be symbolic.
        heads: may be symbolic.
        head_dims: features of a head.
        windows: side of a window.
        shifted: whether windows lie half a window off, on a map rolled at its borders.
    """

    runs_apart = True

    def __init__(self, side: int, width: Value, heads: Value, head_dims: Chosen, windows: Chosen, shifted: bool) -> None:
        super().__init__()
        self.side = side
        shift = windows.map(lambda window: shift_of(window, side))
        rolls = shifted and any(shift_of(window, side) for window in windows.options)
        self.roll = Optional(Roll(shift.value), shift.map(bool).value) if rolls else nn.Identity()
        self.unroll = Optional(Roll(shift.value, back=True), shift.map(bool).value) if rolls else nn.Identity()
        self.bias = WindowBias(side, heads, windows, rolls)
        self.attention = TiledAttention(width, heads, head_dims)
        self.declare(window=windows.value)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, H, W, C) -> the same shape."""
        if self._slots is not None:
            return self.batched(self._slots, x)
        (window,) = self.figures(x)
        count = self.side // window
        split = (count, window)
        tiles = self.roll(x).unflatten(2, split).unflatten(1, split).transpose(2, 3)
        tokens = tiles.flatten(3, 4).flatten(1, 2)  # (N, windows, L, C)
        tokens = self.attention(tokens, self.bias.of(x))
        tiles = tokens.unflatten(2, (window, window)).unflatten(1, (count, count)).transpose(2, 3)
        return self.unroll(tiles.flatten(3, 4).flatten(1, 2))  # type: ignore[no-any-return]

    def batched(self, slots: Slots, x: torch.Tensor) -> torch.Tensor:
        """Each architecture's windows, features and heads by themselves."""
        return slots.apart(self, x, -1, self.attention.arriving(slots), self.attention.leaving)

    def channel_groups(self) -> Iterator[ChannelGroup]:
        """The heads with their scores by offset, see `nas.elastic.importance`."""
        yield from self.attention.head_groups(Axis(self.bias.table.full))
