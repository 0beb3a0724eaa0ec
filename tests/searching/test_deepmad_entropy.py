"""The entropy of networks: the published ones, by their operators; and which networks have none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mad_networks import PUBLISHED, R18, Published, SuperBlock, by_hand, figures_of, network, resnet50
from torch import nn

from nas.choices import evaluate
from nas.elastic import walk
from nas.searching.entropy import Chain, EntropyOfRows, NotChain, read_chain
from nas.supernet import open_space


def close(found: float, published: float) -> bool:
    """Within a thousandth; published numbers may be rounded more coarsely than that."""
    return abs(found - published) <= 1e-3 * abs(published)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_have_the_published_figures(name: str) -> None:
    published: Published = PUBLISHED[name]
    found = figures_of(network(published))
    assert close(found.entropy[0], published.entropy)
    assert close(found.effectiveness[0], published.effectiveness)
    assert close(found.penalty[0], published.penalty) or published.penalty == round(found.penalty[0])


def test_resnet50_has_the_published_figures() -> None:
    """The max pool is a stride of its own, projections are no layers: 49 convolutions."""
    chain = read_chain(walk(resnet50(), (3, 224, 224)))
    assert sum(len(stage.layers) for stage in chain.stages) == 49
    found = figures_of(resnet50())
    assert close(found.entropy[0], 16_977)
    assert close(found.effectiveness[0], 0.0891)


@pytest.mark.parametrize(("name", "side"), [("deepmad-R18", 224), ("deepmad-R18", 97), ("deepmad-29M-224", 224)])
def test_the_figures_are_those_of_the_formulas_written_out(name: str, side: int) -> None:
    published = PUBLISHED[name]
    found = figures_of(network(published), side)
    expected = by_hand(published.stem, published.blocks, published.last, side)
    assert np.allclose([found.entropy[0], found.effectiveness[0], found.penalty[0]], expected, rtol=1e-9)


@pytest.mark.parametrize("preset", ["bottleneck", "depthwise"])
def test_rows_have_the_figures_of_their_networks(preset: str) -> None:
    space = open_space(f"mad:{preset}")
    rows = space.decisions.sample(np.random.default_rng(3), 200)
    found = EntropyOfRows(space.decisions, read_chain(space.counting_walk()))(rows)
    for index, architecture in enumerate(space.decode(rows)):
        chosen = dict(architecture.decisions)
        strides = (2, 2, 2, 1, 2) if preset == "bottleneck" else (2, 2, 2, 2, 1)
        parts = ("kernel", "middle", "width", "depth")
        blocks = tuple(
            SuperBlock(*(int(chosen[f"block{number}.{part}"]) for part in parts), stride)
            for number, stride in enumerate(strides, 1)
        )
        expected = by_hand(int(chosen["stem.width"]), blocks, None if preset == "bottleneck" else 1792)
        figures = found.entropy[index], found.effectiveness[index], found.penalty[index]
        assert np.allclose(figures, expected, rtol=1e-9)


def test_known_networks_of_the_space_are_the_published_ones() -> None:
    space = open_space("mad:bottleneck")
    rows = space.encode([space.known[name] for name in ("deepmad-r18", "deepmad-r34", "deepmad-r50")])
    found = EntropyOfRows(space.decisions, read_chain(space.counting_walk()))(rows)
    published = [PUBLISHED[f"deepmad-{name}"] for name in ("R18", "R34", "R50")]
    assert np.allclose(found.entropy, [one.entropy for one in published], rtol=1e-3)
    assert np.allclose(found.effectiveness, [one.effectiveness for one in published], rtol=1e-3)
    assert np.allclose(found.penalty, [one.penalty for one in published], rtol=1e-3)


@pytest.mark.parametrize("name", ["mbconv:single-path", "mbconv:ofa-resnet50"])
def test_rows_of_other_spaces_have_the_figures_of_one_network_at_a_time(name: str) -> None:
    space = open_space(name)
    chain = read_chain(space.counting_walk())
    rows = space.decisions.sample(np.random.default_rng(1), 4)
    found = EntropyOfRows(space.decisions, chain)(rows)
    for index, row in enumerate(rows):
        expected = one_by_one(chain, dict(zip(space.decisions.names, row.tolist(), strict=True)))
        assert np.allclose([found.entropy[index], found.effectiveness[index]], expected, rtol=1e-9)


def one_by_one(chain: Chain, codes: dict[str, int]) -> tuple[float, float]:
    """Entropy and effectiveness, from the convolutions that one architecture runs."""
    total, layers, entropy, worst = 0.0, 0, 0.0, 0.0
    for weight, stage in zip((1, 1, 1, 1, 8), chain.stages, strict=True):
        for layer in stage.layers:
            if evaluate(layer.count, codes):
                total += 0.5 * math.log(evaluate(layer.fan_in, codes))
                layers += 1
        channels, height, width = (evaluate(size, codes) for size in stage.output[1:])
        entropy += weight * math.log(channels * height * width) * total
        worst = max(worst, layers / math.exp(2 * total / layers))
    return entropy, worst


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cells:nas-bench-201", "graphs"),
        ("cells:nats-size", "graphs"),
        ("vit:autoformer-t", "attention"),
        ("mbconv:spos", "concatenation"),
    ],
)
def test_networks_that_are_no_chains_say_why(name: str, reason: str) -> None:
    with pytest.raises(NotChain, match=reason):
        read_chain(open_space(name).counting_walk())


def test_a_network_of_other_than_five_stages_says_how_many() -> None:
    blocks = R18[:3]
    three = network(Published(32, blocks, None, 0, 0, 0))
    with pytest.raises(NotChain, match="4 stages"):
        read_chain(walk(three, (3, 224, 224)))


def test_a_network_without_blocks_is_refused() -> None:
    plain = nn.Sequential(*(nn.Conv2d(3, 3, 3, 2, 1) for _ in range(5)), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    with pytest.raises(NotChain, match="no block"):
        read_chain(walk(plain, (3, 64, 64)))
