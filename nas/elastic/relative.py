"""Learned relative positions on the keys or the values of attention over a grid."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from nas.elastic.parameter import ElasticParameter


class RelativePosition2d(nn.Module):
    """A vector for each pair of positions: one by the distance of their rows plus one by that of their columns.

    The positions are a class token and, row by row, a square grid. Distances are clipped; every pair with the class token
    shares an entry of its own, the first. As a pair's vector is a sum of one that knows the rows and one that knows the
    columns, products with all pairs are taken along the rows and along the columns, in O(side^3) instead of O(side^4).

    Args:
        side: rows and columns of the grid, P = side * side.
        features: of a vector; the heads share them.
        distance: the largest that is told apart; each of the two tables has 2 * distance + 2 entries.
    """

    index: torch.Tensor

    def __init__(self, side: int, features: int, distance: int) -> None:
        super().__init__()
        self.side = side
        self.tables = ElasticParameter(2, 2 * distance + 2, features)
        places = torch.arange(side)
        offsets = (places[None, :] - places[:, None]).clamp(-distance, distance)
        self.register_buffer("index", offsets + distance + 1, persistent=False)

    def scores(self, query: torch.Tensor) -> torch.Tensor:
        """Products of each query with the vectors to all keys: (N, heads, 1 + P, D) -> (N, heads, 1 + P, 1 + P)."""
        rows, columns, token = self._vectors(query)
        of_grid = query[:, :, 1:]
        grid = of_grid.unflatten(2, (self.side, self.side))
        by_row = grid @ rows.transpose(1, 2)
        by_column = (grid.transpose(2, 3) @ columns.transpose(1, 2)).transpose(2, 3)
        pairs = (by_row.unsqueeze(5) + by_column.unsqueeze(4)).flatten(4).flatten(2, 3)
        # The class token's own row would be constant, which the softmax takes no notice of.
        return F.pad(torch.cat((of_grid @ token.transpose(0, 1), pairs), 3), (0, 0, 1, 0))

    def mixture(self, weights: torch.Tensor) -> torch.Tensor:
        """The vectors to all keys, weighed by attention: (N, heads, 1 + P, 1 + P) -> (N, heads, 1 + P, D)."""
        rows, columns, token = self._vectors(weights)
        to_token, to_grid = weights[:, :, :, :1], weights[:, :, 1:, 1:]
        grid = to_grid.unflatten(3, (self.side, self.side)).unflatten(2, (self.side, self.side))
        by_row = grid.sum(5) @ rows
        by_column = (grid.sum(4).transpose(2, 3) @ columns).transpose(2, 3)
        of_grid = (by_row + by_column).flatten(2, 3) + to_token[:, :, 1:] * token
        of_token = weights[:, :, :1].sum(3, keepdim=True) * token
        return torch.cat((of_token, of_grid), 2)

    def _vectors(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """By rows and by columns (side, side, D), the query's place first, and for pairs with the class token (1, D)."""
        tables = self.tables.of(x)
        of_grid = tables[:, self.index]
        return of_grid[0], of_grid[1], tables[:, :1].sum(0)
