"""Multi-head self-attention with elastic width and heads."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from nas.choices import Value
from nas.elastic.layer import Configurable
from nas.elastic.linear import ElasticLinear
from nas.elastic.relative import RelativePosition2d


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
        heads = self.figures(x)[:2]
        query, key, value = (
            layer(x).unflatten(-1, heads).transpose(-3, -2) for layer in (self.query, self.key, self.value)
        )  # (N, ..., heads, L, head_dim)
        y = self.attend(query, key, value, bias)
        return self.projection(y.transpose(-3, -2).flatten(-2))  # type: ignore[no-any-return]

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """softmax(query key^T / sqrt(head_dim) + bias) value; all (N, ..., heads, L, head_dim)."""
        return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)


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
