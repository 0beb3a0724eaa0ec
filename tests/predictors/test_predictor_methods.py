"""What makes each predictor the method whose name it bears, beside slow references."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest
import torch
from cell_worth import worth

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.choices import evaluate
from nas.predicting import Encoding, open_predictor
from nas.supernet import open_space
from predictors.autobuild import AutoBuild, soft_spearman
from predictors.gcn import Gcn, with_global
from predictors.gp import GaussianProcess, Process, covariance, negative_log_posterior, squared_distances
from predictors.intervals import Intervals
from predictors.labels import Labels
from predictors.mlp import Mlp
from predictors.mlp_ensemble import MlpEnsemble
from predictors.places import with_places
from predictors.sequences import Layers
from predictors.trees import Trees


@pytest.fixture(scope="module")
def encoding() -> Encoding:
    """Of NAS-Bench-201."""
    return open_space("cells:nas-bench-201").encoding


@pytest.fixture(scope="module")
def cells(encoding: Encoding) -> Rows:
    """60 cells."""
    return encoding.decisions.sample(np.random.default_rng(4), 60)


def test_ranks_become_normal_scores_and_go_back() -> None:
    values = np.array([10.0, 90.0, 91.0, 91.0, 40.0, 92.0])
    labels = Labels("rank", values)
    scores = labels.forward(values)
    assert (np.argsort(scores, kind="stable") == np.argsort(values, kind="stable")).all()
    assert scores.mean() == pytest.approx(0, abs=0.05)
    np.testing.assert_allclose(labels.backward(scores), values)
    outside = labels.backward(np.array([-5.0, scores.min(), scores.max(), 5.0]))
    assert (np.diff(outside) > 0).all()
    with pytest.raises(NasError, match="unknown transform of values 'log'"):
        Labels("log", values)  # type: ignore[arg-type]


@pytest.mark.parametrize("kernel", ["rbf", "matern32", "matern52"])
def test_the_marginal_likelihood_is_that_of_sklearn_and_its_gradient_is_exact(kernel: str) -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel

    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(15, 4)), rng.normal(size=15)
    distances = np.stack([squared_distances(part, part).ravel() for part in (features[:, :1], features[:, 1:])])
    parameters = np.array([-1.0, 0.4, 0.2, 0.9])
    noise, variance, first, second = np.exp(parameters)
    lengths = np.array([first, second, second, second])
    shape = RBF(lengths) if kernel == "rbf" else Matern(lengths, nu=float(kernel[-2]) / 2)
    reference = GaussianProcessRegressor(ConstantKernel(variance) * shape + WhiteKernel(noise + 1e-6), alpha=0, optimizer=None)
    reference.fit(features, targets)
    value, gradient = negative_log_posterior(kernel, parameters, distances, targets)  # type: ignore[arg-type]
    prior = 0.5 * (((parameters - [-3, 0, 0.7, 0.7]) / [2, 1, 1, 1]) ** 2).sum()
    constant = 0.5 * len(targets) * np.log(2 * np.pi)
    assert value - prior + constant == pytest.approx(-reference.log_marginal_likelihood_value_, rel=1e-6)
    for index, step in enumerate(np.eye(4) * 1e-5):
        above, below = (negative_log_posterior(kernel, parameters + s, distances, targets)[0] for s in (step, -step))  # type: ignore[arg-type]
        assert gradient[index] == pytest.approx((above - below) / 2e-5, rel=1e-4, abs=1e-6)
    process = Process(kernel, (1, 3), parameters, features, targets)  # type: ignore[arg-type]
    mean, deviation = reference.predict(features[:5] + 0.3, return_std=True)
    found = process.at(features[:5] + 0.3)
    np.testing.assert_allclose(found[0], mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[1], deviation, rtol=1e-4)


def test_leave_one_out_is_that_of_processes_fitted_without_each_value() -> None:
    rng = np.random.default_rng(1)
    features, targets = rng.normal(size=(12, 3)), rng.normal(size=12)
    parameters = np.array([-1.0, 0.3, 0.5])
    mean, deviation = Process("matern52", (3,), parameters, features, targets).left_out()
    for place in range(12):
        others = np.arange(12) != place
        without = Process("matern52", (3,), parameters, features[others], targets[others])
        one = without.at(features[place : place + 1])
        assert (mean[place], deviation[place]) == pytest.approx((one[0][0], one[1][0]))


def test_kernels_fall_from_one() -> None:
    squared = np.linspace(0, 9, 50)
    for kernel in ("rbf", "matern32", "matern52"):
        value, slope = covariance(kernel, squared)
        assert value[0] == 1
        assert (np.diff(value) < 0).all()
        np.testing.assert_allclose(np.gradient(value, squared)[5:-5], slope[5:-5], rtol=0.02)


def test_a_group_that_does_not_matter_gets_a_long_length_scale(encoding: Encoding, cells: Rows) -> None:
    noise = np.random.default_rng(5).normal(size=5**6)
    digits = 5 ** np.arange(6)
    shown = Encoding(encoding.decisions).with_columns(lambda rows: noise[rows @ digits][:, None])
    predictor = GaussianProcess(shown, folds=0)
    predictor.fit(cells, worth(cells))
    lengths = predictor.tensors()["parameters"][2:]
    assert lengths[-1] == max(lengths)


def test_numbers_are_seen_in_their_order() -> None:
    space = open_space("cells:nats-size")
    rows = space.decisions.sample(np.random.default_rng(6), 7)
    found = with_places(space.encoding)
    assert found.groups == (*[8] * 5, *[1] * 5)
    np.testing.assert_allclose(found.features(rows)[:, -5:], rows / 7)
    cells = open_space("cells:nas-bench-201").encoding
    assert with_places(cells) is cells
    staged = open_space("mbconv:ofa")
    smallest = staged.decisions.smallest()
    assert not with_places(staged.encoding).features(smallest)[:, sum(staged.encoding.groups) :].any()


def test_once_for_all_mlp_has_its_layers_and_base(encoding: Encoding, cells: Rows) -> None:
    defaults = Mlp.options()
    assert (defaults["layers"], defaults["hidden"], defaults["batch"], defaults["held_out"]) == (3, 400, 256, 0.2)
    predictor = Mlp(encoding.variant("one-hot"), epochs=2)
    predictor.fit(cells, worth(cells))
    shapes = [predictor.tensors()[f"weight{index}"].shape for index in range(7)]
    assert shapes == [(400, 30), (400,), (400, 400), (400,), (400, 400), (400,), (1, 400)]
    state = torch.from_numpy(encoding.decisions.one_hot(cells))
    for index in range(0, 6, 2):
        weight, bias = (torch.from_numpy(predictor.tensors()[f"weight{index + part}"]) for part in range(2))
        state = torch.relu(state @ weight.T + bias)
    expected = predictor.tensors()["base"][0] + 100 * (state @ torch.from_numpy(predictor.tensors()["weight6"]).T)[:, 0]
    np.testing.assert_allclose(predictor.predict(cells)[0], expected, rtol=1e-5)


def test_bananas_mean_and_disagreement_are_those_of_its_networks(encoding: Encoding, cells: Rows) -> None:
    defaults = MlpEnsemble.options()
    assert (defaults["members"], defaults["layers"], defaults["hidden"], defaults["epochs"]) == (5, 10, 20, 150)
    predictor = MlpEnsemble(encoding.variant("paths"), members=3, layers=2, epochs=3)
    predictor.fit(cells, worth(cells))
    saved = predictor.tensors()
    features = (encoding.variant("paths").features(cells).astype(np.float32) - saved["shift"]) * saved["scale"]
    outputs = []
    for member in range(3):
        state = features
        for index in range(0, 6, 2):
            state = state @ saved[f"weight{index}"][member] + saved[f"weight{index + 1}"][member]
            state = np.maximum(state, 0) if index < 4 else state
        outputs.append(saved["values"][0] + saved["values"][1] * state[:, 0])
    mean, deviation = predictor.predict(cells)
    np.testing.assert_allclose(mean, np.mean(outputs, axis=0), rtol=1e-4)
    np.testing.assert_allclose(
        deviation, Intervals.from_array(saved["intervals"]).deviation(np.std(outputs, axis=0)), rtol=1e-3
    )


def test_trees_are_those_of_sklearn(encoding: Encoding, cells: Rows) -> None:
    from sklearn.ensemble import GradientBoostingRegressor

    predictor = Trees(encoding, bags=1, trees=12, transform="standard")
    features, targets = encoding.features(cells).astype(np.float32), (worth(cells) - 80) / 5
    predictor._forest = _forest(predictor, features, targets)
    reference = GradientBoostingRegressor(
        n_estimators=12, max_depth=5, learning_rate=0.1, subsample=0.8, max_features=0.3, min_samples_leaf=2, random_state=7
    ).fit(features, targets)
    np.testing.assert_allclose(predictor._scores(features)[0], reference.predict(features), rtol=1e-6, atol=1e-9)


def _forest(predictor: Trees, features: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
    from predictors.trees import _joined

    return _joined(predictor._boosted(features, targets, 7))


def test_the_global_node_reads_all_that_is_there() -> None:
    nodes = torch.zeros(1, 3, 2)
    nodes[0, :2] = torch.eye(2)
    adjacency = torch.zeros(1, 3, 3)
    adjacency[0, 0, 1] = 1
    state, reads = with_global(nodes, adjacency)
    assert state[0].tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert reads[0].tolist() == [[1, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]


def test_brp_nas_ranks_as_comparisons_between_candidates_do(encoding: Encoding, cells: Rows) -> None:
    defaults = Gcn.options()
    assert (defaults["layers"], defaults["hidden"], defaults["dropout"], defaults["batch"]) == (4, 600, 0.2, 64)
    predictor = Gcn(encoding, hidden=16, steps=30, rate=3e-3)
    predictor.fit(cells[:30], worth(cells[:30]))
    network = predictor._network
    embedded = predictor._embedded(cells[30:])
    with torch.no_grad():
        pairs = torch.cat([embedded[:, None].expand(-1, 30, -1), embedded[None].expand(30, -1, -1)], dim=2)
        better = network.pair(pairs).softmax(dim=2)[..., 0]
    np.testing.assert_allclose(better, network.preference(embedded, embedded).sigmoid().detach(), atol=1e-6)
    wins = (better.mean(dim=1) + 1 - better.mean(dim=0)).numpy()
    mean = predictor.predict(cells[30:])[0]
    order = np.argsort(wins, kind="stable")
    assert (np.diff(mean[order]) >= -1e-9).all()


def test_layers_of_a_staged_space_are_read_off_its_decisions() -> None:
    decisions = open_space("mbconv:ofa").decisions
    layers = Layers(decisions)
    assert layers.units == tuple(f"stage{number}" for number in range(1, 6))
    assert set(layers.groups) == {"unit", "position", "resolution", "kernel", "expand"}
    rows = decisions.sample(np.random.default_rng(0), 20)
    nodes = layers.nodes(rows)
    depths = np.array([[decisions.column[f"{unit}.depth"] for unit in layers.units]])[0]
    expected = np.array([[decisions.choices[c].options[row[c]] for c in depths] for row in rows], dtype=int)
    counts = np.zeros_like(expected)
    np.add.at(counts, (nodes.graph, nodes.unit), 1)
    np.testing.assert_array_equal(counts, expected)
    assert (nodes.codes > 0).all()
    starts = np.flatnonzero(nodes.previous < 0)
    assert nodes.graph[starts].tolist() == list(range(20))
    inside = nodes.previous >= 0
    assert (nodes.graph[nodes.previous[inside]] == nodes.graph[inside]).all()


def test_soft_ranks_agree_with_ranks_where_scores_are_far_apart() -> None:
    scores = torch.tensor([100.0, -50.0, 300.0, 0.0])
    targets = torch.tensor([2.0, 0.0, 3.0, 1.0])
    assert float(soft_spearman(scores, targets)) == pytest.approx(1)
    assert float(soft_spearman(-scores, targets)) == pytest.approx(-1)
    scores.requires_grad_()
    tailed = torch.tensor([-10.0, 0.0, 0.1, 0.2, 0.3])
    assert float(soft_spearman(100 * tailed, tailed)) == pytest.approx(1)
    assert float(soft_spearman(100 * tailed[[0, 4, 3, 2, 1]], tailed)) == pytest.approx(0, abs=1e-3)
    (soft_spearman(scores / 100, targets)).backward()
    assert scores.grad is not None
    assert bool(scores.grad.any())


@pytest.fixture(scope="module")
def scored() -> AutoBuild:
    """Fitted to values that kernels of stage 1 decide, in a staged space."""
    space = open_space("mbconv:ofa")
    rows = space.decisions.sample(np.random.default_rng(1), 150)
    predictor = AutoBuild(space.encoding, steps=90, rate=5e-3)
    predictor.fit(rows, kernels(space.encoding, rows))
    return predictor


def kernels(encoding: Encoding, rows: Rows) -> np.ndarray:
    """The kernels' sizes added up over the blocks that are there."""
    decisions = encoding.decisions
    active = decisions.active(rows)
    found = np.zeros(len(rows))
    for column, choice in enumerate(decisions.choices):
        if choice.name.endswith("kernel"):
            found += np.array(choice.options)[rows[:, column]] * active[:, column]
    return found


