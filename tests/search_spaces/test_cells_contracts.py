"""What every space of cells must keep, and what its operators compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from cells_spaces import NAMES, SMALL, small
from exactness import assert_exact
from torch import nn

from nas.elastic.drop_path import DropPath, with_drop_path
from nas.exporting import export_onnx
from nas.supernet import open_space
from nas.training import Recipe
from nas.training.regularisers import Regularisers
from search_spaces.cells.operators import DARTS_OPERATORS, NASNET_OPERATORS, FactorisedReduction, Place


@pytest.mark.parametrize("name", NAMES)
def test_supernet_extracted_networks_and_counts_agree(name: str) -> None:
    space = small(name)
    rows = space.decisions.sample(np.random.default_rng(0), 1)
    known = space.encode([list(space.known.values())[-1]])
    extremes = space.encode([space.smallest, space.largest])
    assert_exact(space, np.concatenate([rows, known, *([] if name == "nasnet" else [extremes])]), SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_fifty_architectures_of_the_preset_agree(name: str) -> None:
    space = open_space(f"cells:{name}")
    assert_exact(space, space.decisions.sample(np.random.default_rng(1), 50), SMALL)


@pytest.mark.parametrize("name", NAMES)
def test_the_algebra_is_closed(name: str) -> None:
    space = small(name)
    rng = np.random.default_rng(2)
    drawn = space.sample(rng, 30)
    rows = space.encode(drawn)
    assert space.decode(rows) == drawn
    assert space.from_one_hot(space.one_hot(drawn)) == drawn
    for first, second in zip(drawn[:10], drawn[10:20], strict=True):
        for child in (space.mutate(first, rng, 0.3), space.crossover(first, second, rng)):
            assert space.validate(dict(child)) == child
    neighbours = space.neighbours(drawn[0])
    assert len(set(neighbours)) == len(neighbours) > 10
    assert all(space.validate(dict(neighbour)) == neighbour for neighbour in neighbours[:20])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nats-size", *NAMES[:3]])
def test_onnx_computes_the_same(name: str, tmp_path: Path) -> None:
    space = small(name)
    images = torch.randn(1, *SMALL.input_shape, generator=torch.Generator().manual_seed(3))
    supernet = space.supernet(SMALL.channels, SMALL.resolution, SMALL.classes)
    row = space.decisions.sample(np.random.default_rng(3), 1)[0]
    supernet.activate(row)
    extracted = supernet.extract(row, supernet.calibrate([images])).eval()
    export_onnx(extracted, tmp_path / "network.onnx", SMALL.input_shape, {})
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx", providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: images.numpy()})[0]
    np.testing.assert_allclose(found, extracted(images).detach().numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES[:3])
def test_cells_are_drawn_as_labelled_graphs(name: str) -> None:
    space = small(name)
    assert space.graphs is not None
    graphs = space.graphs(next(iter(space.known.values())))
    assert list(graphs) == (["cell"] if name == "nas-bench-201" else ["normal cell", "reduction cell"])
    for graph in graphs.values():
        assert all("label" in data for _, data in graph.nodes(data=True))
        assert all("label" in data for *_, data in graph.edges(data=True))


@pytest.mark.parametrize("side", [7, 8])
@pytest.mark.parametrize("operators", [DARTS_OPERATORS, NASNET_OPERATORS], ids=["darts", "nasnet"])
def test_every_operator_keeps_the_map_or_halves_it(operators: dict[str, object], side: int) -> None:
    x = torch.randn(2, 6, side, side)
    for name, make in operators.items():
        for stride in (1, 2):
            result = make(Place(6, 6, stride, side))(x)  # type: ignore[operator]
            assert result.shape == (2, 6, -(-side // stride), -(-side // stride)), name


@pytest.mark.parametrize("side", [7, 8])
def test_the_second_half_of_a_factorised_reduction_sees_the_odd_pixels(side: int) -> None:
    reduction = FactorisedReduction(Place(1, 2, 2, side), relu=False)
    for conv in (reduction.first, reduction.second):
        nn.init.ones_(conv.weight)
    reduction.norm = nn.Identity()  # type: ignore[assignment]
    x = torch.randn(1, 1, side, side)
    even, odd = reduction(x)[0]
    torch.testing.assert_close(even, x[0, 0, ::2, ::2])
    torch.testing.assert_close(odd[: side // 2, : side // 2], x[0, 0, 1::2, 1::2])
    assert (odd[side // 2 :] == 0).all()


def test_a_mean_does_not_count_what_is_around_the_map() -> None:
    pool = DARTS_OPERATORS["avg_pool_3x3"](Place(1, 1, 1, 4))
    torch.testing.assert_close(pool(torch.ones(1, 1, 4, 4)), torch.ones(1, 1, 4, 4))


def test_a_separable_convolution_is_depthwise_and_pointwise_twice() -> None:
    network = DARTS_OPERATORS["sep_conv_5x5"](Place(4, 6, 2, 8))
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels, m.groups, m.kernel_size[0], m.stride[0]) for m in convolutions] == [
        (4, 4, 4, 5, 2),
        (4, 6, 1, 1, 1),
        (6, 6, 6, 5, 1),
        (6, 6, 1, 1, 1),
    ]


def test_drop_path_is_off_until_it_is_told_of_progress() -> None:
    path = DropPath(0.3)
    x = torch.randn(8, 2, 3, 3)
    assert path(x) is x
    path.set_progress(1.0)
    assert path.eval()(x) is x


def test_drop_path_grows_with_training_and_depth() -> None:
    """Zoph et al. 2018: keep = 1 - t (1 - (1 - r (1 - k))) for the share t of training and the share r of the cells."""
    network = nn.ModuleList([DropPath(0.4, depth) for depth in (0.25, 0.5, 1.0)])
    for fraction in (0.0, 0.5, 1.0, 2.0):
        Regularisers(network, Recipe()).set_progress(fraction)
        done = min(fraction, 1.0)
        keeps = [1 - done * (1 - (1 - depth * (1 - 0.6))) for depth in (0.25, 0.5, 1.0)]
        assert [1 - path.probability for path in network] == pytest.approx(keeps)  # type: ignore[union-attr]


def test_drop_path_zeroes_examples_and_keeps_the_mean() -> None:
    path = DropPath(0.25)
    path.set_progress(1.0)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        result = path(torch.ones(4000, 2, 2, 2))
    values = result.flatten(1)
    assert ((values == 0).all(1) | (values == 1 / 0.75).all(1)).all()
    assert result.mean().item() == pytest.approx(1.0, abs=0.03)


def test_identities_are_never_dropped() -> None:
    assert isinstance(with_drop_path(nn.Identity(), 0.3), nn.Identity)
    assert isinstance(with_drop_path(nn.ReLU(), 0.0), nn.ReLU)
    assert isinstance(with_drop_path(nn.ReLU(), 0.3)[1], DropPath)  # type: ignore[index]


def test_an_extracted_network_has_no_drop_path() -> None:
    from search_spaces.cells.darts import darts_space

    space = darts_space(channels=4, cells=3, drop_path=0.3, task=SMALL)
    supernet = space.supernet(SMALL.channels, SMALL.resolution, SMALL.classes)
    supernet.activate(space.largest)
    supernet.train()
    Regularisers(supernet, Recipe()).set_progress(1.0)
    images = torch.randn(4, *SMALL.input_shape)
    assert (supernet(images) - supernet(images)).abs().max() > 1e-4
    supernet.eval()
    extracted = supernet.extract(space.largest)
    assert F.mse_loss(extracted(images), extracted(images)) == 0
    assert not any("bernoulli" in str(node.target) for node in extracted.graph.nodes)
