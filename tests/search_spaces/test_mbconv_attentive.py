"""The spaces of AttentiveNAS and BigNAS are the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from mobile_counts import Block, mobile_macs
from torch import nn

from nas.supernet import Space, Supernet, open_space
from search_spaces.mbconv.attentive import attentive

Table = dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...], int, bool]]

ATTENTIVE: Table = {
    "mb1": ((16, 24), (1, 2), (3, 5), (1,), 1, False),
    "mb2": ((24, 32), (3, 4, 5), (3, 5), (4, 5, 6), 2, False),
    "mb3": ((32, 40), (3, 4, 5, 6), (3, 5), (4, 5, 6), 2, True),
    "mb4": ((64, 72), (3, 4, 5, 6), (3, 5), (4, 5, 6), 2, False),
    "mb5": ((112, 120, 128), (3, 4, 5, 6, 7, 8), (3, 5), (4, 5, 6), 1, True),
    "mb6": ((192, 200, 208, 216), (3, 4, 5, 6, 7, 8), (3, 5), (6,), 2, True),
    "mb7": ((216, 224), (1, 2), (3, 5), (6,), 1, True),
}
BIGNAS: Table = {
    "mb1": ((16, 24), (1, 2), (3,), (1,), 1, True),
    "mb2": ((24, 32), (2, 3), (3,), (6,), 2, True),
    "mb3": ((40, 48), (2, 3), (3, 5), (6,), 2, True),
    "mb4": ((80, 88), (2, 3, 4), (3, 5), (6,), 2, True),
    "mb5": ((112, 120, 128), (2, 3, 4, 5, 6), (3, 5), (6,), 1, True),
    "mb6": ((192, 200, 208, 216), (2, 3, 4, 5, 6), (3, 5), (6,), 2, True),
    "mb7": ((320, 352), (1, 2), (3, 5), (6,), 1, True),
}
SPACES: dict[str, tuple[Table, dict[str, tuple[int, ...]]]] = {
    "attentive": (ATTENTIVE, {"resolution": (192, 224, 256, 288), "stem.width": (16, 24), "last.width": (1792, 1984)}),
    "bignas": (BIGNAS, {"resolution": (192, 224, 288, 320), "stem.width": (32, 40), "last.width": (1280, 1408)}),
}


def decisions(name: str) -> dict[str, tuple[int, ...]]:
    """Every decision with its options."""
    table, rest = SPACES[name]
    options = dict(rest)
    for stage, (width, depth, kernel, expand, _, _) in table.items():
        figures = {"width": width, "depth": depth, "kernel": kernel, "expand": expand}
        options |= {f"{stage}.{what}": legal for what, legal in figures.items() if len(legal) > 1}
    return options


def macs(name: str, architecture: Mapping[str, Any]) -> int:
    """By the formula of layers."""
    blocks: list[Block] = []
    for stage, (width, depth, kernel, expand, stride, squeeze) in SPACES[name][0].items():
        out, count, side, ratio = (
            architecture.get(f"{stage}.{what}", options[0])
            for what, options in (("width", width), ("depth", depth), ("kernel", kernel), ("expand", expand))
        )
        blocks += [(out, side, ratio, stride if index == 0 else 1, squeeze) for index in range(count)]
    last = architecture["last.width"]
    head = [6 * blocks[-1][0], last] if name == "attentive" else [last]
    return mobile_macs(architecture["resolution"], architecture["stem.width"], blocks, head, True, name == "attentive")


@pytest.fixture(scope="module", params=SPACES)
def space(request: pytest.FixtureRequest) -> Space:
    return open_space(f"mbconv:{request.param}")


@pytest.fixture(scope="module")
def alpha() -> Space:
    return open_space("mbconv:attentive")


def test_the_decisions_are_the_published_ones(space: Space) -> None:
    found = {choice.name: choice.options for choice in space.decisions.choices}
    expected = decisions(space.name.partition(":")[2])
    assert found == expected
    size = 1
    for options in expected.values():
        size *= len(options)
    assert space.size == size, "all is decided for a stage, so that no decision ever idles"


def test_multiply_adds_are_those_of_the_layers(space: Space) -> None:
    name = space.name.partition(":")[2]
    architectures = [*space.sample(np.random.default_rng(1), 200), space.smallest, space.largest]
    assert space.cost("macs", architectures).tolist() == [macs(name, architecture) for architecture in architectures]


PUBLISHED = {"a0": 203, "a1": 279, "a2": 317, "a3": 357, "a4": 444, "a5": 491, "a6": 709}
"""Millions of multiply-adds in the authors' table (Wang et al., AttentiveNAS, 2021)."""