def test_autobuild_prefers_what_raises_the_values(scored: AutoBuild) -> None:
    options = scored.option_scores()["kernel"]
    assert options["7"] > options["3"]
    modules = scored.module_scores("stage1", most=3000)
    sizes = np.array([sum(v for name, v in m.decisions.items() if name.endswith("kernel")) for m in modules])
    assert np.corrcoef(sizes, [m.score for m in modules])[0, 1] > 0.4
    assert [m.score for m in modules] == sorted((m.score for m in modules), reverse=True)
    with pytest.raises(NasError, match="unknown unit 'stage9'"):
        scored.module_scores("stage9")


def test_autobuild_enumerates_every_module_once(scored: AutoBuild) -> None:
    modules = scored.module_scores("stage2")
    assert len(modules) == 81 + 729 + 6561
    named = {tuple(sorted(module.decisions.items())) for module in modules}
    assert len(named) == len(modules)
    assert {module.layers for module in modules} == {2, 3, 4}
    assert {m.decisions["stage2.depth"] for m in modules if m.layers == 3} == {3}


def test_the_score_of_a_module_is_its_norm_as_a_standard_score_given_the_moments_of_its_unit(scored: AutoBuild) -> None:
    """Of three layers: the L1 norm of the last one after two hops, among the training layers' norms at two hops, with mean and
    deviation of the values of the training architectures whose stage 2 has three layers."""
    decisions, rows = scored.layers.decisions, training_rows(scored)
    module = next(module for module in scored.module_scores("stage2") if module.layers == 3)
    row = decisions.largest()
    for name, option in module.decisions.items():
        row[0, decisions.column[name]] = decisions.choices[decisions.column[name]].index(option)
    row = decisions.canonical(row)
    network = scored._network
    with torch.no_grad():
        alone = network.hops(scored.layers.nodes(row, ["stage2"]))[2].abs().sum(dim=1)
        norms = network.hops(scored.layers.nodes(rows))[2].abs().sum(dim=1).double()
    assert len(alone) == 3
    depths = np.array([decisions.choices[decisions.column["stage2.depth"]].options])[0][
        rows[:, decisions.column["stage2.depth"]]
    ]
    values = kernels(scored.encoding, rows)[depths == 3]
    standard = (float(alone[-1]) - float(norms.mean())) / float(norms.std(unbiased=False))
    assert module.score == pytest.approx(standard * values.std() + values.mean(), rel=1e-4)


