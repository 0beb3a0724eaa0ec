"""The space of ProxylessNAS is the published one."""

from __future__ import annotations

import pytest
import torch
from exactness import assert_exact
from mbconv_contracts import SMALL, convolutions, drawn
from torch import nn

from nas.base.errors import NasError
from nas.supernet import Space, open_space
from search_spaces.mbconv.proxyless import proxyless


@pytest.fixture(scope="module")
def space() -> Space:
    return open_space("mbconv:proxyless")


def test_its_size_is_the_published_one(space: Space) -> None:
    """Six layers of six operators; fifteen with the zero operation as well."""
    assert space.size == 6**6 * 7**15
    assert len(space.decisions) == 21


def test_only_layers_that_keep_the_shape_may_be_left_out(space: Space) -> None:
    fixed = [index for index, choice in enumerate(space.decisions.choices, 1) if "skip" not in choice.options]
    assert fixed == [1, 5, 9, 13, 17, 21]


def test_the_network_for_phones_has_the_published_figures(space: Space) -> None:
    """320 M multiply-adds and 4.1 M parameters; to the last digit they are those of its public implementations."""
    mobile = space.known["proxylessnas-mobile"]
    assert space.cost("macs", mobile) == 320_427_584
    assert space.cost("params", mobile) == 4_080_512


def test_the_network_for_phones_has_the_published_layers(space: Space) -> None:
    extracted = space.supernet(3, 32, 10).extract(space.known["proxylessnas-mobile"])
    depthwise = [layer for layer in convolutions(extracted) if layer.groups > 1]
    assert [layer.kernel_size[0] for layer in depthwise] == [3, 5, 3, 7, 3, 5, 5, 7, 5, 5, 5, 5, 5, 5, 5, 7, 7, 7, 7, 7]
    widths = [32, 16, 32, 32, *[40] * 4, *[80] * 4, *[96] * 4, *[192] * 4]
    expands = [1, 3, 3, 3, 3, 3, 3, 6, 3, 3, 3, 6, 3, 3, 3, 6, 6, 3, 3, 6]
    assert [layer.in_channels for layer in depthwise] == [w * e for w, e in zip(widths, expands, strict=True)]
    assert [index for index, layer in enumerate(depthwise) if layer.stride[0] == 2] == [1, 3, 7, 15]
    norms = [module for module in extracted.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.1)}
    assert not any(type(module) is nn.ReLU for module in extracted.modules())


def test_operators_of_a_layer_share_no_weights(space: Space) -> None:
    supernet = space.supernet(3, 32, 10)
    first = dict(space.largest)
    before = supernet.extract(first).state_dict()
    supernet.activate(first | {"layer2": "k3e6"})
    with torch.no_grad():
        for name, parameter in supernet.network.named_parameters():
            if name.startswith("layers.1.candidates.") and ".candidates.6." not in name:
                parameter.add_(1.0)
    after = supernet.extract(first).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_widths_may_be_others() -> None:
    """The authors' search code starts from 24: the same network then has 16 M multiply-adds less."""
    narrow = proxyless(widths=(24, 40, 80, 96, 192, 320))
    assert narrow.size == 6**6 * 7**15
    assert narrow.cost("macs", narrow.known["proxylessnas-mobile"]) == 304_227_008
    with pytest.raises(NasError, match=r"6 stages need 6 widths.*\(24, 40\)"):
        proxyless(widths=(24, 40))


def test_supernet_extracted_network_and_counts_agree(space: Space) -> None:
    assert_exact(space, drawn(space, 2)[:2], SMALL)
