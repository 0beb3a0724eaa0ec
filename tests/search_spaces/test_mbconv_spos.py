"""The space of Single Path One-Shot is the published one."""

from __future__ import annotations

import pytest
import torch
from exactness import assert_exact
from mbconv_contracts import SMALL, convolutions, drawn
from torch import nn

from nas.elastic import ElasticBatchNorm2d
from nas.supernet import Space, open_space
from search_spaces.mbconv.shuffle import ShuffleBlock, even_and_odd
from search_spaces.mbconv.spos import spos


@pytest.fixture(scope="module")
def space() -> Space:
    return open_space("mbconv:spos")


def test_its_size_is_the_published_one(space: Space) -> None:
    assert space.size == 4**20
    assert all(choice.options == ("k3", "k5", "k7", "xception") for choice in space.decisions.choices)


def test_the_published_network_has_the_published_figure(space: Space) -> None:
    """323 M multiply-adds. Its parameters, 3.5 M, have batch norms that scale and shift, as in training from scratch."""
    known = space.known["spos"]
    assert space.cost("macs", known) == 322_918_720
    scaled = spos(affine=True)
    assert scaled.cost("macs", known) == 322_918_720
    assert scaled.cost("params", known) == 3_558_464


def test_the_published_network_has_its_blocks(space: Space) -> None:
    """(2, 1, 0, 1, 2, 0, 2, 0, 2, 0, 2, 3, 0, 0, 0, 0, 3, 2, 3, 3), numbered as in the paper."""
    chosen = space.known["spos"]
    numbers = [choice.index(chosen[choice.name]) for choice in space.decisions.choices]
    assert numbers == [2, 1, 0, 1, 2, 0, 2, 0, 2, 0, 2, 3, 0, 0, 0, 0, 3, 2, 3, 3]
    depthwise = [c for c in convolutions(space.supernet(3, 32, 10).extract(chosen)) if c.groups > 1]
    strided = [c.in_channels for c in depthwise if c.stride[0] == 2]
    assert strided == [16, 32, 64, 80, 160, 160, 320, 320], "of the projection, then of the main branch"
    assert sum(c.groups > 1 for c in depthwise) == 20 + 4 + 2 * 4, "one a block, one a projection, two more in each Xception"


def test_even_channels_pass_and_odd_ones_are_changed() -> None:
    x = torch.randn(2, 8, 4, 4)
    even, odd = even_and_odd(x)
    assert torch.equal(even, x[:, 0::2])
    assert torch.equal(odd, x[:, 1::2])
    block = ShuffleBlock(8, 8, 3, 1).train()
    result = block(x)
    assert torch.equal(result[:, :4], even)
    assert torch.equal(result[:, 4:], block.main(odd))


@pytest.mark.parametrize(
    ("xception", "order"),
    [(False, ["c", "n", "r", "d", "n", "c", "n", "r"]), (True, ["d", "n", "c", "n", "r"] * 3)],
)
def test_branches_have_their_operators_in_order(xception: bool, order: list[str]) -> None:
    block = ShuffleBlock(16, 64, 3, 2, xception)

    def letter(module: nn.Module) -> str:
        if isinstance(module, nn.ReLU | ElasticBatchNorm2d):
            return "r" if isinstance(module, nn.ReLU) else "n"
        return "d" if module.settings["groups"] != 1 else "c"

    assert [letter(module) for module in block.main] == order
    assert [letter(module) for module in block.projection] == ["d", "n", "c", "n", "r"]
    strides = [module.stride for module in block.main if hasattr(module, "stride")]
    assert strides == ([2, 1, 1, 1, 1, 1] if xception else [1, 2, 1])
    result = block.train()(torch.randn(2, 16, 8, 8))
    assert result.shape == (2, 64, 4, 4)


def test_batch_norms_scale_and_shift_only_where_asked(space: Space) -> None:
    for made, affine in ((space, False), (spos(affine=True), True)):
        extracted = made.supernet(3, 32, 10).extract(made.largest)
        norms = [module for module in extracted.modules() if isinstance(module, nn.BatchNorm2d)]
        assert {norm.affine for norm in norms} == {affine}


def test_the_classifier_has_no_bias(space: Space) -> None:
    linears = [m for m in space.supernet(3, 32, 10).extract(space.smallest).modules() if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.bias) for m in linears] == [(1024, None)]


def test_supernet_extracted_network_and_counts_agree(space: Space) -> None:
    assert_exact(space, drawn(space, 1)[:1], SMALL)
    affine = spos(affine=True)
    assert_exact(affine, drawn(affine, 1, seed=1)[:1], SMALL)