def training_rows(predictor: AutoBuild) -> Rows:
    """The nine tenths that `scored` was fitted to, as its class draws them."""
    rows = predictor.layers.decisions.sample(np.random.default_rng(1), 150)
    return np.asfortranarray(rows[generator(predictor.seed, "autobuild").permutation(150)[15:]])


def test_embeddings_of_every_hop_are_trained_to_be_large_where_values_are(scored: AutoBuild) -> None:
    rows = training_rows(scored)
    values = torch.from_numpy(kernels(scored.encoding, rows)).float()

    def orders(network: torch.nn.Module) -> list[float]:
        with torch.no_grad():
            _, embedded = network(scored.layers.nodes(rows), len(rows))
        return [float(soft_spearman(state.abs().sum(dim=1), values)) for state in embedded]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        untrained = orders(scored._empty().eval())
    trained = orders(scored._network)
    assert len(trained) == 1 + scored.hops
    assert min(trained[1:]) > 0.5 > max(untrained)


def test_modules_that_were_evaluated_are_scored_even_where_a_unit_has_too_many(scored: AutoBuild) -> None:
    rows = training_rows(scored)[:20]
    columns = list(scored.unit_columns()["stage3"])
    assert columns == scored.layers.of_unit("stage3")
    modules = {tuple(sorted(module.decisions.items())) for module in scored.module_scores("stage3", most=30, among=rows)}
    decisions = scored.layers.decisions
    for row, active in zip(rows, decisions.active(rows), strict=True):
        named = {decisions.names[c]: decisions.choices[c].options[row[c]] for c in columns if active[c]}
        assert tuple(sorted(named.items())) in modules


