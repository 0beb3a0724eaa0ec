"""Multi-head self-attention with elastic width and heads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from nas.choices import Expression, Value, bounds
from nas.elastic.importance import Axis, ChannelGroup, axes_of, axis_of
from nas.elastic.layer import Configurable
from nas.elastic.linear import ElasticLinear
from nas.elastic.relative import RelativePosition2d

if TYPE_CHECKING:
    from nas.elastic.batched import Slots


class ElasticAttention(Configurable):
    """Multi-head self-attention over tokens (Vaswani et al., Attention is all you need, 2017).

    Query, key and value are linear layers of their own, so that fewer heads are the first rows of each of the three.
    Tokens may have any number of leading dimensions; those between the batch and the tokens (windows) attend apart.

    Args:
        width: features that arrive; may be symbolic.
        heads: may be symbolic.
        head_dim: features of one head; may be symbolic. A head then starts where the one before ends, so that the rows of the
            later heads depend on it.
        out_features: features that leave, by default those that arrive; None in `project=False`.
        project: whether a linear layer follows; without one, `heads * head_dim` features leave.
        bias: of query, key, value and projection.
    """

    runs_apart = True

    def __init__(
        self,
        width: Value,
        heads: Value,
        head_dim: Value,
        out_features: Value | None = None,
        project: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        inner = heads * head_dim
        self.query = ElasticLinear(width, inner, bias)
        self.key = ElasticLinear(width, inner, bias)
        self.value = ElasticLinear(width, inner, bias)
        out = width if out_features is None else out_features
        self.projection = ElasticLinear(inner, out, bias) if project else nn.Identity()
        self.declare(heads=heads, head_dim=head_dim)

    def forward(self, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """(N, ..., L, C) -> (N, ..., L, C').

        Args:
            bias: added to the scores before the softmax, broadcast to (N, ..., heads, L, L).
        """
        if self._slots is not None:
            return self.batched(self._slots, x)
        heads = self.figures(x)[:2]
        query, key, value = (
            layer(x).unflatten(-1, heads).transpose(-3, -2) for layer in (self.query, self.key, self.value)
        )  # (N, ..., heads, L, head_dim)
        y = self.attend(query, key, value, bias)
        return self.projection(y.transpose(-3, -2).flatten(-2))  # type: ignore[no-any-return]

    def batched(self, slots: Slots, x: torch.Tensor) -> torch.Tensor:
        """Each architecture's own features and heads."""
        heads, *others = zip(*slots.settings(self), strict=True)
        if not slots.small(x, -1) or any(len(set(setting)) > 1 for setting in others):
            return slots.apart(self, x, -1, self.arriving(slots), self.leaving)
        most = slots.largest(self)[0]
        self.activate((most, *(setting[0] for setting in others)))
        query, key, value = (
            slots.whole(layer, x, slots.largest(layer)).unflatten(-1, (most, -1)).transpose(-3, -2)
            for layer in (self.query, self.key, self.value)
        )
        y = self.attend(query, key, value)
        mask = slots.mask(heads, y, -3)
        y = y if mask is None else y * mask
        return self.projection(y.transpose(-3, -2).flatten(-2))  # type: ignore[no-any-return]

    def arriving(self, slots: Slots) -> list[int]:
        """Features that arrive in each of the slots in force."""
        return [setting[0] for setting in slots.settings(self.query)]

    @property
    def leaving(self) -> int:
        """Features that leave the largest."""
        last = self.projection if isinstance(self.projection, ElasticLinear) else self.query
        return int(bounds(last.settings["out_features"])[1])

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """softmax(query key^T / sqrt(head_dim) + bias) value; all (N, ..., heads, L, head_dim)."""
        return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)

    def head_groups(self, *others: Axis) -> Iterator[ChannelGroup]:
        """The heads as a group, for a block that gives them no bias by head, or one that lies along `others`.

        There is none where heads differ in their features from architecture to architecture: a row then belongs to one head
        in some and to the next in others. See `nas.elastic.importance`.
        """
        heads, features = self.settings["heads"], self.settings["head_dim"]
        if not isinstance(self.projection, ElasticLinear) or isinstance(features, Expression):
            return
        unit = int(features)
        rows = (axis for layer in (self.query, self.key, self.value) for axis in axes_of(layer, 0, unit))
        yield ChannelGroup(heads, axis_of(self.projection, 1, unit), (*rows, *others))


class RelativeAttention(ElasticAttention):
    """Self-attention over a class token and a square grid, with learned relative positions on keys and values.

    Shaw et al., Self-attention with relative position representations, 2018; in two dimensions as in Chen et al.,
    AutoFormer, 2021.

    Args:
        side: rows and columns of the grid; L = 1 + side * side.
        distance: rows or columns farther apart than this share an entry of the tables.
    """

    def __init__(self, width: Value, heads: Value, head_dim: int, side: int, distance: int = 14) -> None:
        super().__init__(width, heads, head_dim)
        self.scale = head_dim**-0.5
        self.relative_keys = RelativePosition2d(side, head_dim, distance)
        self.relative_values = RelativePosition2d(side, head_dim, distance)

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """softmax(query (key + r)^T / sqrt(head_dim)) (value + r'); all (N, heads, 1 + side^2, head_dim)."""
        query = query * self.scale
        scores = query @ key.transpose(-2, -1) + self.relative_keys.scores(query)
        weights = scores.softmax(-1)
        return weights @ value + self.relative_values.mixture(weights)
