"""Channels sorted by importance: what is permuted, in which order, and what does not change."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.choices import Choice
from nas.elastic import ChannelGroup, ElasticTransformedConv2d, sort_channels
from nas.elastic.importance import channel_groups
from nas.supernet import Space, Supernet, Task, open_space
from search_spaces.mbconv.blocks import MBConv
from search_spaces.mbconv.stages import Macro, Stage, StagedNetwork
from search_spaces.vit.autoformer import AutoFormerOptions, autoformer
from search_spaces.vit.s3 import StageIntervals, s3

TASK = Task(3, 32, 5)


def mobile(task: Task) -> nn.Module:
    stages = (
        Stage("a", (16,), (1, 2), (3, 5, 7), (3, 4, 6), 2, nn.ReLU, squeeze=True),
        Stage("b", (16, 24), (1, 2), (3,), (3, 6), 1, nn.Hardswish),
    )
    macro = Macro((32,), (8,), stages, (32,), nn.ReLU, True, 0.0, True, False, convolution=ElasticTransformedConv2d)
    return StagedNetwork(task, macro)


def fixed_head_dims() -> Space:
    """Attention in windows whose heads all have as many features, so that they can be sorted."""
    stage = StageIntervals((1, 2), (24, 32), (7, 14), (2, 3, 4), (8,), (2.0, 3.0))
    return s3("s3-t", (stage, stage))


QUICK = {
    "mobile": lambda: Space("mobile", mobile, task=TASK),
    "autoformer": lambda: autoformer("small", AutoFormerOptions((96, 128), (2, 3), (2, 3, 4), (2.0, 3.0))),
    "windows": fixed_head_dims,
}
PRESETS = (
    "mbconv:ofa",
    "mbconv:ofa-proxyless",
    "mbconv:ofa-resnet50",
    "mbconv:mnasnet",
    "mbconv:attentive",
    "mbconv:single-path",
    "vit:autoformer-t",
    "vit:resnas-tiny",
    "vit:s3-t",
)


def drawn(space: Space) -> Supernet:
    """A supernet in double precision without a weight that is a constant."""
    supernet = space.supernet(TASK.channels, TASK.resolution, TASK.classes).double().train()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in supernet.parameters():
            fan_in = max(parameter[0].numel(), 1)
            offset = 1.0 if parameter.ndim == 1 else 0.0
            parameter.copy_(offset + torch.randn(parameter.shape, generator=generator, dtype=torch.float64) / fan_in**0.5)
    return supernet


def output(supernet: Supernet) -> torch.Tensor:
    """Of the full network."""
    for module in supernet.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    images = torch.randn(6, *TASK.input_shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    supernet.activate(supernet.space.decisions.largest()[0])
    with torch.no_grad():
        return supernet(images)


def worth(group: ChannelGroup) -> list[float]:
    """Channel by channel, from the definition."""
    weight, dim, unit = group.judge.parameter.detach(), group.judge.dim, group.judge.unit
    return [
        float(sum(weight.select(dim, channel * unit + entry).abs().sum() for entry in range(unit)))
        for channel in range(weight.shape[dim] // unit)
    ]


def assert_function_kept(space: Space) -> None:
    supernet = drawn(space)
    before = output(supernet)
    groups = channel_groups(supernet)
    assert groups
    assert all(sorted(worth(group), reverse=True) != worth(group) for group in groups if len(worth(group)) > 8)
    assert sort_channels(supernet) == len(groups)
    assert all(values == sorted(values, reverse=True) for values in map(worth, groups))
    torch.testing.assert_close(output(supernet), before, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", QUICK)
def test_the_full_network_computes_the_same_and_the_first_channels_are_the_best(name: str) -> None:
    assert_function_kept(QUICK[name]())


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_so_it_is_in_every_preset_with_channels_inside_its_blocks(preset: str) -> None:
    assert_function_kept(open_space(preset))


def block() -> MBConv:
    """Two to six times 4 channels."""
    expand = Choice("expand", (2, 3, 6))
    made = MBConv(4, 4, 3, expand, squeeze=4 * expand // 4)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return made


def test_the_middle_channels_of_a_block_are_ordered_by_the_projection_s_columns_and_everything_follows() -> None:
    made, was = block(), {name: value.clone() for name, value in block().state_dict().items()}
    sort_channels(made)
    columns = was["project.conv.weight"][:, :, 0, 0].abs().sum(0)
    order = sorted(range(24), key=lambda channel: -float(columns[channel]))
    hidden = sorted(range(6), key=lambda channel: -float(was["squeeze.expand.weight"].abs().sum(0)[channel]))
    now = made.state_dict()
    assert torch.equal(now["project.conv.weight"], was["project.conv.weight"][:, order])
    for name in ("expand.conv.weight", "expand.norm.weight", "expand.norm.bias"):
        assert torch.equal(now[name], was[name][order]), name
    for name in ("depthwise.conv.weight", "depthwise.norm.weight", "depthwise.norm.bias", "squeeze.expand.bias"):
        assert torch.equal(now[name], was[name][order]), name
    assert torch.equal(now["squeeze.reduce.weight"], was["squeeze.reduce.weight"][hidden][:, order])
    assert torch.equal(now["squeeze.reduce.bias"], was["squeeze.reduce.bias"][hidden])
    assert torch.equal(now["squeeze.expand.weight"], was["squeeze.expand.weight"][order][:, hidden])
    for name in ("project.norm.weight", "project.norm.bias"):
        assert torch.equal(now[name], was[name]), name


def test_channels_outside_a_kept_width_stay_behind_those_inside() -> None:
    made, columns = block(), block().project.conv.weight.detach().abs().sum((0, 2, 3))
    sort_channels(made, lambda width: (8, 12, 24) if made.middle is width else ())
    now = made.project.conv.weight.detach().abs().sum((0, 2, 3))
    for start, end in ((0, 8), (8, 12), (12, 24)):
        assert now[start:end].tolist() == pytest.approx(sorted(columns[start:end].tolist(), reverse=True))
    assert now.tolist() != pytest.approx(sorted(columns.tolist(), reverse=True))


def test_companions_move_with_their_weights() -> None:
    made = block()
    copies = {parameter: parameter.detach().clone() for parameter in made.parameters()}
    sort_channels(made, companions=lambda parameter: [copies[parameter]])
    assert all(torch.equal(parameter, copy) for parameter, copy in copies.items())
    assert not torch.equal(made.project.conv.weight, block().project.conv.weight)


def test_sorting_what_is_sorted_changes_nothing() -> None:
    made = block()
    sort_channels(made)
    was = {name: value.clone() for name, value in made.state_dict().items()}
    sort_channels(made)
    assert all(torch.equal(value, was[name]) for name, value in made.state_dict().items())


def test_heads_whose_features_are_searched_are_left_alone() -> None:
    stage = StageIntervals((1,), (24,), (7,), (2, 4), (8, 16), (2.0, 3.0))
    supernet = drawn(s3("s3-t", (stage, stage)))
    assert [group.judge.unit for group in channel_groups(supernet)] == [1, 1], "those of the two perceptrons"
