"""Tables that are linear models of whole networks: a constant, and a weight for each place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch import nn

from nas.base.errors import NasError
from nas.choices import Choice
from nas.costs import LatencyTable, compile_cost, latency_terms, layers, required_keys
from nas.elastic import ElasticConv2d, OperatorChoice, Unit
from nas.supernet import Space, Task

MakeTable = Callable[..., LatencyTable]

STEM = "stem 3x8x8->4x8x8"
LAYER = "layer 4x8x8->4x8x8"
LEFT_OUT = "nothing 4x8x8->4x8x8"
BIAS = {"keys": [STEM], "ms": 50.0}


class Layer(nn.Module):
    def __init__(self, channels: int, kind: str, position: str = "") -> None:
        super().__init__()
        self.conv = ElasticConv2d(channels, 4, 3)
        self.unit = Unit(kind, position=position)

    def forward(self, x: Any) -> Any:
        return self.conv(x)


class Nothing(nn.Identity):
    def __init__(self, position: str) -> None:
        super().__init__()
        self.unit = Unit("nothing", position=position)


def searched(position: str) -> nn.Module:
    return OperatorChoice(Choice(position, ("skip", "conv")), {"skip": Nothing(position), "conv": Layer(4, "layer", position)})


def built(*positions: str, stems: int = 1) -> Space:
    def build(task: Task) -> nn.Module:
        firsts = [Layer(task.channels if index == 0 else 4, "stem") for index in range(stems)]
        return nn.Sequential(*firsts, *map(searched, positions), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    return Space("toy", build, task=Task(3, 8, 4))


@pytest.fixture(scope="module")
def space() -> Space:
    return built("first", "second")


WEIGHTS = [
    (LEFT_OUT, "first", -8.0),
    (LAYER, "first", 1.0),
    (LEFT_OUT, "second", -0.5),
    (LAYER, "second", 0.0),
    ("pool 4x8x8->4x1x1", None, 0.0),
]


@pytest.fixture
def linear(table: MakeTable) -> LatencyTable:
    return table(WEIGHTS, classes=4, constant=BIAS)


def latencies(space: Space, table: LatencyTable) -> list[float]:
    """Of (skip, skip), (skip, conv), (conv, skip), (conv, conv)."""
    cost = compile_cost(space.decisions, latency_terms(space.walk(), table))
    return cost(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.uint8)).tolist()


def test_a_latency_is_the_constant_and_the_weight_of_every_place(space: Space, linear: LatencyTable) -> None:
    assert latencies(space, linear) == [41.5, 42.0, 50.5, 51.0]


def test_the_constant_may_stand_for_no_operator(space: Space, table: MakeTable) -> None:
    listed = table([*WEIGHTS, (STEM, None, 2.0)], classes=4, constant={"keys": [], "ms": -40.0})
    assert latencies(space, listed) == [-46.5, -46.0, -37.5, -37.0]


def test_what_is_left_out_costs_nothing_where_no_table_weighs_it(space: Space, table: MakeTable) -> None:
    plain = [(key, place, ms) for key, place, ms in WEIGHTS if key != LEFT_OUT]
    assert latencies(space, table([*plain, (STEM, None, 2.0)], classes=4)) == [2.0, 2.0, 3.0, 3.0]
    assert LEFT_OUT not in required_keys(space.walk()), "there is nothing to measure"


def test_a_weight_holds_at_its_own_place_alone(linear: LatencyTable) -> None:
    assert linear.lookup(LAYER, "first") == 1.0
    assert linear.lookup(LAYER, "third") is None and linear.lookup(LAYER) is None
    with pytest.raises(NasError, match=r"'toy' lacks .*layer 4x8x8"):
        latency_terms(built("first", "second", "third").walk(), linear)


def test_every_place_of_the_model_must_be_there(linear: LatencyTable) -> None:
    with pytest.raises(NasError, match="linear model of networks that can have a 'nothing' at 'second'"):
        latency_terms(built("first").walk(), linear)


def test_the_operators_of_the_constant_must_be_there_once(table: MakeTable, space: Space) -> None:
    weights = [*WEIGHTS, ("stem 4x8x8->4x8x8", None, 0.0)]
    with pytest.raises(NasError, match=r"'stem 9x9x9->4x9x9' is there 0 times"):
        latency_terms(space.walk(), table([*weights, (STEM, None, 0.0)], constant={"keys": ["stem 9x9x9->4x9x9"], "ms": 1.0}))
    twice = {"keys": ["stem 4x8x8->4x8x8"], "ms": 1.0}
    with pytest.raises(NasError, match=r"exactly once; 'stem 4x8x8->4x8x8' is there 2 times"):
        latency_terms(built("first", "second", stems=3).walk(), table([*WEIGHTS, (STEM, None, 0.0)], constant=twice))


def test_layers_and_the_constant_add_up(space: Space, linear: LatencyTable) -> None:
    found = layers(space.walk(), {"first": 0, "second": 1}, linear)
    assert [(layer.kind, layer.milliseconds) for layer in found] == [
        ("stem", None),
        ("nothing", -8.0),
        ("layer", 0.0),
        ("pool", None),
    ]


def test_what_a_figure_is(linear: LatencyTable, table: MakeTable) -> None:
    assert "linear model" in linear.method
    assert table({}).method == "summed from measured operators"
