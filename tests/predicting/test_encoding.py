"""How architectures are shown to predictors."""

from __future__ import annotations

import numpy as np
import pytest

from nas.architectures import Decisions, Encoding
from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.choices import Choice
from nas.predicting import with_proxies

DEPTH = Choice("depth", (1, 2))
KERNELS = Choice("first", (3, 5, 7)), Choice("second", (3, 5))


@pytest.fixture
def decisions() -> Decisions:
    """Two layers, the second of which is there at depth 2."""
    return Decisions((DEPTH, *KERNELS), {"second": DEPTH.map({1: False, 2: True})})


@pytest.fixture
def rows(decisions: Decisions) -> Rows:
    return decisions.check([[0, 2, 0], [1, 1, 1]])


def test_features_are_the_one_hot_by_default(decisions: Decisions, rows: Rows) -> None:
    encoding = Encoding(decisions)
    assert encoding.groups == (2, 3, 2)
    np.testing.assert_array_equal(encoding.features(rows), [[1, 0, 0, 0, 1, 0, 0], [0, 1, 0, 1, 0, 0, 1]])
    assert encoding.features(rows).dtype == np.float64


def test_the_graph_is_the_chain_of_decisions_that_matter(decisions: Decisions, rows: Rows) -> None:
    nodes, adjacency = Encoding(decisions).graphs(rows)
    assert nodes.shape == (2, 3, 3 + 3)
    assert nodes.dtype == adjacency.dtype == np.float32
    assert not nodes[0, 2].any()
    assert [list(zip(*np.nonzero(graph), strict=True)) for graph in adjacency] == [[(0, 1)], [(0, 1), (1, 2)]]
    np.testing.assert_array_equal(nodes[1, :, :3].argmax(axis=1), rows[1])
    np.testing.assert_array_equal(nodes[1, :, 3:], np.eye(3))


def test_columns_stand_beside_the_features(decisions: Decisions, rows: Rows) -> None:
    encoding = Encoding(decisions).with_columns(lambda rows: np.stack([rows.sum(axis=1), rows[:, 1] * 2.5], axis=1))
    assert encoding.groups == (2, 3, 2, 1, 1)
    np.testing.assert_array_equal(encoding.features(rows)[:, -2:], [[2, 5.0], [3, 2.5]])


def test_variants_keep_the_graphs(decisions: Decisions, rows: Rows) -> None:
    encoding = Encoding(decisions, lambda rows: rows * 2.0, variants={"thrice": lambda rows: rows * 3.0})
    assert encoding.groups == (3,)
    assert set(encoding.variants) == {"one-hot", "thrice"}
    np.testing.assert_array_equal(encoding.variant("thrice").features(rows), rows * 3.0)
    np.testing.assert_array_equal(encoding.variant("one-hot").features(rows), decisions.one_hot(rows))
    assert encoding.variant("one-hot").groups == (2, 3, 2)
    np.testing.assert_array_equal(encoding.variant("thrice").graphs(rows).nodes, encoding.graphs(rows).nodes)
    with pytest.raises(NasError, match=r"unknown encoding 'thrise'; legal: thrice, one-hot\. Did you mean 'thrice'"):
        encoding.variant("thrise")


def test_features_must_fit(decisions: Decisions, rows: Rows) -> None:
    with pytest.raises(NasError, match=r"feature 0 of architecture \[0, 2, 0\] is inf"):
        Encoding(decisions, lambda rows: np.full((len(rows), 1), np.inf)).features(rows)
    with pytest.raises(NasError, match=r"must have shape \(2, F\)"):
        Encoding(decisions, lambda rows: np.zeros((3, 1))).features(rows)
    with pytest.raises(NasError, match="must add up to its 3 features"):
        _ = Encoding(decisions, lambda rows: rows * 1.0, groups=(1, 1)).groups


def test_proxies_without_a_score_have_a_column_that_says_so(decisions: Decisions, rows: Rows) -> None:
    scores = {bytes(rows[0]): [-np.inf, np.e - 1], bytes(rows[1]): [1 - np.e, np.nan]}

    def score(rows: Rows) -> np.ndarray:
        return np.array([scores.get(bytes(row), [0.0, 0.0]) for row in rows])

    found = with_proxies(Encoding(decisions), score).features(rows)[:, -4:]
    np.testing.assert_allclose(found, [[0, 1, 1, 0], [-1, 0, 0, 1]])
