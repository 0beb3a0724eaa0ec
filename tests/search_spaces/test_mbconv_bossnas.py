"""The MBConv space of BossNAS is the published one."""

from __future__ import annotations

import numpy as np
import pytest
from exactness import assert_exact
from mbconv_contracts import SMALL, convolutions, drawn
from torch import nn

from nas.supernet import Space, open_space


@pytest.fixture(scope="module")
def space() -> Space:
    return open_space("mbconv:bossnas")


def test_eighteen_layers_of_four_operators(space: Space) -> None:
    assert space.size == 4**18
    assert {choice.options for choice in space.decisions.choices} == {("k3e3", "k5e3", "k3e6", "k5e6")}


def test_numbers_are_the_paper_s(space: Space) -> None:
    """0 to 3 are expansion 6 with kernel 3 and 5, then expansion 3; the first network is all fives but three layers."""
    first, last = space.known["ranked-1"], space.known["ranked-23"]
    assert [layer for layer in space.decisions.names if first[layer] == "k3e6"] == ["layer9", "layer12", "layer17"]
    assert {first[layer] for layer in space.decisions.names} == {"k3e6", "k5e6"}
    assert (last["layer1"], last["layer5"], last["layer8"]) == ("k3e3", "k3e6", "k5e3")


def test_widths_strides_and_shortcuts(space: Space) -> None:
    extracted = space.supernet(3, 64, 10).extract(space.known["ranked-1"])
    layers = convolutions(extracted)
    depthwise = [layer for layer in layers if layer.groups > 1]
    inputs = [32, 16, 24, 24, *[40] * 4, *[80] * 4, *[112] * 4, *[192] * 4]
    assert [layer.in_channels for layer in depthwise] == [w * (1 if i == 0 else 6) for i, w in enumerate(inputs)]
    assert [index for index, layer in enumerate(depthwise) if layer.stride[0] == 2] == [1, 3, 7, 15]
    matching = [name for name, module in extracted.named_modules() if ".shortcut." in name and isinstance(module, nn.Conv2d)]
    assert [name.split(".")[1] for name in matching] == ["0", "2", "6", "10", "14"]
    assert sum(isinstance(module, nn.AvgPool2d) for module in extracted.modules()) == 4
    hidden = [m.out_features for n, m in extracted.named_modules() if n.endswith("squeeze.reduce")]
    assert sorted(hidden) == sorted(width // 4 for width in inputs)


def test_the_shortcut_is_shared_by_the_operators_of_a_layer(space: Space) -> None:
    network = space.supernet(3, 32, 10).network
    shared = [name for name, _ in network.named_parameters() if name.startswith("layers.2.shortcut")]
    assert [name.rpartition(".")[2] for name in shared] == ["weight", "weight", "bias"]


def test_the_five_stages_are_its_blocks(space: Space) -> None:
    network = space.build(SMALL)
    blocks = space.blocks(network, SMALL)
    assert [len(columns) for columns in blocks.columns] == [2, 4, 4, 4, 4]
    assert [outputs[0][0] for outputs in blocks.outputs] == [24, 40, 80, 112, 192]
    assert np.concatenate(blocks.columns).tolist() == list(range(18))


def test_supernet_extracted_network_and_counts_agree(space: Space) -> None:
    assert_exact(space, drawn(space, 2)[:2], SMALL)
