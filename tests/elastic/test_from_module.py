"""What a space made from a module promises: the module's weights, its own memory, one choice a group, other tasks."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from conversion_checks import images, space_of
from handwritten_networks import DenseNet, Inception, MobileNet, ResNet, trained
from torch import nn

from nas.choices import Choice, Expression
from nas.elastic import (
    DirectGradients,
    ElasticBatchNorm2d,
    ElasticConv2d,
    ElasticLinear,
    from_module,
)
from nas.elastic.conversion.segmented_norms import SegmentedBatchNorm
from nas.supernet import Space, Statistics, Task

OWN = Task(3, 32, 10)


def storages(network: nn.Module) -> set[int]:
    tensors = [*network.parameters(), *network.buffers()]
    return {tensor.untyped_storage().data_ptr() for tensor in tensors}


def test_the_module_is_not_changed_and_shares_no_memory() -> None:
    module = trained(ResNet())
    twin = copy.deepcopy(module)
    build = from_module(module, example=images(1), widths={"*": (0.5, 1.0)}, depths={"layer2": (1, 3)})
    first, second = build(OWN), build(OWN)
    build.running_statistics()["norm1"][0].add_(1.0)
    assert not storages(module) & storages(first)
    assert not storages(first) & storages(second)
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.zero_()
    assert not module.training
    assert str(module) == str(twin)
    for name, tensor in twin.state_dict().items():
        assert torch.equal(tensor, module.state_dict()[name]), name
    assert torch.equal(second.layer1[0].conv1.weight, twin.layer1[0].conv1.weight)
    assert torch.equal(build.running_statistics()["norm1"][0], twin.norm1.running_mean)


def test_later_changes_of_the_module_do_not_reach_the_space() -> None:
    module = trained(ResNet())
    build = from_module(module, example=images(1), widths={"conv1": (4, 8)})
    before = module.conv1.weight.detach().clone()
    with torch.no_grad():
        module.conv1.weight.zero_()
    module.norm1 = nn.Identity()
    network = build(OWN)
    assert torch.equal(network.conv1.weight, before)
    assert isinstance(network.norm1, ElasticBatchNorm2d)


def test_under_the_meta_device_only_the_structure_is_built() -> None:
    build = from_module(trained(DenseNet()), example=images(1), widths={"*": (0.5, 1.0)})
    with torch.device("meta"):
        structure = build(OWN)
    assert {tensor.device.type for tensor in structure.state_dict().values()} == {"meta"}
    assert {name: t.shape for name, t in structure.state_dict().items()} == {
        name: t.shape for name, t in build(OWN).state_dict().items()
    }


def test_only_what_changes_is_replaced_and_batch_norms_always_are() -> None:
    network = from_module(ResNet(), example=images(1), widths={"layer1.0.conv1": (4, 8)})(OWN)
    elastic = [name for name, module in network.named_modules() if isinstance(module, ElasticConv2d | ElasticLinear)]
    assert elastic == ["layer1.0.conv1", "layer1.0.conv2"]
    assert type(network.layer2[0].conv1) is nn.Conv2d
    assert not [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert network.layer1[0].conv1.weight.requires_grad


def test_frozen_parameters_stay_frozen() -> None:
    module = DenseNet()
    module.block1[1].requires_grad_(False)
    network = from_module(module, example=images(1), widths={"*": (0.5, 1.0)})(OWN)
    frozen = {name.split(".")[1] for name, p in network.named_parameters() if not p.requires_grad and name.startswith("block1")}
    assert frozen == {"1"}
    assert network.block2[1].conv1.weight_0_0.requires_grad


def test_groups_share_one_choice_named_after_the_first_that_was_asked_for() -> None:
    build = from_module(ResNet(), example=images(1), widths={"layer1.1.conv2": (2, 8), "layer2.*": (0.5, 1.0)})
    groups = {choice.name: (choice.options, members) for choice, members in build.choices.items()}
    assert groups["layer1.1.conv2.width"] == ((2, 8), ("conv1", "layer1.0.conv2", "layer1.1.conv2"))
    assert groups["layer2.0.conv2.width"] == (
        (0.5, 1.0),
        ("layer2.0.conv2", "layer2.0.shortcut.0", "layer2.1.conv2", "layer2.2.conv2"),
    )
    assert set(groups) == {"layer1.1.conv2.width", *(f"layer2.{block}.conv1.width" for block in range(3))} | {
        "layer2.0.conv2.width"
    }
    assert not build.left_alone
    space = space_of(build)
    assert sorted(space.decisions.names) == sorted(groups)


def test_an_exact_name_wins_over_a_pattern_for_its_group() -> None:
    build = from_module(
        ResNet(),
        example=images(1),
        widths={"*": (0.5, 1.0), "layer1.0.conv2": (2, 4, 8)},
        kernels={"*.conv1": (1, 3), "layer1.0.conv1": (3,), "conv1": (5, 7)},
    )
    options = {choice.name: choice.options for choice in build.choices}
    assert options["layer1.0.conv2.width"] == (2, 4, 8)
    assert "conv1.width" not in options
    assert options["conv1.kernel"] == (5, 7)
    assert options["layer1.0.conv1.kernel"] == (3,)
    assert options["layer1.1.conv1.kernel"] == (1, 3)


def test_a_choice_of_ones_own_decides_about_everything_it_is_given_to() -> None:
    stage, kernel = Choice("stage", (0.25, 0.5, 1.0)), Choice("kernel", (1, 3))
    build = from_module(
        ResNet(), example=images(1), widths={"layer2.*": stage, "layer1.?.conv1": stage}, kernels={"layer*.conv1": kernel}
    )
    space = space_of(build)
    assert space.decisions.names == ("stage", "kernel")
    assert space.size == 6
    assert len(build.choices[stage]) == 9
    network = build(OWN)
    assert network.layer1[0].conv1.settings["kernel_size"] is kernel


def test_ratios_are_rounded_to_the_divisor() -> None:
    build = from_module(ResNet(), example=images(1), widths={"layer2.0.conv1": (0.3, 0.8, 1.0)}, divisor=4)
    space = space_of(build)
    supernet = space.supernet(3, 32, 10)
    widths = []
    for ratio in (0.3, 0.8, 1.0):
        supernet.activate({"layer2.0.conv1.width": ratio})
        widths.append(supernet.network.layer2[0].conv1.chosen()[1])
    assert widths == [8, 12, 16]  # 4 would be more than a tenth below 4.8


def test_smaller_settings_use_the_first_channels_of_every_segment_and_the_centre_of_kernels() -> None:
    """A concatenation of 4, 8, 4 and 4 channels at half width is the first 2, 4, 2 and 2 of them."""
    module = trained(Inception())
    build = from_module(module, example=images(1), widths={"*": (0.5, 1.0)}, kernels={"last": (1, 3)})
    supernet = space_of(build).supernet(3, 32, 10)
    extracted = supernet.extract(supernet.space.smallest)
    kept = [0, 1, 4, 5, 6, 7, 12, 13, 16, 17]
    assert torch.equal(extracted.last.weight, module.last.weight[:6, kept][:, :, 1:2, 1:2])
    assert torch.equal(extracted.norm.weight, module.norm.weight[kept])
    assert torch.equal(extracted.depthwise.weight, module.depthwise.weight[kept])
    assert torch.equal(extracted.act.weight, module.act.weight[kept])
    assert torch.equal(extracted.get_submodule("gate.layers.2").bias, module.gate.layers[2].bias[kept])
    assert torch.equal(extracted.get_submodule("gate.layers.0").weight, module.gate.layers[0].weight[:3][:, kept])
    assert extracted.get_submodule("stem.1").num_groups == 2


def test_depths_and_kept_blocks_leave_out_what_they_say() -> None:
    module = trained(ResNet())
    build = from_module(module, example=images(1), depths={"layer2": (1, 2, 3)}, optional=["layer1.*"])
    space = space_of(build)
    assert space.size == 3 * 4
    supernet = space.supernet(3, 32, 10).eval()
    module.layer1[0] = nn.Identity()
    del module.layer2[2]
    chosen = {"layer2.depth": 2, "layer1.0.kept": False, "layer1.1.kept": True}
    statistics = Statistics(build.running_statistics())
    with torch.no_grad():
        extracted = supernet.extract(chosen, statistics).eval()
        torch.testing.assert_close(extracted(images(3)), module(images(3)), atol=1e-5, rtol=1e-5)


def test_other_channels_and_classes() -> None:
    """Equal channels give what they gave the module; a new head is drawn, the same for the same seed."""
    module = trained(ResNet())
    build = from_module(module, example=images(1), widths={"*": (0.5, 1.0)})
    space = space_of(build)
    grey = images(3, channels=1)
    statistics = Statistics(build.running_statistics())
    with torch.no_grad():
        expected = module(grey.expand(-1, 3, -1, -1))
        for channels in (1, 2, 5):
            supernet = space.supernet(channels, 32, 10).eval()
            with supernet.using(statistics):
                given = supernet(grey.expand(-1, channels, -1, -1))
            torch.testing.assert_close(given, expected, atol=1e-5, rtol=1e-5)
    fresh, same, other = (space.supernet(1, 32, 7, seed=seed) for seed in (1, 1, 2))
    assert fresh(grey).shape == (3, 7)
    assert torch.equal(fresh.network.head.weight, same.network.head.weight)
    assert not torch.equal(fresh.network.head.weight, other.network.head.weight)
    assert torch.equal(fresh.network.layer1[0].conv1.weight, module.layer1[0].conv1.weight)
    assert space.cost("params", space.largest, Task(1, 32, 7)) == sum(p.numel() for p in fresh.parameters())


def test_other_ends_of_segmented_and_convolutional_layers() -> None:
    class Early(nn.Module):
        """The images themselves are concatenated with features; the head is a convolution."""

        def __init__(self) -> None:
            super().__init__()
            self.stem, self.mix, self.head = nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(7, 6, 1), nn.Conv2d(6, 10, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(torch.relu(self.mix(torch.cat([self.stem(x), x], 1)))).mean((2, 3))

    module = trained(Early())
    space = space_of(from_module(module, example=images(1), widths={"*": (0.5, 1.0)}))
    grey = images(2, channels=1)
    supernet = space.supernet(2, 32, 10)
    torch.testing.assert_close(supernet(grey.expand(-1, 2, -1, -1)), module(grey.expand(-1, 3, -1, -1)), atol=1e-5, rtol=1e-5)
    supernet = space.supernet(1, 32, 4)
    supernet.activate(space.smallest)
    extracted = supernet.extract(space.smallest)
    torch.testing.assert_close(supernet(grey), extracted(grey))
    assert extracted.mix.weight.shape == (3, 3, 1, 1)


@pytest.mark.parametrize("kind", [DenseNet, Inception, MobileNet])
def test_gradients_added_in_place_are_those_of_autograd(kind: type[nn.Module]) -> None:
    module = trained(kind())
    space = space_of(from_module(module, example=images(1), widths={"*": (0.5, 1.0)}))
    supernet = space.supernet(3, 32, 10).train()
    for module in supernet.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    rows = space.decisions.sample(np.random.default_rng(3), 2)
    x = images(4)
    for row in rows:
        supernet.activate(row)
        supernet(x).square().mean().backward()
    expected = {name: p.grad.clone() for name, p in supernet.named_parameters() if p.grad is not None}
    supernet.zero_grad()
    gradients = DirectGradients(supernet)
    with gradients:
        gradients.begin()
        for row in rows:
            supernet.activate(row)
            supernet(x).square().mean().backward()
        gradients.end()
        for name, parameter in supernet.named_parameters():
            if name in expected:
                torch.testing.assert_close(parameter.grad, expected[name], atol=1e-5, rtol=1e-4)


def test_the_summary_lists_choices_what_was_left_and_what_is_free() -> None:
    plain = from_module(ResNet(), example=images(1))
    assert not plain.choices
    text = plain.summary()
    assert "Choices:\n  none" in text
    assert "  conv1 (8), layer1.0.conv2 (8), layer1.1.conv2 (8)\n" in text
    assert "head" not in text
    build = from_module(ResNet(), example=images(1), widths={"*": (0.5, 1.0)}, kernels={"layer2.*": (1, 3)})
    text = build.summary()
    assert "conv1.width: 0.5, 1.0 (conv1, layer1.0.conv2, layer1.1.conv2)" in text
    assert "head (widths '*'): the width of head cannot change: it is the network's output" in text
    assert "layer2.0.shortcut.0 (kernels 'layer2.*')" in text
    assert "could also be chosen" not in text


def test_plain_numbers_remain_where_nothing_is_searched() -> None:
    build = from_module(Inception(), example=images(1), widths={"one": (2, 4)})
    network = build(OWN)
    settings = network.norm.settings
    assert [isinstance(value, Expression) for value in settings.values()] == [True, False]
    assert list(settings.values())[1] == 16


def test_a_converted_space_costs_and_samples_as_any_other() -> None:
    build = from_module(ResNet(), example=images(1), widths={"*": (0.5, 1.0)}, depths={"layer2": (1, 2, 3)})
    space = Space("mine", build, task=OWN)
    drawn = space.sample(np.random.default_rng(0), 20)
    assert len({space.cost("macs", architecture) for architecture in drawn}) > 10
    shallow = {name: option for name, option in dict(space.largest).items() if not name.startswith(("layer2.1", "layer2.2"))}
    assert dict(space.validate(shallow | {"layer2.depth": 1})) == shallow | {"layer2.depth": 1}
    assert space.cost("memory", space.smallest) < space.cost("memory", space.largest)


@pytest.mark.parametrize("affine", [False, True])
def test_a_batch_norm_behind_a_concatenation_is_extracted_where_it_was_moved_to(affine: bool) -> None:
    module = nn.BatchNorm1d(12, momentum=None, affine=affine)
    layer = SegmentedBatchNorm(module, [(Choice("first", (2, 4)), 4), (8, 8)]).to("meta")
    layer.activate((2, 8))
    twin = layer.static()
    assert isinstance(twin, nn.BatchNorm1d)
    assert (twin.num_features, twin.momentum, twin.affine) == (10, None, affine)
    assert {tensor.device.type for tensor in twin.state_dict().values()} == {"meta"}
    assert twin.state_dict().keys() == module.state_dict().keys()