def test_path_encoding_is_that_of_bananas(encoding: Encoding, cells: Rows) -> None:
    """5 + 25 + 125 bits: a path's number is the offset of its length and its operators as digits of base 5."""
    edges = {(0, 1): 0, (0, 2): 1, (1, 2): 2, (0, 3): 3, (1, 3): 4, (2, 3): 5}
    found = encoding.variant("paths").features(cells)
    for row, bits in zip(cells, found, strict=True):
        expected = set()
        for path in ((0, 3), (0, 1, 3), (0, 2, 3), (0, 1, 2, 3)):
            operators = [int(row[edges[edge]]) for edge in itertools.pairwise(path)]
            expected.add(sum(5**n for n in range(1, len(operators))) + sum(o * 5**n for n, o in enumerate(operators)))
        assert set(np.flatnonzero(bits)) == expected
    assert found.shape == (60, 155)


def test_live_paths_are_those_of_the_cell_graph(encoding: Encoding, cells: Rows) -> None:
    from search_spaces.cells.nas_bench_201 import cell_graph

    space = open_space("cells:nas-bench-201")
    found = encoding.variant("live-paths").features(cells)
    for architecture, counts in zip(space.decode(cells), found, strict=True):
        graph = cell_graph(architecture)
        assert counts.sum() == len(list(nx.all_simple_paths(graph, 0, 3)))


