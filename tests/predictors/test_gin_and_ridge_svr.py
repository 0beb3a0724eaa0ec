"""The predictors of NPENAS and LINAS, beside independent references."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import Ridge
from sklearn.svm import SVR
from torch import nn

from nas.architectures import Decisions, Encoding
from nas.choices import Choice
from nas.predicting import Graphs
from predictors.gin import Gin
from predictors.gin_network import MIDDLE, RANGE, Adam, GinNetwork, Inputs
from predictors.ridge_svr import ALPHAS, RidgeSvr, _ridge

SPACE = Decisions([Choice(f"gene{index}", (0, 1, 2)) for index in range(6)])
ENCODING = Encoding(SPACE)


def rows(count: int, seed: int = 0) -> np.ndarray:
    return SPACE.sample(np.random.default_rng(seed), count)


class Reference(nn.Module):
    """The network as torch would have it, without padding."""

    def __init__(self, width: int, layers: int, hidden: int) -> None:
        super().__init__()
        widths = [width, *[hidden] * layers]
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(before, hidden), nn.ReLU(), nn.Linear(hidden, hidden)) for before in widths[:-1]
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(hidden) for _ in range(layers))
        self.middle, self.last = nn.Linear(hidden, MIDDLE), nn.Linear(MIDDLE, 1)

    def forward(self, nodes: torch.Tensor, reads: torch.Tensor, pool: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        """Nodes (M, K) of all graphs, which of them read each other (M, M), the means (N, M) and drop-out's factors -> (N,)."""
        state = nodes
        for layer, norm in zip(self.layers, self.norms, strict=True):
            state = norm(torch.relu(layer(reads @ state)))
        return RANGE * torch.sigmoid(self.last(kept * torch.relu(self.middle(pool @ state))))[:, 0]

    def ordered(self) -> list[nn.Module]:
        """Its parts in the order of `GinNetwork`'s parameters."""
        found = [part for layer, norm in zip(self.layers, self.norms, strict=True) for part in (layer[0], layer[2], norm)]
        return [*found, self.middle, self.last]

    def take(self, network: GinNetwork) -> None:
        """Have that network's parameters."""
        views = iter(network.views(network.parameters))
        for part in self.ordered():
            weight = torch.from_numpy(next(views).copy())
            part.weight.data, part.bias.data = weight.T if weight.ndim == 2 else weight, torch.from_numpy(next(views).copy())

    def flat(self, gradient: bool) -> np.ndarray:
        """Parameters, or their gradient, in the order of `GinNetwork`."""
        found = [tensor.grad if gradient else tensor.data for part in self.ordered() for tensor in (part.weight, part.bias)]
        return torch.cat([(tensor.T if tensor.ndim == 2 else tensor).flatten() for tensor in found]).numpy()


def random_graphs(rng: np.random.Generator, count: int, size: int, width: int) -> Graphs:
    """Acyclic, each of as many nodes as comes, padded."""
    nodes, adjacency = rng.random((count, size, width), np.float32), np.triu(rng.random((count, size, size)) < 0.5, 1)
    for graph, used in enumerate(rng.integers(2, size + 1, count)):
        nodes[graph, used:], adjacency[graph, used:], adjacency[graph, :, used:] = 0, False, False
    return Graphs(nodes, adjacency.astype(np.float32))


def without_padding(graphs: Graphs) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """All nodes in one list, who of them reads whom, and each graph's mean."""
    counts = (graphs.nodes != 0).any(axis=2).sum(axis=1).tolist()
    nodes = torch.from_numpy(np.concatenate([graph[:used] for graph, used in zip(graphs.nodes, counts, strict=True)]))
    blocks = [torch.from_numpy(graph[:used, :used].T) for graph, used in zip(graphs.adjacency, counts, strict=True)]
    reads = torch.block_diag(*blocks) + torch.eye(len(nodes))
    return nodes, reads, torch.block_diag(*[torch.full((1, used), 1 / used) for used in counts])


def begun(width: int, layers: int, hidden: int) -> GinNetwork:
    network = GinNetwork(width, layers, hidden)
    network.begin(np.random.default_rng(0))
    return network


