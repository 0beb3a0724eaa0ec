"""HyTra: the published networks, and decisions that name each path once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.base.errors import NasError
from nas.choices import evaluate
from nas.supernet import Space, Task, open_space
from search_spaces.hytra import BOSSNET, Form, hytra
from search_spaces.hytra.fabric import Fabric
from search_spaces.hytra.paths import OPERATORS, Path, parse_lists, paths


@pytest.fixture(scope="module")
def bossnet() -> Space:
    return open_space("hytra:bossnet")


@pytest.fixture(scope="module")
def short() -> Space:
    """Three layers: small enough to look at every path."""
    return hytra("hytra:short", Form(), "", "", layers=3)


def path_of(space: Space, row: np.ndarray, layers: int) -> Path:
    """The path that a row says, by way of the symbolic scales."""
    fabric = Fabric.of(layers)
    codes = dict(zip(space.decisions.names, row.tolist(), strict=True))
    scales = [int(evaluate(scale, codes)) for scale in fabric.scales()]
    kinds = [operator.options[codes[operator.name]] for operator in fabric.operators]
    return tuple((s, str(kind) if len(OPERATORS[s]) > 1 else OPERATORS[s][0]) for s, kind in zip(scales, kinds, strict=True))


def test_bossnet_t0_has_the_published_multiply_adds(bossnet: Space) -> None:
    """3.4 G at 224 px, and 5.7 G at the higher test resolution, which these figures show to be 288 px."""
    network = bossnet.known["bossnet-t0"]
    assert bossnet.cost("macs", network) / 1e9 == pytest.approx(3.4, abs=0.05)
    assert bossnet.cost("macs", network, Task(3, 288, 1000)) / 1e9 == pytest.approx(5.7, abs=0.05)


def test_bossnet_t1_has_the_published_multiply_adds() -> None:
    """7.9 G at 224 px, and 10.5 G at the higher test resolution, which these figures show to be 256 px."""
    space = open_space("hytra:bossnet-t1")
    network = space.known["bossnet-t1"]
    assert space.cost("macs", network) / 1e9 == pytest.approx(7.9, abs=0.05)
    assert space.cost("macs", network, Task(3, 256, 1000)) / 1e9 == pytest.approx(10.5, abs=0.05)


def test_the_size_is_the_published_one(bossnet: Space) -> None:
    assert bossnet.size == 2_818_103


def test_every_path_has_one_identity(short: Space) -> None:
    grid = np.stack([g.ravel() for g in np.meshgrid(*map(np.arange, short.decisions.cardinalities), indexing="ij")], axis=1)
    rows = np.unique(short.decisions.check(grid), axis=0)
    found = [path_of(short, row, 3) for row in rows]
    assert len(set(found)) == len(found) == short.size
    assert set(found) == set(paths(3, (3, 2, 1, 0)))


def test_counts_beyond_the_end_are_clipped(short: Space) -> None:
    chosen = {"start": "14x14", "layers.14x14": 3, "layer1.operator": "attention", "layer2.operator": "attention"}
    rows = short.encode([{**chosen, "layer3.operator": "attention"}])
    assert short.decisions.names[:4] == ("start", "layers.56x56", "layers.28x28", "layers.14x14")
    beyond = open_space("hytra").decisions
    row = np.zeros((1, len(beyond)), dtype=np.int64)
    row[0, :4] = [3, 9, 15, 15]
    assert beyond.check(row)[0, :4].tolist() == [3, 9, 5, 0]
    assert path_of(short, rows[0], 3) == ((1, "attention"),) * 3


def test_known_networks_are_the_published_lists(bossnet: Space) -> None:
    row = bossnet.encode([bossnet.known["bossnet-t0"]])[0]
    assert path_of(bossnet, row, 16) == parse_lists(BOSSNET)


def test_a_network_has_the_maps_and_widths_of_its_path(bossnet: Space) -> None:
    supernet = bossnet.supernet(3, 32, 10)
    network = supernet.extract(bossnet.known["bossnet-t0"]).eval()
    shapes: list[tuple[int, ...]] = []
    for name, module in network.named_modules():
        if name.endswith(".expand.0"):
            module.register_forward_hook(lambda _m, _i, output: shapes.append(tuple(output.shape[1:])))
    network(torch.zeros(1, 3, 32, 32))
    assert shapes == [(64, 32, 32), (128, 16, 16)] + [(256, 8, 8)] * 5 + [(512, 4, 4)] * 9


def test_supernet_and_extracted_network_agree() -> None:
    space = open_space("hytra:bossnas")
    supernet = space.supernet(3, 32, 10, seed=3)
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for parameter in supernet.parameters():  # the last norm of each block starts at zero, which would hide its branch
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel())))
    for architecture in space.sample(rng, 3):
        supernet.activate(architecture)
        images = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        statistics = supernet.calibrate([images])
        supernet.eval()
        network = supernet.extract(architecture, statistics).eval()
        for count in (1, 5):
            with torch.no_grad(), supernet.using(statistics):
                expected = supernet(images[:count])
            torch.testing.assert_close(network(images[:count]), expected, atol=1e-5, rtol=1e-4)


def test_resolutions_that_cannot_be_halved_are_told(bossnet: Space) -> None:
    with pytest.raises(NasError, match=r"multiple of 32; given 200"):
        bossnet.walk(Task(3, 200, 10))
