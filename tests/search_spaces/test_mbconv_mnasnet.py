"""The factorised hierarchical space, and the published networks in it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from exactness import assert_exact
from mbconv_contracts import SMALL, convolutions, drawn
from torch import nn

from nas.base.errors import NasError
from nas.supernet import Space, open_space
from search_spaces.mbconv.mnasnet import BLOCKS, BlockOptions, mnasnet


@pytest.fixture(scope="module")
def space() -> Space:
    return open_space("mbconv:mnasnet")


def test_its_size_is_the_product_over_blocks(space: Space) -> None:
    """Each block: an ordinary or a separable convolution or an MBConv of two expansions; two kernels; with squeeze or without;
    its widths; and for each number of layers three shortcuts, where there is a second layer to have one."""
    blocks = [
        (1 + 1 + 2) * 2 * 2 * len(options.widths) * sum(3 if layers > 1 else 1 for layers in options.layers)
        for options in BLOCKS
    ]
    assert space.size == math.prod(blocks)


def test_mobilenet_v2_has_the_published_figures(space: Space) -> None:
    """300 M multiply-adds; 3.4 M parameters in the paper, 3.47 M here without those of batch norms and 3.50 M with them."""
    known = space.known["mobilenet-v2"]
    assert space.cost("macs", known) == 300_774_272
    assert space.cost("params", known) == 3_504_872


def test_mnasnet_a1_has_the_published_figures(space: Space) -> None:
    """312 M multiply-adds, 3.9 M parameters: the squeeze is a quarter of what enters the layer, not of what it weighs."""
    known = space.known["mnasnet-a1"]
    assert space.cost("macs", known) == pytest.approx(312e6, abs=0.5e6)
    assert space.cost("params", known) == 3_887_038


def test_mnasnet_b1_has_the_published_figures(space: Space) -> None:
    """4.4 M parameters. The paper says 315 M multiply-adds; convolutions and the classifier, which count here, are
    0.2 % less. The paper does not say what else it counts."""
    known = space.known["mnasnet-b1"]
    assert space.cost("macs", known) == 314_415_872
    assert space.cost("params", known) == 4_383_312


def test_mnasnet_b1_is_the_one_of_the_single_path_space(space: Space, mbconv: Space) -> None:
    ours = space.supernet(3, 32, 10).extract(space.known["mnasnet-b1"])
    theirs = mbconv.supernet(3, 32, 10).extract(mbconv.known["mnasnet-b1"])
    first, second = ([(c.weight.shape, c.stride, c.groups) for c in convolutions(network)] for network in (ours, theirs))
    assert first == second


def test_all_layers_of_a_block_are_alike(space: Space) -> None:
    chosen = dict(space.known["mnasnet-a1"]) | {"block4.kernel": 5, "block4.expand": 3, "block4.width": 48}
    depthwise = [c for c in convolutions(space.supernet(3, 32, 10).extract(chosen)) if c.groups > 1]
    fourth = [(c.kernel_size[0], c.in_channels, c.stride[0]) for c in depthwise[6:10]]
    assert fourth == [(5, 120, 2), (5, 144, 1), (5, 144, 1), (5, 144, 1)]


def test_each_convolution_is_what_its_name_says(space: Space) -> None:
    supernet = space.supernet(3, 32, 10)
    base = dict(space.known["mobilenet-v2"]) | {"block3.layers": 2}
    before = 1 + 2 + 2 * 3
    kinds = {}
    for operator in ("conv", "dwconv", "mbconv"):
        chosen = base | {"block3.operator": operator, "block3.kernel": 5}
        found = convolutions(supernet.extract(chosen))[before:]
        kinds[operator] = [(c.in_channels, c.out_channels, c.kernel_size[0], c.groups) for c in found]
    assert kinds["conv"][:2] == [(24, 32, 5, 1), (32, 32, 5, 1)]
    assert kinds["dwconv"][:4] == [(24, 24, 5, 24), (24, 32, 1, 1), (32, 32, 5, 32), (32, 32, 1, 1)]
    assert kinds["mbconv"][:3] == [(24, 144, 1, 1), (144, 144, 5, 144), (144, 32, 1, 1)]


def test_the_squeeze_is_a_quarter_of_the_layers_input(space: Space) -> None:
    extracted = space.supernet(3, 32, 10).extract(space.known["mnasnet-a1"])
    called = [extracted.get_submodule(str(node.target)) for node in extracted.graph.nodes if node.op == "call_module"]
    linears = [(m.in_features, m.out_features) for m in called if isinstance(m, nn.Linear)]
    assert linears[:6] == [(72, 6), (6, 72), (120, 10), (10, 120), (120, 10), (10, 120)]


@pytest.mark.parametrize("way", ["none", "identity", "pool"])
def test_a_shortcut_adds_what_its_name_says(space: Space, way: str) -> None:
    supernet = space.supernet(3, 32, 10).train()
    chosen = dict(space.known["mobilenet-v2"]) | {"block2.shortcut": way, "block2.layers": 2}
    supernet.activate(chosen)
    block = supernet.network.blocks[1]
    x = torch.randn(4, 16, 9, 9)
    entering = block.blocks[0](x)
    changed = block.blocks[1].body(entering)
    padded = F.avg_pool2d(entering, 3, 1, 1)
    added = {"none": torch.zeros_like(entering), "identity": entering, "pool": padded}[way]
    torch.testing.assert_close(block(x), changed + added)


def test_decisions_that_do_not_matter_are_no_part_of_an_architecture(space: Space) -> None:
    plain = dict(space.known["mobilenet-v2"]) | {"block3.operator": "conv", "block7.layers": 1}
    first, second = (
        space.validate(plain | {"block3.expand": expand, "block7.shortcut": shortcut})
        for expand, shortcut in ((3, "pool"), (6, "none"))
    )
    assert first == second
    assert not {"block3.expand", "block7.shortcut"} & dict(first).keys()


def test_widths_layers_and_expansions_may_be_others() -> None:
    blocks = [*BLOCKS[:-1], BlockOptions((256,), (1,), 1)]
    space = mnasnet(blocks, expansions=(2, 4, 8))
    assert set(space.decisions.choices[space.decisions.column["block1.expand"]].options) == {2, 4, 8}
    assert space.cost("macs", space.smallest) > 0
    with pytest.raises(NasError, match=r"'block5\.expand'"):
        space.validate(dict(space.largest) | {"block5.operator": "mbconv", "block5.expand": 6})


def test_supernet_extracted_network_and_counts_agree(space: Space) -> None:
    rows = drawn(space, 3)[:3]
    columns = [space.decisions.column[f"block{index}.shortcut"] for index in range(1, 8)]
    assert len(np.unique(rows[:, columns])) == 3, "every shortcut is among them"
    assert_exact(space, rows, SMALL)
