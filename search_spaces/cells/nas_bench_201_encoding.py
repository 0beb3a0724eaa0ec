"""How predictors see the cells of NAS-Bench-201: by their paths, and as graphs of operators.

The cell's input reaches its output along at most four paths. Features of the paths do not tell the two middle nodes apart, as
isomorphic cells must not be told apart.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nas.architectures import Decisions, Encoding, Graphs
from nas.architectures.decisions import Rows
from search_spaces.cells.cell_strings import EDGES, NODES

OPERATORS = 5
"""How many, `none` first, then skip, pool, and the convolutions of 1 x 1 and 3 x 3."""

NONE, SKIP, POOL, CONV1, CONV3 = range(OPERATORS)

PATHS = tuple(
    tuple(EDGES.index(edge) for edge in edges)
    for edges in (((0, 3),), ((0, 1), (1, 3)), ((0, 2), (2, 3)), ((0, 1), (1, 2), (2, 3)))
)
"""The edges of each path from the cell's input to its output, as columns."""

LENGTHS = (1, 2, 3)


def path_encoding(rows: Rows) -> npt.NDArray[np.float64]:
    """(N, 155): which sequences of operators lead from input to output, `none` among the operators.

    The path encoding of White et al., BANANAS, 2021: 5 + 25 + 125 bits.
    """
    return np.minimum(_sequences(rows, OPERATORS), 1.0)


def live_paths(rows: Rows) -> npt.NDArray[np.float64]:
    """(N, 84): how many live paths apply each sequence of operators, 4 + 16 + 64 sequences."""
    return _sequences(rows, OPERATORS, first=SKIP)


def path_contents(rows: Rows) -> npt.NDArray[np.float64]:
    """(N, 64): how many live paths hold so many convolutions of 3 x 3, of 1 x 1, and pools, 0 to 3 of each."""
    found = np.zeros((len(rows), 4, 4, 4))
    for path in PATHS:
        operators = rows[:, path]
        live = np.flatnonzero((operators != NONE).all(axis=1))
        conv3, conv1, pool = ((operators[live] == kind).sum(axis=1) for kind in (CONV3, CONV1, POOL))
        found[live, conv3, conv1, pool] += 1
    return found.reshape(len(rows), -1)


def summary(rows: Rows) -> npt.NDArray[np.float64]:
    """(N, 14): edges of each operator, live paths by length, and the most and fewest layers on a live path.

    Without a live path the most is -1 and the fewest 9.
    """
    codes = rows.astype(np.int64)
    live = np.stack([(rows[:, path] != NONE).all(axis=1) for path in PATHS], axis=1)
    convolutions = np.stack([(rows[:, path] >= CONV1).sum(axis=1) for path in PATHS], axis=1)
    weight = np.stack([np.maximum(codes[:, path] - POOL, 0).sum(axis=1) for path in PATHS], axis=1)
    pools = np.stack([(rows[:, path] == POOL).sum(axis=1) for path in PATHS], axis=1)
    columns = [
        *((rows == kind).sum(axis=1) for kind in range(OPERATORS)),
        *(live[:, [len(path) == length for path in PATHS]].sum(axis=1) for length in LENGTHS),
        live.sum(axis=1),
        ~live.any(axis=1),
        np.where(live, convolutions, -1).max(axis=1),
        np.where(live, weight, -1).max(axis=1),
        np.where(live, convolutions, 9).min(axis=1),
        np.where(live, pools, 9).min(axis=1),
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def operator_graphs(rows: Rows) -> Graphs:
    """Input, the six edges as operators, output: an operator reads the operators of the edges that end where it begins.

    Node features are the one-hots of (input, output, the five operators); edges that are not live are not there.
    """
    count, last = len(rows), len(EDGES) + 1
    nodes = np.zeros((count, last + 1, 2 + OPERATORS), dtype=np.float32)
    nodes[:, 0, 0] = nodes[:, last, 1] = 1.0
    adjacency = np.zeros((count, last + 1, last + 1), dtype=np.float32)
    live = rows != NONE
    for edge, (source, target) in enumerate(EDGES):
        nodes[live[:, edge], 1 + edge, 2 + rows[live[:, edge], edge]] = 1.0
        if source == 0:
            adjacency[:, 0, 1 + edge] = live[:, edge]
        if target == NODES - 1:
            adjacency[:, 1 + edge, last] = live[:, edge]
        for after, (begins, _) in enumerate(EDGES):
            if begins == target:
                adjacency[:, 1 + edge, 1 + after] = live[:, edge] & live[:, after]
    return Graphs(nodes, adjacency)


def encoding(decisions: Decisions) -> Encoding:
    """One-hot edges, live paths, their contents and a summary; variants 'paths' and 'live-paths'."""
    parts = (live_paths, path_contents, summary)

    def features(rows: Rows) -> npt.NDArray[np.float64]:
        return np.concatenate([decisions.one_hot(rows), *(part(rows) for part in parts)], axis=1)

    widths = [part(decisions.smallest()).shape[1] for part in parts]
    groups = [int(decisions.cardinalities.sum()), *widths]
    return Encoding(decisions, features, operator_graphs, {"paths": path_encoding, "live-paths": live_paths}, groups)


def _sequences(rows: Rows, operators: int, first: int = 0) -> npt.NDArray[np.float64]:
    """How many paths apply each sequence of the operators from `first` on, short sequences first."""
    kinds = operators - first
    found = []
    for length in LENGTHS:
        counted = np.zeros((len(rows), kinds**length))
        for path in (path for path in PATHS if len(path) == length):
            chosen = rows[:, path].astype(np.int64) - first
            known = np.flatnonzero((chosen >= 0).all(axis=1))
            counted[known, chosen[known] @ kinds ** np.arange(length)] += 1
        found.append(counted)
    return np.concatenate(found, axis=1)