def test_the_published_networks_have_the_published_counts(alpha: Space) -> None:
    assert set(alpha.known) == set(PUBLISHED)
    for name, published in PUBLISHED.items():
        assert round(alpha.cost("macs", alpha.known[name]) / 1e6) == published


def test_published_counts_to_the_thousand(alpha: Space) -> None:
    for name, millions in {"a0": 203.390, "a1": 279.239, "a6": 709.007}.items():
        assert round(alpha.cost("macs", alpha.known[name]) / 1e6, 3) == millions
    assert round(alpha.cost("macs", alpha.largest) / 1e6, 1) == 1939.3
    assert alpha.known["a0"] == alpha.smallest


def test_a_published_network_as_its_table_says(alpha: Space) -> None:
    """A3 is the one with two blocks in its first stage."""
    a3 = alpha.known["a3"]
    stages = [f"mb{number}" for number in range(1, 8)]
    assert [a3[f"{stage}.width"] for stage in stages] == [16, 24, 32, 64, 112, 208, 224]
    assert [a3[f"{stage}.depth"] for stage in stages] == [2, 3, 3, 4, 3, 5, 1]
    assert [a3[f"{stage}.kernel"] for stage in stages] == [3, 3, 3, 5, 3, 3, 3]
    assert [a3[f"{stage}.expand"] for stage in stages[1:5]] == [4, 4, 4, 4]
    assert (a3["resolution"], a3["stem.width"], a3["last.width"]) == (224, 16, 1984)


def shortcut_convolutions(supernet: Supernet, architecture: Mapping[str, Any]) -> set[str]:
    """First blocks of stages ('mb1') whose shortcut has a convolution."""
    extracted = supernet.extract(architecture)
    found = {name for name, module in extracted.named_modules() if ".shortcut." in name and isinstance(module, nn.Conv2d)}
    assert all(name.split(".")[3] == "0" for name in found), "inside a stage widths agree"
    return {f"mb{int(name.split('.')[1]) + 1}" for name in found}


def test_a_shortcut_has_a_convolution_exactly_where_widths_differ(alpha: Space) -> None:
    supernet = alpha.supernet(3, 32, 10)
    always = {"mb4", "mb5", "mb6"}
    small = dict(alpha.smallest)
    assert shortcut_convolutions(supernet, small) == always | {"mb2", "mb3", "mb7"}
    assert shortcut_convolutions(supernet, small | {"mb1.width": 24}) == always | {"mb1", "mb3", "mb7"}
    assert shortcut_convolutions(supernet, small | {"stem.width": 24}) == always | {"mb1", "mb2", "mb3", "mb7"}
    assert shortcut_convolutions(supernet, small | {"mb2.width": 32, "mb6.width": 216}) == always | {"mb2"}


def test_every_block_has_a_shortcut_which_pools_where_it_strides(space: Space) -> None:
    extracted = space.supernet(3, 32, 10).extract(space.largest)
    run = [extracted.get_submodule(str(node.target)) for node in extracted.graph.nodes if node.op == "call_module"]
    blocks = sum(len(stage.blocks) for stage in space.supernet(3, 32, 10).network.stages)  # type: ignore[union-attr]
    assert sum("add" in node.name for node in extracted.graph.nodes) == blocks
    assert [m.kernel_size for m in run if isinstance(m, nn.AvgPool2d)] == [2] * 4
    depthwise = [m for m in run if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert [m.stride[0] for m in depthwise].count(2) == 4
    assert any(isinstance(m, nn.SiLU) for m in run)


def test_a_smaller_kernel_is_the_centre_of_the_larger(alpha: Space) -> None:
    supernet = alpha.supernet(3, 32, 10)
    large, small = (
        supernet.extract(dict(alpha.largest) | {"mb2.kernel": kernel}).get_submodule("stages.1.blocks.0.depthwise.conv")
        for kernel in (5, 3)
    )
    assert isinstance(large, nn.Conv2d) and isinstance(small, nn.Conv2d)
    assert torch.equal(small.weight, large.weight[..., 1:-1, 1:-1])


def test_blocks_can_begin_as_their_shortcuts_alone() -> None:
    supernet = attentive(zero_init=True).supernet(3, 32, 10)
    network = supernet.network
    x = torch.randn(2, 24, 5, 5)
    block = network.get_submodule("stages.0.blocks.1")
    assert torch.equal(block(x), x)
    ordinary = attentive().supernet(3, 32, 10).network.get_submodule("stages.0.blocks.1")
    assert not torch.equal(ordinary(x), x)
