"""The single-path MBConv space is the published one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.supernet import Space, Task, open_space, space_names

WIDTHS = (24, 40, 80, 96, 192)
STRIDES = (2, 2, 2, 1, 2)


def test_it_is_found_by_family_and_by_preset(mbconv: Space) -> None:
    assert mbconv.name == "mbconv:single-path"
    assert open_space("mbconv:single-path").name == mbconv.name
    assert "mbconv:single-path" in space_names()


def test_unknown_spaces_and_presets_are_told() -> None:
    with pytest.raises(NasError, match=r"'mbcov'.*Did you mean 'mbconv'"):
        open_space("mbcov")
    with pytest.raises(NasError, match=r"preset.*'single-pat'.*Did you mean 'single-path'"):
        open_space("mbconv:single-pat")


def test_its_size_is_the_published_one(mbconv: Space) -> None:
    """Five layers of four operators; fifteen that may also be left out."""
    assert mbconv.size == 4**5 * 5**15
    assert len(mbconv.decisions) == 20


def test_only_the_first_layer_of_a_stage_must_stay(mbconv: Space) -> None:
    for index, choice in enumerate(mbconv.decisions.choices, 1):
        assert choice.name == f"layer{index}"
        assert ("skip" in choice.options) == (index % 4 != 1)
        assert set(choice.options) - {"skip"} == {"k3e3", "k3e6", "k5e3", "k5e6"}


def test_the_largest_network_has_the_published_widths_and_strides(mbconv: Space) -> None:
    extracted = mbconv.supernet(3, 32, 10).extract(mbconv.largest)
    run = [extracted.get_submodule(node.target) for node in extracted.graph.nodes if node.op == "call_module"]
    convolutions = [m for m in run if isinstance(m, nn.Conv2d)]
    outputs = [m.out_channels for m in convolutions if m.groups == 1]
    stages = zip((16, *WIDTHS[:-1]), WIDTHS, strict=True)
    middle = [width for before, stage in stages for width in (6 * before, stage, *[6 * stage, stage] * 3)]
    assert outputs == [32, 16, *middle, 6 * 192, 320, 1280]
    depthwise = [m for m in convolutions if m.groups > 1]
    assert all(m.groups == m.in_channels == m.out_channels for m in depthwise)
    strides = [m.stride[0] for m in depthwise]
    assert strides == [1, *[s for stride in STRIDES for s in (stride, 1, 1, 1)], 1]
    kernels = [m.kernel_size[0] for m in depthwise]
    assert kernels == [3, *[5] * 20, 3]
    norms = [m for m in run if isinstance(m, nn.BatchNorm2d)]
    assert {(m.eps, m.momentum) for m in norms} == {(1e-3, 0.01)}


def test_each_option_is_its_kernel_and_expansion(mbconv: Space) -> None:
    supernet = mbconv.supernet(3, 32, 10)
    for option in ("k3e3", "k3e6", "k5e3", "k5e6"):
        chosen = dict(mbconv.smallest) | {"layer2": option}
        depthwise = supernet.extract(chosen).get_submodule("layers.1.module.depthwise.conv")
        assert (depthwise.kernel_size[0], depthwise.in_channels) == (int(option[1]), 24 * int(option[3]))


def test_layers_that_are_left_out_leave_their_input(mbconv: Space) -> None:
    extracted = mbconv.supernet(3, 32, 10).extract(mbconv.smallest)
    names = {name.split(".")[1] for name, _ in extracted.named_parameters() if name.startswith("layers.")}
    assert names == {"0", "4", "8", "12", "16"}


def test_a_shortcut_is_where_shapes_agree(mbconv: Space) -> None:
    extracted = mbconv.supernet(3, 32, 10).extract(mbconv.largest)
    assert sum(node.op == "call_function" for node in extracted.graph.nodes) == 15, "none at the first layer of a stage"


def test_mnasnet_is_the_published_network(mbconv: Space) -> None:
    """Tan et al. 2019, figure 7: 3 x 24, 3 x 40, 3 x 80, 2 x 96, 4 x 192."""
    mnasnet = mbconv.known["mnasnet-b1"]
    kept = [[mnasnet[f"layer{4 * stage + place}"] for place in range(1, 5)] for stage in range(5)]
    assert [[option for option in stage if option != "skip"] for stage in kept] == [
        ["k3e3"] * 3,
        ["k5e3"] * 3,
        ["k5e6"] * 3,
        ["k3e6"] * 2,
        ["k5e6"] * 4,
    ]


@pytest.mark.parametrize("task", [Task(1, 28, 7), Task(3, 75, 3)], ids=str)
def test_it_takes_any_picture_and_any_number_of_classes(mbconv: Space, mbconv_rows: Rows, task: Task) -> None:
    supernet = mbconv.supernet(task.channels, task.resolution, task.classes)
    for row in mbconv_rows[-2:]:
        assert supernet.extract(row).eval()(torch.randn(1, *task.input_shape)).shape == (1, task.classes)
    assert mbconv.cost("macs", mbconv.largest, task) > mbconv.cost("macs", mbconv.smallest, task) > 0
