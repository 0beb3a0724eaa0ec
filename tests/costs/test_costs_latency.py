"""Latency: sums over a table, and errors for what a table does not know."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from torch import nn

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.choices import Choice
from nas.costs import LatencyTable, compile_cost, devices, latency_terms, operator_key, required_keys
from nas.elastic import ElasticConv2d, Unit
from nas.supernet import Space, Task

MakeTable = Callable[..., LatencyTable]


class Layer(nn.Module):
    def __init__(self, kernel: object, position: str = "", kind: str = "layer") -> None:
        super().__init__()
        self.conv = ElasticConv2d(4, 4, kernel)  # type: ignore[arg-type]
        self.unit = Unit(kind, {"kernel": kernel}, position)  # type: ignore[dict-item]

    def forward(self, x: object) -> object:
        return self.conv(x)


class Ends(nn.Module):
    def __init__(self, kind: str, *layers: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*layers)
        self.unit = Unit(kind)

    def forward(self, x: object) -> object:
        return self.body(x)


KERNELS = [Choice(f"kernel{index}", (3, 5)) for index in range(2)]
FIRST, LAST = "stem 3x8x8->4x8x8", "head 4x8x8->5"


def key(kernel: int) -> str:
    return f"layer 4x8x8->4x8x8 kernel={kernel}"


def build(task: Task) -> nn.Module:
    return nn.Sequential(
        Ends("stem", nn.Conv2d(task.channels, 4, 3, padding=1)),
        Layer(KERNELS[0], "here"),
        Layer(KERNELS[1], "there"),
        Ends("head", nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, task.classes)),
    )


@pytest.fixture(scope="module")
def space() -> Space:
    return Space("units", build, task=Task(3, 8, 5))


def latencies(space: Space, table: LatencyTable) -> list[float]:
    """Of kernels (3, 3), (3, 5), (5, 3), (5, 5)."""
    cost = compile_cost(space.decisions, latency_terms(space.walk(), table))
    return cost(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.uint8)).tolist()


def test_a_latency_is_the_sum_of_its_operators(space: Space, table: MakeTable) -> None:
    known = table({FIRST: 100.0, LAST: 200.0, key(3): 1.0, key(5): 10.0})
    assert latencies(space, known) == [302.0, 311.0, 311.0, 320.0]


def test_positions_have_figures_of_their_own_and_other_places_the_mean(space: Space, table: MakeTable) -> None:
    at = [("here", 1.0), ("elsewhere", 5.0)]
    known = table([(FIRST, None, 0.0), (LAST, None, 0.0), *((key(3), place, ms) for place, ms in at), (key(5), None, 10.0)])
    assert latencies(space, known) == [1.0 + 3.0, 11.0, 13.0, 20.0]


def test_operators_measured_together_count_once(space: Space, table: MakeTable) -> None:
    known = table({key(3): 1.0, key(5): 10.0}, [([FIRST, LAST], 50.0)])
    assert latencies(space, known) == [52.0, 61.0, 61.0, 70.0]


def test_a_group_must_be_there_whole_and_once(space: Space, table: MakeTable) -> None:
    partly = table({key(3): 1.0, key(5): 10.0, LAST: 1.0}, [([FIRST, "extra 1->1"], 50.0)])
    with pytest.raises(NasError, match=r"'toy'.*exactly once; 'extra 1->1' is there 0 times"):
        latencies(space, partly)


def test_a_group_found_twice_is_an_error(table: MakeTable) -> None:
    def twice(task: Task) -> nn.Module:
        return nn.Sequential(build(task)[0], Layer(KERNELS[0]), Layer(3, kind="fixed"), Layer(3, kind="fixed"), build(task)[3])

    fixed = "fixed 4x8x8->4x8x8 kernel=3"
    known = table({FIRST: 1.0, LAST: 1.0, key(3): 1.0, key(5): 1.0}, [([fixed], 50.0)])
    with pytest.raises(NasError, match=rf"exactly once; '{fixed}' is there 2 times"):
        latency_terms(Space("twice", twice, task=Task(3, 8, 5)).walk(), known)


def test_a_grouped_operator_that_only_some_networks_run_is_an_error(space: Space, table: MakeTable) -> None:
    known = table({FIRST: 1.0, LAST: 1.0, key(5): 1.0}, [([key(3)], 50.0)])
    with pytest.raises(NasError, match="kernel=3"):
        latencies(space, known)


@pytest.mark.parametrize("lost", [FIRST, key(5), LAST])
def test_a_missing_operator_is_named_with_its_place(space: Space, table: MakeTable, lost: str) -> None:
    known = {FIRST: 1.0, LAST: 1.0, key(3): 1.0, key(5): 1.0}
    del known[lost]
    with pytest.raises(NasError) as caught:
        latencies(space, table(known))
    kept = "layer" in lost
    assert "'toy' lacks" in str(caught.value)
    assert (lost if kept else "conv2d" if lost == FIRST else "linear") in str(caught.value)


def test_a_unit_of_a_kind_the_table_does_not_list_is_looked_up_operator_by_operator(space: Space, table: MakeTable) -> None:
    conv = "conv2d 3x8x8->4x8x8 dilation=1 groups=1 kernel_h=3 kernel_w=3 stride=1"
    known = table({conv: 7.0, key(3): 1.0, key(5): 10.0, LAST: 0.0})
    assert latencies(space, known) == [9.0, 18.0, 18.0, 27.0]


def test_required_keys_are_those_a_table_must_have(space: Space, table: MakeTable) -> None:
    needed = required_keys(space.walk())
    assert set(needed) == {FIRST, LAST, key(3), key(5)}
    assert needed[key(5)] == ["1", "2"]
    assert len(latencies(space, table(dict.fromkeys(needed, 1.0)))) == 4


def test_keys_are_text_in_one_order() -> None:
    made = operator_key("conv", (3, 224, 224), (32, 112, 112), {"kernel": 3, "act": "relu"})
    assert made == "conv 3x224x224->32x112x112 act=relu kernel=3"
    assert operator_key("conv", (3, 224, 224), (32, 112, 112), {"act": "relu", "kernel": np.int64(3)}) == made


def test_mnasnet_on_the_pixel(mbconv: Space) -> None:
    assert mbconv.cost("pixel-latency", mbconv.known["mnasnet-b1"]) == pytest.approx(75.8806, abs=1e-3)


@pytest.mark.parametrize(
    ("operator", "milliseconds"), [("k3e3", 65.691), ("k3e6", 110.652), ("k5e3", 76.362), ("k5e6", 131.458)]
)
def test_totals_of_the_source(mbconv: Space, operator: str, milliseconds: float) -> None:
    network = dict.fromkeys(mbconv.decisions.names, operator)
    assert mbconv.cost("pixel1-latency", mbconv.validate(network)) == pytest.approx(milliseconds, abs=1e-3)


def test_the_fastest_network_on_the_pixel(mbconv: Space) -> None:
    cost = mbconv.compiled("pixel1-latency")
    assert cost.minimum() == pytest.approx(30.632, abs=1e-3)
    assert cost.minimum() == pytest.approx(mbconv.cost("pixel1-latency", mbconv.smallest), abs=1e-9)


def test_latency_of_many_networks_equals_the_published_figures_added_up(mbconv: Space, mbconv_rows: Rows) -> None:
    pixel = devices()["pixel1"]
    figures = {
        (entry.position, f"k{part['kernel']}e{part['expand']}"): entry.ms
        for entry in pixel.operators
        for part in [dict(word.split("=") for word in entry.key.split()[2:])]
    }
    constant = sum(group.ms for group in pixel.groups)
    expected = [
        constant + sum(figures[name, option] for name, option in one.items() if option != "skip")
        for one in mbconv.decode(mbconv_rows)
    ]
    np.testing.assert_allclose(mbconv.cost("pixel1-latency", mbconv_rows), expected, rtol=0, atol=1e-9)


def test_an_alias_is_the_same_device(mbconv: Space) -> None:
    assert devices()["pixel"] is devices()["pixel1"]
    assert mbconv.compiled("pixel-latency") is mbconv.compiled("pixel1-latency")
    assert "pixel1-latency" in mbconv.metrics()


def test_a_table_says_nothing_about_another_resolution(mbconv: Space) -> None:
    with pytest.raises(NasError, match=r"'pixel1' was measured at 224 px.*160 px"):
        mbconv.compiled("pixel1-latency", Task(3, 160, 1000))
    assert mbconv.compiled("pixel1-latency", Task(3, 224, 10)) is mbconv.compiled("pixel1-latency")


def test_a_space_the_table_does_not_cover_is_told(small: Space) -> None:
    with pytest.raises(NasError, match=r"'pixel1' lacks at least \d+ operators"):
        small.compiled("pixel1-latency")
