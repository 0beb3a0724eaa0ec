"""The two mobile spaces of Once-for-All are the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from mobile_counts import Block, mobile_macs
from torch import nn

from nas.elastic import ElasticTransformedConv2d
from nas.supernet import Space, open_space
from search_spaces.mbconv.ofa import ofa

PATHS_PER_STAGE = 9**2 + 9**3 + 9**4
"""Three kernels and three expansions a block, two to four blocks."""

RESOLUTIONS = tuple(range(128, 225, 4))

Rows = list[tuple[int, int, int, bool]]
"""Width, stride, greatest depth, squeeze-and-excitation of each searched stage."""

STAGES: dict[str, Rows] = {
    "ofa": [(24, 2, 4, False), (40, 2, 4, True), (80, 2, 4, False), (112, 1, 4, True), (160, 2, 4, True)],
    "ofa-proxyless": [
        (24, 2, 4, False),
        (40, 2, 4, False),
        (80, 2, 4, False),
        (96, 1, 4, False),
        (192, 2, 4, False),
        (320, 1, 1, False),
    ],
}


def macs(name: str, architecture: Mapping[str, Any]) -> int:
    """By the formula of layers."""
    blocks: list[Block] = [(16, 3, 1, 1, False)]
    for number, (width, stride, depth, squeeze) in enumerate(STAGES[name], 1):
        for index in range(1, architecture.get(f"stage{number}.depth", depth) + 1):
            block = f"stage{number}.block{index}"
            kernel, expand = architecture[f"{block}.kernel"], architecture[f"{block}.expand"]
            blocks.append((width, kernel, expand, stride if index == 1 else 1, squeeze))
    if name == "ofa":
        return mobile_macs(architecture["resolution"], 16, blocks, [960, 1280], shortcuts=False, mixing=True)
    return mobile_macs(architecture["resolution"], 32, blocks, [1280], shortcuts=False, mixing=False)


@pytest.fixture(scope="module", params=STAGES)
def space(request: pytest.FixtureRequest) -> Space:
    return open_space(f"mbconv:{request.param}")


@pytest.fixture(scope="module")
def mobile() -> Space:
    return open_space("mbconv:ofa")


def test_the_size_is_the_published_one(mobile: Space) -> None:
    """The paper's 2 x 10^19 counts networks without their resolution, of which there are 25."""
    assert mobile.size == len(RESOLUTIONS) * PATHS_PER_STAGE**5
    assert f"{mobile.size / 25:.2e}" == "2.18e+19"


def test_the_last_stage_of_the_proxyless_variant_is_one_searched_block() -> None:
    space = open_space("mbconv:ofa-proxyless")
    assert space.size == len(RESOLUTIONS) * PATHS_PER_STAGE**5 * 9
    assert "stage6.depth" not in space.decisions.column and "stage6.block1.kernel" in space.decisions.column


def test_decisions_are_for_each_block(space: Space) -> None:
    found = {choice.name: choice.options for choice in space.decisions.choices}
    expected: dict[str, tuple[int, ...]] = {"resolution": RESOLUTIONS}
    for number, (_, _, depth, _) in enumerate(STAGES[space.name.partition(":")[2]], 1):
        if depth > 1:
            expected[f"stage{number}.depth"] = (2, 3, 4)
        for index in range(1, depth + 1):
            expected[f"stage{number}.block{index}.kernel"] = (3, 5, 7)
            expected[f"stage{number}.block{index}.expand"] = (3, 4, 6)
    assert found == expected


def test_multiply_adds_are_those_of_the_layers(space: Space) -> None:
    name = space.name.partition(":")[2]
    architectures = [*space.sample(np.random.default_rng(1), 200), space.smallest, space.largest]
    assert space.cost("macs", architectures).tolist() == [macs(name, architecture) for architecture in architectures]


def test_all_networks_together_have_the_published_parameters(mobile: Space) -> None:
    """7.7 M to store them all (Cai et al., Once-for-All, 2020, section 3)."""
    assert round(sum(p.numel() for p in mobile.supernet().parameters()) / 1e6, 1) == 7.7


