"""The predictors of NPENAS and LINAS, beside independent references."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.svm import SVR

from nas.architectures import Decisions, Encoding
from nas.choices import Choice
from predictors.gin import RANGE, Gin, GinNetwork
from predictors.ridge_svr import ALPHAS, RidgeSvr, _ridge

SPACE = Decisions([Choice(f"gene{index}", (0, 1, 2)) for index in range(6)])
ENCODING = Encoding(SPACE)


def rows(count: int, seed: int = 0) -> np.ndarray:
    return SPACE.sample(np.random.default_rng(seed), count)


def test_the_network_knows_graphs_up_to_the_numbers_of_their_nodes_and_ignores_padding() -> None:
    torch.manual_seed(0)
    network = GinNetwork(5, 3, 32, 0.1).eval()
    nodes = torch.rand(3, 6, 5)
    nodes[:, 5] = 0
    adjacency = (torch.rand(3, 6, 6) < 0.4).float()
    adjacency[:, 5] = adjacency[:, :, 5] = 0
    found = network(nodes, adjacency)
    order = torch.randperm(6)
    torch.testing.assert_close(network(nodes[:, order], adjacency[:, order][:, :, order]), found)
    torch.testing.assert_close(network(nodes[:, :5], adjacency[:, :5, :5]), found)
    torch.testing.assert_close(torch.cat([network(nodes[one : one + 1], adjacency[one : one + 1]) for one in range(3)]), found)
    assert ((found > 0) & (found < RANGE)).all()
    assert found.std() > 0


def test_a_network_of_isomorphism_adds_up_who_is_read() -> None:
    """Two equal nodes in the place of one change the result, as they would not change a mean over neighbours."""
    torch.manual_seed(0)
    network = GinNetwork(2, 1, 8, 0.0).eval()
    nodes = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]])
    once = torch.zeros(1, 3, 3)
    once[0, 1, 0] = 1
    twice = once.clone()
    twice[0, 2, 0] = 1
    assert (network(nodes, once) - network(nodes, twice)).detach().abs().item() > 1e-4


def test_predictions_can_be_beyond_the_training_values() -> None:
    given = rows(40)
    values = given.sum(axis=1).astype(float)
    predictor = Gin(ENCODING, epochs=60, held_out=0.0)
    predictor.fit(given, values)
    assert predictor._offset < values.min()
    assert predictor._offset + RANGE * predictor._scale > values.max()
    assert predictor.score(rows(60, 1), rows(60, 1).sum(axis=1)).kendall_tau > 0.3


def test_all_ridges_at_once_are_those_of_scikit_learn() -> None:
    features, targets = np.random.default_rng(0).random((20, 8)), np.random.default_rng(1).random(20)
    at = np.random.default_rng(2).random((5, 8))
    found = _ridge(features, targets, ALPHAS, at)
    for column in (0, 40, 99):
        expected = Ridge(alpha=ALPHAS[column]).fit(features, targets).predict(at)
        np.testing.assert_allclose(found[:, column], expected, rtol=1e-8)


@pytest.mark.parametrize("smooth", [True, False])
def test_the_model_that_cross_validation_prefers_predicts_as_scikit_learn_would(smooth: bool) -> None:
    """Linear values want the ridge, which wins by far; whether two decisions agree, no ridge can tell."""
    given = rows(100)
    values = 70.0 + given @ np.arange(1.0, 7.0)
    if not smooth:
        values = 70.0 + 10.0 * (given[:, 0] == given[:, 1])
    predictor = RidgeSvr(ENCODING, largest=10)
    predictor.fit(given, values)
    features, at = ENCODING.features(given), ENCODING.features(rows(30, 1))
    assert len(predictor._vectors) == 0 if smooth else len(predictor._vectors) > 0
    if smooth:
        candidates = [Ridge(alpha=alpha).fit(features, values).predict(at) for alpha in ALPHAS]
    else:
        fits = [SVR(gamma="auto", epsilon=0.0, C=strength).fit(features, values) for strength in range(1, 11)]
        candidates = [fit.predict(at) for fit in fits]
    found = predictor.predict(rows(30, 1))[0]
    assert min(np.abs(found - one).max() for one in candidates) < 1e-6
