"""Architectures as what a predictor reads: columns of numbers, and graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from nas.architectures.decisions import Decisions, Rows
from nas.base.errors import NasError, unknown

Columns: TypeAlias = Callable[[Rows], npt.NDArray[np.float64]]
"""Canonical rows (N, D) -> numbers (N, F)."""

ONE_HOT = "one-hot"
"""The variant that every space has."""


class Graphs(NamedTuple):
    """One directed graph a row, all padded to the same number of nodes.

    Attributes:
        nodes: (N, V, K) float32; a node that a row does not use is all zeros and has no edges.
        adjacency: (N, V, V) float32; [n, a, b] is 1 where node b reads node a. No node reads itself.
    """

    nodes: npt.NDArray[np.float32]
    adjacency: npt.NDArray[np.float32]


class Encoding:
    """How predictors see the architectures of a space.

    Args:
        decisions: of the space.
        features: canonical rows (N, D) -> (N, F); by default the one-hot of the decisions.
        graphs: canonical rows (N, D) -> `Graphs`; by default one node for each decision that matters, with the one-hots of
            its option and of its position, each read by the next.
        variants: other features by name, such as the path encoding of a cell.
        groups: how many neighbouring columns of `features` belong together, such as the one-hot of one decision; by default
            each decision's for the one-hot, and all together for other features.
    """

    def __init__(
        self,
        decisions: Decisions,
        features: Columns | None = None,
        graphs: Callable[[Rows], Graphs] | None = None,
        variants: Mapping[str, Columns] = MappingProxyType({}),
        groups: Sequence[int] | None = None,
    ) -> None:
        self.decisions = decisions
        self._features = features or self._one_hot
        self._graphs = graphs or self._chain
        self._variants = {**variants, ONE_HOT: self._one_hot}
        self._groups = tuple(decisions.cardinalities.tolist()) if features is None and groups is None else groups

    @property
    def variants(self) -> tuple[str, ...]:
        """Names that `variant` knows."""
        return tuple(self._variants)

    def features(self, rows: Rows) -> npt.NDArray[np.float64]:
        """Rows (N, D) -> (N, F) float64.

        Raises:
            NasError: a figure is not finite, or there are not as many lines as rows.
        """
        found = np.asarray(self._features(rows), dtype=np.float64)
        if found.ndim != 2 or len(found) != len(rows):
            raise NasError(f"features of {len(rows)} architectures must have shape ({len(rows)}, F); they have {found.shape}")
        if not np.isfinite(found).all():
            row, column = np.argwhere(~np.isfinite(found))[0]
            raise NasError(
                f"feature {column} of architecture {rows[row].tolist()} is {found[row, column]}; predictors read finite numbers"
            )
        return found

    @cached_property
    def groups(self) -> tuple[int, ...]:
        """Widths of the groups of neighbouring columns that belong together; they add up to the number of features."""
        width = self.features(self.decisions.smallest()).shape[1]
        found = (width,) if self._groups is None else tuple(self._groups)
        if sum(found) != width:
            raise NasError(f"the groups of an encoding must add up to its {width} features; given {found}")
        return found

    def graphs(self, rows: Rows) -> Graphs:
        """Rows (N, D) -> their graphs. Large spaces need much memory a row: ask for some hundred rows at a time."""
        return self._graphs(rows)

    def variant(self, name: str) -> Encoding:
        """The same with other features: 'one-hot', or one that the space names. Raises NasError that lists them."""
        if name not in self._variants:
            raise unknown("encoding", name, self._variants)
        features = None if name == ONE_HOT else self._variants[name]
        return Encoding(self.decisions, features, self._graphs, self._variants)

    def with_columns(self, columns: Columns) -> Encoding:
        """The same with columns (N, C) beside the features, such as costs or zero-cost proxies.

        Args:
            columns: is asked again for rows that it has seen; keep in memory there what is dear.
        """

        def joined(rows: Rows) -> npt.NDArray[np.float64]:
            return np.concatenate([self._features(rows), np.asarray(columns(rows), dtype=np.float64)], axis=1)

        added = np.shape(columns(self.decisions.smallest()))[1]
        return Encoding(self.decisions, joined, self._graphs, self._variants, (*self.groups, *[1] * added))

    def _one_hot(self, rows: Rows) -> npt.NDArray[np.float64]:
        return self.decisions.one_hot(rows).astype(np.float64)

    def _chain(self, rows: Rows) -> Graphs:
        count, width = rows.shape
        options = int(self.decisions.cardinalities.max())
        active = self.decisions.active(rows)
        nodes = np.zeros((count, width, options + width), dtype=np.float32)
        row, column = np.nonzero(active)
        nodes[row, column, rows[row, column]] = 1.0
        nodes[row, column, options + column] = 1.0
        adjacency = np.zeros((count, width, width), dtype=np.float32)
        # `np.nonzero` goes row by row, so that the node before in the same row is the one that is read.
        follows = row[1:] == row[:-1]
        adjacency[row[1:][follows], column[:-1][follows], column[1:][follows]] = 1.0
        return Graphs(nodes, adjacency)