@pytest.mark.parametrize("layers", [1, 3])
def test_training_is_that_of_torch(layers: int) -> None:
    """Ten steps: each one's error and gradient, the parameters and statistics behind them, and predictions from there."""
    rng = np.random.default_rng(1)
    network, reference = begun(5, layers, 12), Reference(5, layers, 12)
    reference.take(network)
    ours, theirs = Adam(network.parameters, 1e-2), torch.optim.Adam(reference.parameters(), weight_decay=1e-2)
    for step in range(10):
        graphs = random_graphs(rng, 6, 7, 5)
        targets = rng.uniform(0, RANGE, 6).astype(np.float32)
        kept = (rng.random((6, MIDDLE)) > 0.3).astype(np.float32) / np.float32(0.7)
        found = network.differentiate(Inputs.of(graphs), targets, kept)
        theirs.zero_grad()
        expected = F.mse_loss(reference(*without_padding(graphs), torch.from_numpy(kept)), torch.from_numpy(targets))
        expected.backward()
        assert found == pytest.approx(expected.item(), rel=1e-4)
        np.testing.assert_allclose(network.gradient, reference.flat(gradient=True), rtol=2e-3, atol=2e-4)
        rate = 0.01 / (step + 1)
        theirs.param_groups[0]["lr"] = rate
        ours.step(network.gradient, rate)
        theirs.step()
    np.testing.assert_allclose(network.parameters, reference.flat(gradient=False), rtol=1e-2, atol=1e-3)
    expected_statistics = [[norm.running_mean.numpy(), norm.running_var.numpy()] for norm in reference.norms]
    np.testing.assert_allclose(network.statistics, expected_statistics, rtol=1e-2, atol=1e-3)
    reference.eval()
    with torch.no_grad():
        predicted = reference(*without_padding(graphs), torch.ones(6, MIDDLE)).numpy()
    np.testing.assert_allclose(network.predict(Inputs.of(graphs)), predicted, rtol=1e-2)


def test_a_network_begins_as_torch_would_draw_it() -> None:
    network = begun(5, 2, 400)
    weight, bias, _, _, gain, shift, *_ = network.views(network.parameters)
    bound = 5**-0.5
    assert 0.95 * bound < np.abs(bias).max() <= bound
    assert weight.std() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert (gain == 1).all() and (shift == 0).all()
    assert (network.statistics[:, 0] == 0).all() and (network.statistics[:, 1] == 1).all()


def test_the_network_knows_graphs_up_to_the_numbers_of_their_nodes_and_ignores_padding() -> None:
    rng = np.random.default_rng(2)
    network = begun(5, 3, 32)
    nodes, adjacency = random_graphs(rng, 3, 5, 5)
    found = network.predict(Inputs.of(Graphs(nodes, adjacency)))
    order = rng.permutation(5)
    turned = Graphs(nodes[:, order], adjacency[:, order][:, :, order])
    np.testing.assert_allclose(network.predict(Inputs.of(turned)), found, rtol=1e-5)
    padded = Graphs(np.pad(nodes, ((0, 0), (0, 2), (0, 0))), np.pad(adjacency, ((0, 0), (0, 2), (0, 2))))
    np.testing.assert_allclose(network.predict(Inputs.of(padded)), found, rtol=1e-5)
    alone = [network.predict(Inputs.of(Graphs(nodes[one : one + 1], adjacency[one : one + 1]))) for one in range(3)]
    np.testing.assert_allclose(np.concatenate(alone), found, rtol=1e-5)
    assert ((found > 0) & (found < RANGE)).all()
    assert found.std() > 0


def test_a_network_of_isomorphism_adds_up_who_is_read() -> None:
    """Two equal nodes in the place of one change the result, as they would not change a mean over neighbours."""
    network = begun(2, 1, 8)
    nodes = np.array([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]], np.float32)
    once = np.zeros((1, 3, 3), np.float32)
    once[0, 1, 0] = 1
    twice = once.copy()
    twice[0, 2, 0] = 1
    first, second = (network.predict(Inputs.of(Graphs(nodes, read)))[0] for read in (once, twice))
    assert abs(first - second) > 1e-4


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
