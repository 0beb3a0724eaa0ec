"""Existing networks of every common shape become spaces that contain them."""

from __future__ import annotations

from typing import Any

import pytest
from conversion_checks import assert_exact, assert_largest_is_the_module, images, space_of
from handwritten_networks import (
    DenseNet,
    Flattened,
    GatedMixer,
    Inception,
    MobileNet,
    ResNet,
    ResNeXt,
    UNet,
    VisionTransformer,
    trained,
)
from torch import nn

from nas.checking import check_space
from nas.elastic import from_module

HALVES = {"*": (0.5, 1.0)}
CASES: dict[str, tuple[type[nn.Module], dict[str, Any]]] = {
    "resnet": (
        ResNet,
        {
            "widths": {"*": (0.25, 0.5, 1.0)},
            "kernels": {"layer*.conv?": (1, 3), "conv1": (3, 5, 7)},
            "depths": {"layer2": (1, 2, 3)},
            "optional": ["layer1.1"],
        },
    ),
    "densenet": (DenseNet, {"widths": {"*": (0.5, 0.75, 1.0)}, "kernels": {"*.conv2": (1, 3)}}),
    "mobilenet": (MobileNet, {"widths": {"*": (0.25, 0.5, 1.0)}, "kernels": {"*.depthwise.*": (1, 3, 5), "*.2.*": (1, 3)}}),
    "inception": (
        Inception,
        {"widths": {"*": (0.5, 1.0)}, "kernels": {"depthwise": (1, 3), "five": (1, 3, 5), "last": (1, 3)}},
    ),
    "unet": (UNet, {"widths": {"*": (0.25, 0.5, 1.0)}, "kernels": {"*.0.0": (1, 3)}}),
    "flattened": (Flattened, {"widths": {"*": (0.25, 0.5, 1.0)}}),
    "transformer": (VisionTransformer, {"widths": {"*.mlp.0": (4, 12, 16)}, "depths": {"blocks": (1, 2, 3)}}),
    "mixer": (GatedMixer, {"widths": {"*": (0.25, 0.5, 1.0)}, "optional": ["blocks.*"]}),
    "resnext": (ResNeXt, {"widths": HALVES, "kernels": {"grouped.0": (1, 3), "widen": (1, 3)}}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_space_contains_its_module_and_is_exact(name: str) -> None:
    kind, requests = CASES[name]
    module = trained(kind())
    build = from_module(module, example=images(1), **requests)
    space = space_of(build)
    assert_largest_is_the_module(space, build, module)
    assert_exact(space, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_many_architectures_are_exact(name: str) -> None:
    kind, requests = CASES[name]
    space = space_of(from_module(trained(kind()), example=images(1), **requests))
    assert_exact(space, 50, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_converted_spaces_keep_every_promise_of_a_space(name: str) -> None:
    kind, requests = CASES[name]
    report = check_space(space_of(from_module(trained(kind()), example=images(1), **requests)))
    assert not report.findings