def test_the_largest_mobile_network_is_the_table(mobile: Space) -> None:
    extracted = mobile.supernet(3, 32, 10).extract(mobile.largest)
    run = [extracted.get_submodule(str(node.target)) for node in extracted.graph.nodes if node.op == "call_module"]
    convolutions = [m for m in run if isinstance(m, nn.Conv2d)]
    depthwise = [m for m in convolutions if m.groups > 1]
    assert [m.kernel_size[0] for m in depthwise] == [3, *[7] * 20]
    assert [m.stride[0] for m in depthwise] == [1, *[s for stride in (2, 2, 2, 1, 2) for s in (stride, 1, 1, 1)]]
    widths = [m.out_channels for m in convolutions if m.groups == 1]
    middle = [w for before, width in ((16, 24), (24, 40), (40, 80), (80, 112), (112, 160)) for w in (6 * before, width)]
    assert widths[:2] == [16, 16] and widths[-1] == 960
    assert [w for start in range(2, 42, 8) for w in widths[start : start + 2]] == middle
    linears = [m for m in run if isinstance(m, nn.Linear)]
    squeezed = [(m.in_features, m.out_features) for m in linears[:-2:2]]
    hidden = {72: 24, 144: 40, 240: 64, 480: 120, 672: 168, 960: 240}
    assert squeezed == [(w, hidden[w]) for w in (144, 240, 240, 240, 480, 672, 672, 672, 672, 960, 960, 960)]
    assert [(m.in_features, m.out_features, m.bias is None) for m in linears[-2:]] == [(960, 1280, True), (1280, 10, False)]
    assert isinstance(run[-1], nn.Linear) and sum(isinstance(m, nn.Hardsigmoid) for m in run) == 12
    rectified = [name for name, m in extracted.named_modules() if isinstance(m, nn.ReLU) and "squeeze" not in name]
    assert {name.split(".")[1] for name in rectified} == {"0", "1", "2"}, "the first block and the stages of 24 and 40"
    norms = [m for m in run if isinstance(m, nn.BatchNorm2d)]
    assert {(m.eps, m.momentum) for m in norms} == {(1e-5, 0.1)}


def test_widths_can_be_multiplied() -> None:
    space = ofa(1.2)
    extracted = space.supernet(3, 32, 10).extract(space.largest)
    run = [extracted.get_submodule(str(node.target)) for node in extracted.graph.nodes if node.op == "call_module"]
    projected = [m.out_channels for m in run if isinstance(m, nn.Conv2d) and m.groups == 1]
    # 19.2, 19.2, 28.8, 48, 96, 134.4, 192, 1152 and 1536 as multiples of 8 that are not a tenth too small.
    assert projected[:2] == [24, 24] and projected[3::8] == [32, 48, 96, 136, 192] and projected[-1] == 1152
    assert [m.out_features for m in run if isinstance(m, nn.Linear)][-2:] == [1536, 10]


def test_kernels_are_learned_functions_of_the_larger(space: Space) -> None:
    supernet = space.supernet(1, 32, 10)
    layers = [m for m in supernet.modules() if isinstance(m, ElasticTransformedConv2d) and len(m.sides) > 1]
    assert len(layers) == sum(depth for _, _, depth, _ in STAGES[space.name.partition(":")[2]])
    with torch.no_grad():
        layers[0].steps[0].matrix.zero_()  # type: ignore[operator, union-attr]
    architecture = dict(space.largest)
    for kernel in (7, 5, 3):
        extracted = supernet.extract(architecture | {"stage1.block1.kernel": kernel})
        convolution = extracted.get_submodule("stages.1.blocks.0.depthwise.conv")
        assert isinstance(convolution, nn.Conv2d) and convolution.kernel_size == (kernel, kernel)
        assert bool(convolution.weight.any()) == (kernel == 7), "3 x 3 is made from 5 x 5, and that by the matrix"
