"""Tables of several resolutions, and spaces that search theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch import nn

from nas.base.errors import NasError
from nas.choices import Choice
from nas.costs import LatencyTable, compile_cost, latency_terms, layers, measured_options, required_keys
from nas.elastic import ElasticConv2d, ElasticResize, Unit, scaled_resolution
from nas.supernet import Space, Task

MakeTable = Callable[..., LatencyTable]

KERNEL = Choice("kernel", (1, 3))
SIDES = Choice("resolution", (8, 12, 15, 16))
OPERATORS = [
    ("conv 3x{side}x{side}->4x{half}x{half} kernel=1", 1.0),
    ("conv 3x{side}x{side}->4x{half}x{half} kernel=3", 2.0),
    ("mean 4x{half}x{half}->4", 0.5),
]


class Conv(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = ElasticConv2d(channels, 4, KERNEL, stride=2)
        self.unit = Unit("conv", {"kernel": KERNEL})

    def forward(self, x: Any) -> Any:
        return self.conv(x)


class Mean(nn.Module):
    unit = Unit("mean")

    def forward(self, x: Any) -> Any:
        return x.mean((2, 3))


def build(task: Task) -> nn.Module:
    return nn.Sequential(ElasticResize(scaled_resolution(SIDES, task.resolution)), Conv(task.channels), Mean())


def fixed(task: Task) -> nn.Module:
    return nn.Sequential(Conv(task.channels), Mean())


@pytest.fixture(scope="module")
def space() -> Space:
    return Space("toy", build, task=Task(3, 16, 4))


def listed(*sides: int) -> list[dict[str, Any]]:
    """Each side with figures of its own, ten times larger than the side before."""
    return [
        {"key": key.format(side=side, half=-(-side // 2)), "ms": ms * 10**place, "resolution": side}
        for place, side in enumerate(sides)
        for key, ms in OPERATORS
    ]


@pytest.fixture
def make(table: MakeTable) -> Callable[..., LatencyTable]:
    def made(resolution: object, operators: list[dict[str, Any]]) -> LatencyTable:
        fields = table({}, classes=4).model_dump(by_alias=True)
        return LatencyTable.model_validate({**fields, "resolution": resolution, "operators": operators})

    return made


@pytest.fixture
def measured(make: MakeTable) -> LatencyTable:
    """At 12, 15 and 16 px; the maps of 15 and 16 px have the same sides after the first layer."""
    return make([16, 12, 15], listed(12, 15, 16))


def rows(space: Space) -> np.ndarray:
    """Every resolution with kernels 1 and 3."""
    codes = {"resolution": np.repeat(np.arange(4), 2), "kernel": np.tile([0, 1], 4)}
    return np.asfortranarray(np.stack([codes[name] for name in space.decisions.names], axis=1).astype(np.uint8))


def test_each_resolution_has_its_own_figures_and_others_none(space: Space, measured: LatencyTable) -> None:
    cost = compile_cost(space.decisions, latency_terms(space.walk(), measured))
    assert cost(rows(space)).tolist() == [np.inf, np.inf, 1.5, 2.5, 15.0, 25.0, 150.0, 250.0]
    assert cost.minimum() == 1.5


def test_the_same_key_differs_by_the_resolution_of_the_network(measured: LatencyTable) -> None:
    mean = "mean 4x8x8->4"
    assert [measured.lookup(mean, "", side) for side in (15, 16)] == [5.0, 50.0]
    assert measured.lookup(mean) == measured.lookup(mean, "", 12) == 27.5, "their mean, where neither is the network's"


def test_a_space_of_one_resolution_gets_the_figures_of_that(measured: LatencyTable) -> None:
    for side, least in ((12, 1.5), (15, 15.0), (16, 150.0)):
        space = Space("toy", fixed, task=Task(3, side, 4))
        assert space.task_for(measured) == Task(3, side, 4)
        assert compile_cost(space.decisions, latency_terms(space.walk(), measured)).minimum() == least
    elsewhere = Space("toy", fixed, task=Task(3, 20, 4))
    assert elsewhere.task_for(measured) == Task(3, 16, 4), "the largest"
    assert elsewhere.task_for(measured, Task(3, 12, 4)) == Task(3, 12, 4)
    with pytest.raises(NasError, match="12, 15 and 16 px and says nothing about 20 px; use --deploy-resolution 16"):
        elsewhere.task_for(measured, Task(3, 20, 4))


def test_a_table_of_one_resolution_serves_that_option(space: Space, make: MakeTable) -> None:
    plain = [{name: value for name, value in entry.items() if name != "resolution"} for entry in listed(12)]
    single = make(12, plain)
    options = measured_options(space.walk(space.task_for(single)), single)
    assert options is not None and options.codes.tolist() == [1]
    cost = compile_cost(space.decisions, latency_terms(space.walk(), single))
    assert cost(rows(space)).tolist() == [np.inf, np.inf, 1.5, 2.5, *[np.inf] * 4]


def test_a_table_of_none_of_the_resolutions_is_an_error(space: Space, make: MakeTable) -> None:
    with pytest.raises(NasError, match=r"'toy' was measured at 9 and 10 px, and 'resolution' .* 8, 12, 15, 16 px"):
        latency_terms(space.walk(), make([9, 10], []))


def test_an_operator_that_lacks_at_a_measured_resolution_is_named(space: Space, make: MakeTable) -> None:
    partly = [entry for entry in listed(12, 15, 16) if entry["key"] != "conv 3x15x15->4x8x8 kernel=3"]
    with pytest.raises(NasError, match=r"lacks 1 operator .*conv 3x15x15->4x8x8 kernel=3"):
        latency_terms(space.walk(), make([12, 15, 16], partly))


def test_the_resize_of_the_images_is_no_part_of_the_network(space: Space) -> None:
    assert not [key for key in required_keys(space.walk()) if key.startswith("resize")]


def test_layers_have_the_figures_of_their_resolution(space: Space, measured: LatencyTable) -> None:
    for code, figures in ((1, [None, 1.0, 0.5]), (2, [None, 10.0, 5.0]), (3, [None, 100.0, 50.0])):
        found = layers(space.walk(), {"resolution": code, "kernel": 0}, measured)
        assert [layer.milliseconds for layer in found] == figures
