"""The spaces of DeepMAD: what a row costs and computes is what its own network does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.base.errors import NasError
from nas.costs import CompiledCost, macs_terms, memory_cost, parameter_terms
from nas.supernet import Task, open_space

NAMES = ["mad:bottleneck", "mad:depthwise"]


@pytest.mark.parametrize("name", NAMES)
def test_costs_of_rows_are_those_of_their_networks(name: str) -> None:
    """Blocks that repeat are recorded once; networks built by themselves hold every one."""
    space = open_space(name)
    rows = space.decisions.sample(np.random.default_rng(2), 3)
    for row in rows:
        found = space.walk_of(row)
        for metric, terms in (("macs", macs_terms(found)), ("params", parameter_terms(found))):
            alone = CompiledCost(space.decisions, terms)(row[None])
            assert space.compiled(metric)(row[None])[0] == alone[0]


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_the_built_network(name: str) -> None:
    space = open_space(name)
    row = space.decisions.smallest()
    row[0, 4::4] = (2, 3, 0, 5, 1)
    row[0, 1::4] = (3, 3, 9, 9, 12)
    task = Task(3, 32, 10)
    network = space.network_of(row[0], task, 0).eval()
    assert sum(weight.numel() for weight in network.parameters()) == space.compiled("params", task)(row)[0]
    assert type(network).__module__.startswith("torch.fx")
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        scores = network(images)
    assert scores.shape == (4, 10)
    assert float((scores - scores[:1]).abs().max()) > 0


@pytest.mark.parametrize("name", NAMES)
def test_memory_is_that_of_the_network_alone(name: str) -> None:
    space = open_space(name)
    for row in space.decisions.sample(np.random.default_rng(4), 2):
        alone = memory_cost(space.decisions, space.walk_of(row))(row[None])
        assert space.compiled("memory")(row[None])[0] == alone[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_smallest_network_costs_least(name: str) -> None:
    space = open_space(name)
    rows = space.decisions.sample(np.random.default_rng(0), 500)
    for metric in ("macs", "params"):
        cost = space.compiled(metric)
        assert cost.minimum() == cost(space.decisions.smallest())[0]
        assert cost(rows).min() >= cost.minimum()


def test_random_networks_keep_the_rules_of_the_search() -> None:
    space = open_space("mad:bottleneck")
    rows = space.decisions.sample(np.random.default_rng(0), 2000)
    columns = {choice.name: np.array(choice.options)[rows[:, c]] for c, choice in enumerate(space.decisions.choices)}
    before = columns["stem.width"]
    for number in range(1, 6):
        width, middle = columns[f"block{number}.width"], columns[f"block{number}.middle"]
        assert (width >= before).all()
        assert (width <= 4 * before).all()
        assert (middle <= width).all()
        assert (middle >= width / 10 - 4).all()
        before = width
    assert columns["block1.depth"].max() == 3


def test_published_networks_have_the_published_size() -> None:
    """Multiply-adds of convolutions; the authors count activations and pools, too."""
    space = open_space("mad:bottleneck")
    for name, macs, params in (("r18", 1.82e9, 11.69e6), ("r34", 3.68e9, 21.8e6), ("r50", 4.13e9, 25.55e6)):
        known = space.known[f"deepmad-{name}"]
        assert 0.97 * macs <= space.cost("macs", known) <= macs
        assert 0.99 * params <= space.cost("params", known) <= params


def test_there_is_no_supernet_and_no_latency() -> None:
    space = open_space("mad")
    with pytest.raises(NasError, match="no supernet"):
        space.supernet()
    with pytest.raises(NasError, match="metric"):
        space.compiled("pixel-latency")
