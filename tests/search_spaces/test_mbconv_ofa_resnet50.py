"""The ResNet-50 space of Once-for-All: its lists, and ResNet-50-D inside it."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from nas.supernet import Space, open_space
from search_spaces.mbconv.ofa_resnet50 import ofa_resnet50

BASE = (2, 2, 4, 2)


@pytest.fixture(scope="module")
def space() -> Space:
    return open_space("mbconv:ofa-resnet50")


def test_decisions_are_the_published_lists(space: Space) -> None:
    found = {choice.name: choice.options for choice in space.decisions.choices}
    assert {options for name, options in found.items() if name.endswith("expand")} == {(0.2, 0.25, 0.35)}
    widths = ("stem.width", *(f"stage{number}.width" for number in range(1, 5)))
    assert {found[name] for name in widths} == {(0.65, 0.8, 1.0)}
    assert found["stem.middle"] == (0.65, 1.0), "0.65 and 0.8 times 32 channels are the same multiple of 8"
    for number, base in enumerate(BASE, 1):
        assert found[f"stage{number}.depth"] == (base, base + 1, base + 2)
    assert found["resolution"] == tuple(range(128, 225, 4))


def test_the_size_follows_from_the_lists(space: Space) -> None:
    stages = 1
    for base in BASE:
        stages *= 3 * sum(3 ** (base + extra) for extra in (0, 1, 2))
    assert space.size == 25 * (2 * 3 * 2) * stages


def test_resnet_50_d_is_in_the_space(space: Space) -> None:
    """ResNet-50 has 25,557,032 parameters; its 7 x 7 stem is replaced by three 3 x 3 convolutions with batch norms.

    4.3 G multiply-adds are those of table 5 of He et al., Bag of Tricks for Image Classification, 2019.
    """
    network = space.known["resnet50-d"]
    stem = 9 * (3 * 32 + 32 * 32 + 32 * 64) + 2 * (32 + 32 + 64)
    assert space.cost("params", network) == 25_557_032 - (49 * 3 * 64 + 2 * 64) + stem
    assert round(space.cost("macs", network) / 1e9, 1) == 4.3


def test_shortcuts_are_projected_at_the_first_block_of_a_stage_alone(space: Space) -> None:
    extracted = space.supernet(3, 32, 10).extract(space.largest)
    projections = [name for name, m in extracted.named_modules() if ".project." in name and isinstance(m, nn.Conv2d)]
    assert projections == [f"stages.{stage}.blocks.0.project.conv" for stage in range(4)]
    pools = [name for name, m in extracted.named_modules() if isinstance(m, nn.AvgPool2d)]
    assert pools == [f"stages.{stage}.blocks.0.pool" for stage in (1, 2, 3)]
    strides = {name: m.stride[0] for name, m in extracted.named_modules() if isinstance(m, nn.Conv2d) and m.stride[0] > 1}
    assert list(strides) == ["stem.first.conv", *(f"stages.{stage}.blocks.0.conv.conv" for stage in (1, 2, 3))]


def test_widths_are_multiples_of_8(space: Space) -> None:
    supernet = space.supernet(3, 32, 10)
    for architecture in space.sample(np.random.default_rng(2), 3):
        convolutions = [m for m in supernet.extract(architecture).modules() if isinstance(m, nn.Conv2d)]
        assert all(m.out_channels % 8 == 0 for m in convolutions)
    narrow = dict(space.known["resnet50-d"]) | {"stage1.width": 0.65}
    first = supernet.extract(narrow).get_submodule("stages.0.blocks.0")
    # 0.65 x 256 = 166.4 is nearest to 168, a quarter of which is 42, nearest to 40.
    assert first.get_submodule("conv.conv").out_channels == 40
    assert first.get_submodule("expand.conv").out_channels == 168


def test_what_the_lists_leave_open_can_be_given() -> None:
    space = ofa_resnet50(base_depths=(1, 1, 1, 1), stem_depths=(3,))
    assert "stem.depth" not in space.decisions.column and not space.known
    assert space.decisions.choices[space.decisions.column["stage3.depth"]].options == (1, 2, 3)