@pytest.mark.parametrize("name", ["cells:nas-bench-201", "cells:darts", "cells:nasnet"])
def test_cell_graphs_are_acyclic_and_tell_architectures_apart(name: str) -> None:
    space = open_space(name)
    rows = np.unique(space.decisions.sample(np.random.default_rng(2), 30), axis=0)
    nodes, adjacency = space.encoding.graphs(np.asfortranarray(rows))
    assert not np.linalg.matrix_power(adjacency.astype(np.int64), nodes.shape[1]).any()
    flat = np.concatenate([nodes.reshape(len(rows), -1), adjacency.reshape(len(rows), -1)], axis=1)
    assert len(np.unique(flat, axis=0)) == len(rows)
    features = space.encoding.features(np.asfortranarray(rows))
    assert len(np.unique(features, axis=0)) == len(rows)
    assert sum(space.encoding.groups) == features.shape[1]


def test_operators_of_darts_read_those_of_their_state() -> None:
    space = open_space("cells:darts")
    row = space.encode([space.known["darts-v1"]])
    nodes, adjacency = space.encoding.graphs(row)
    genotype = next(iter(space.graphs(space.known["darts-v1"]).values())) if space.graphs else nx.DiGraph()
    blocks = [state for state in genotype if isinstance(state, int) and state >= 2]
    for state in blocks:
        reads = sum(
            1 if source < 2 else 2 for source in genotype.predecessors(state) for _ in _parallel(genotype, source, state)
        )
        own = adjacency[0, :, [2 + 2 * (state - 2), 3 + 2 * (state - 2)]].sum()
        assert own == reads
    assert adjacency[0, :, 10].sum() == 8
    assert nodes.shape[1] == 2 * 11


def _parallel(graph: nx.DiGraph, source: int, state: int) -> list[str]:
    return str(graph.edges[source, state]["label"]).split(" + ")


def test_darts_paths_count_sequences_of_operators() -> None:
    space = open_space("cells:darts")
    rows = space.decisions.sample(np.random.default_rng(3), 5)
    found = space.encoding.variant("paths").features(rows)
    assert found.shape == (5, 2 * 2 * (7 + 49))
    assert set(np.unique(found)) == {0.0, 1.0}
    for architecture, bits in zip(space.decode(rows), found.reshape(5, 2, 2, 56), strict=True):
        assert space.graphs is not None
        for graph, cell in zip(space.graphs(architecture).values(), bits, strict=True):
            kinds = set()
            for source in (0, 1):
                for state in graph.successors(source):
                    if state != "output":
                        kinds |= {(source, name) for name in _parallel(graph, source, state)}
            assert sum(map(len, [kinds])) == cell[:, :7].sum()


def test_depths_condition_what_layers_there_are() -> None:
    decisions = open_space("mbconv:ofa").decisions
    name = "stage1.block4.kernel"
    smallest, largest = decisions.smallest(), decisions.largest()
    assert not evaluate(decisions.conditions[name], decisions.codes(smallest))[0]
    assert evaluate(decisions.conditions[name], decisions.codes(largest))[0]
    assert len(Layers(decisions).nodes(smallest).graph) == 10
    assert len(Layers(decisions).nodes(largest).graph) == 20


def test_installed_predictors_say_where_they_come_from() -> None:
    for name in ("autobuild", "gcn", "gp", "mlp", "mlp-ensemble", "trees"):
        found = open_predictor(name)
        assert found.summary
        assert found.source
