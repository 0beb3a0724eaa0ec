"""Every table that ships sums up to what its source says, to the last digit, and covers the spaces that it names."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import yaml
from latency_sources import source

from nas.architectures import Architecture
from nas.base.errors import NasError
from nas.choices import make_divisible
from nas.costs import devices
from nas.jobs.coverage import Covered, coverage
from nas.supernet import Space, Task, open_space
from nas.training.differentiable.resource_loss import summed_cost

MEASURED = (160, 176, 192, 208, 224)
FBNET = ("pixel3", "raspi4", "eyeriss", "fpga")
OTHERS = (("mbconv:ofa", "note10"), ("mbconv:fbnet", "raspi4"), ("mbconv:proxyless-w24", "pixel1-tunas"))
WIDTHS = (24, 32, 48, 96, 136, 192)
"""Of Once-for-All times 1.2: the first block and the five stages."""


def drawn(space: Space, count: int) -> list[Architecture]:
    return space.decode(space.decisions.sample(np.random.default_rng(5), count))


def assert_sums(space: Space, device: str, networks: list[Architecture], sums: list[float]) -> None:
    np.testing.assert_allclose(space.cost(f"{device}-latency", networks), sums, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", [name for name in devices() if devices()[name].spaces])
def test_a_table_covers_the_spaces_it_names(name: str) -> None:
    table = devices()[name]
    searched = MEASURED if name == "note10" else None
    for space in table.spaces:
        assert coverage(open_space(space), table, space) == Covered(space, searched, 25 if searched else 0)


def test_all_the_devices_that_are_promised_are_there() -> None:
    assert {*FBNET, "pixel1", "pixel1-tunas", "pixel1-proxyless", "note10"} <= set(devices())


@pytest.mark.parametrize(("space", "device"), OTHERS)
def test_a_table_of_other_networks_is_refused_and_names_their_space(space: str, device: str) -> None:
    with pytest.raises(NasError, match=rf"'{device}' lacks .*It was made for {devices()[device].spaces[0]}\. "):
        open_space(space).compiled(f"{device}-latency")


def test_the_linear_model_of_the_pixel() -> None:
    space = open_space("mbconv:proxyless")
    mobile = space.known["proxylessnas-mobile"]
    assert round(space.cost("pixel1-tunas-latency", mobile), 1) == 84.4
    model = json.loads(source("pixel1-tunas.json"))
    fixed = model["bias"] + model["sepconv"]["k3"]
    networks = [mobile, *drawn(space, 50)]
    weights = [[layer["weights"] for layer in model["layers"]]] * len(networks)
    sums = [
        fixed + sum(layer[re.sub(r"(k\d)(e\d)", r"\1_\2", str(network[f"layer{n}"]))] for n, layer in enumerate(layers, 1))
        for network, layers in zip(networks, weights, strict=True)
    ]
    assert_sums(space, "pixel1-tunas", networks, sums)


def block(before: tuple[int, int], after: tuple[int, int], kernel: int, expand: int, stride: int) -> str:
    """The key of the sources: sides and widths, expansion, kernel, stride, and whether there is a shortcut."""
    shapes = "-".join(f"{name}:{side}x{side}x{width}" for name, (width, side) in (("input", before), ("output", after)))
    shortcut = int(stride == 1 and before == after)
    return f"expanded_conv-{shapes}-expand:{expand}-kernel:{kernel}-stride:{stride}-idskip:{shortcut}"


def test_the_measured_blocks_of_the_pixel() -> None:
    listed = {key: entry["mean"] for key, entry in yaml.safe_load(source("pixel1-proxyless.yaml")).items()}
    fixed = sum(listed[key] for key in ("Conv-input:224x224x3-output:112x112x32", "Conv_1-input:7x7x320-output:7x7x1280"))
    fixed += listed["Logits-input:7x7x1280-output:1000"] + listed[block((32, 112), (16, 112), 3, 1, 1)]
    space = open_space("mbconv:proxyless-w24")
    networks, sums = drawn(space, 50), []
    for network in networks:
        total, before = fixed, (16, 112)
        for n in range(1, 22):
            width = (24, 40, 80, 96, 192, 320)[(n - 1) // 4]
            stride = 2 if n in (1, 5, 9, 17) else 1
            after = width, before[1] // stride
            operator = str(network[f"layer{n}"])
            if operator != "skip":
                total += listed[block(before, after, int(operator[1]), int(operator[3]), stride)]
            before = after
        sums.append(total)
    assert_sums(space, "pixel1-proxyless", networks, sums)


def note10_sum(listed: Mapping[str, float], network: Mapping[str, Any]) -> float:
    """The latency of a network by the source's keys."""
    side = -(-network["resolution"] // 2)
    total = listed[f"Conv-input:{2 * side}x{2 * side}x3-output:{side}x{side}x24"]
    total += listed[f"{block((24, side), (24, side), 3, 24, 1)}-se:0-hs:0"]
    for stage, (width, squeeze, hard) in enumerate(zip(WIDTHS[1:], (0, 1, 0, 1, 1), (0, 0, 1, 1, 1), strict=True), 1):
        for index in range(1, network[f"stage{stage}.depth"] + 1):
            stride = 2 if index == 1 and stage != 4 else 1
            before = WIDTHS[stage - 1] if index == 1 else width
            after = -(-side // stride)
            kernel, expand = (network[f"stage{stage}.block{index}.{what}"] for what in ("kernel", "expand"))
            total += listed[f"{block((before, side), (width, after), kernel, before * expand, stride)}-se:{squeeze}-hs:{hard}"]
            side = after
    total += listed[f"Conv_1-input:{side}x{side}x192-output:{side}x{side}x1152"]
    total += listed[f"AvgPool2D-input:{side}x{side}x1152-output:1x1x1152"]
    return total + listed["Conv_2-input:1x1x1152-output:1x1x1536"] + listed["Logits-input:1x1x1536-output:1000"]


def test_the_released_network_for_the_note_10() -> None:
    space = open_space("mbconv:ofa-w1.2")
    released = space.known["note10-30ms"]
    assert round(space.cost("note10-latency", released), 2) == 29.97
    # As released: 339 M, 457 M and 554 M multiply-adds, 7.5, 9.0 and 9.1 M parameters.
    assert [round(space.cost("macs", network) / 1e6) for network in space.known.values()] == [339, 457, 554]
    assert [round(space.cost("params", network) / 1e6, 1) for network in space.known.values()] == [7.5, 9.0, 9.1]


@pytest.mark.parametrize("resolution", MEASURED)
def test_the_note_10_is_exact_at_every_resolution_that_was_measured(resolution: int) -> None:
    listed = {key: entry["mean"] for key, entry in yaml.safe_load(source(f"note10-ofa-{resolution}.yaml")).items()}
    space = open_space("mbconv:ofa-w1.2")
    networks = [space.validate(dict(network) | {"resolution": resolution}) for network in drawn(space, 30)]
    assert_sums(space, "note10", networks, [note10_sum(listed, network) for network in networks])


def test_the_note_10_says_nothing_of_other_resolutions() -> None:
    space = open_space("mbconv:ofa-w1.2")
    cost, rows = space.compiled("note10-latency"), space.decisions.sample(np.random.default_rng(0), 500)
    sides = np.array([network["resolution"] for network in space.decode(rows)])
    assert (np.isfinite(cost(rows)) == np.isin(sides, MEASURED)).all()
    assert cost.minimum() == pytest.approx(9.890346512, abs=1e-9)
    with pytest.raises(NasError, match=r"'note10' was measured at 160, 176, 192, 208 and 224 px .* 220 px"):
        space.cost("note10-latency", space.known["note10-41ms"])


def test_an_expected_latency_needs_every_resolution() -> None:
    with pytest.raises(NasError, match=r"'note10' was measured at 160, .*'mbconv:ofa-w1\.2' searches other resolutions, too"):
        summed_cost(open_space("mbconv:ofa-w1.2"), "note10-latency", Task())


def test_squeeze_and_excitation_of_the_note_10_is_that_of_the_space() -> None:
    """The source says only whether there is one; its width is in the key, as the space computes it."""
    for entry in devices()["note10"].operators:
        match = re.match(r"mbconv (\d+)x.*expand=(\d).*squeeze=(\d+)", entry.key)
        if match and match[3] != "0":
            assert int(match[3]) == make_divisible(int(match[1]) * int(match[2]) // 4)


@pytest.mark.parametrize("device", FBNET)
def test_blocks_of_fbnet(device: str) -> None:
    rows = list(csv.DictReader(source(f"fbnet-{device}.csv").splitlines()))
    *layers, constant = rows
    names = {"skip": "skip(ref)"} | {
        f"k{kernel}{ours}": f"k{kernel}{theirs}"
        for kernel in (3, 5)
        for ours, theirs in (("e1", "_e1"), ("e1g2", "_e1_g2"), ("e3", "_e3"), ("e6", "_e6"))
    }
    space = open_space("mbconv:fbnet-cifar")
    networks = [space.smallest, space.largest, *drawn(space, 50)]
    sums = [
        float(constant["k3_e1"]) + sum(float(row[names[str(network[f"layer{n}"])]]) for n, row in enumerate(layers, 1))
        for network in networks
    ]
    assert_sums(space, device, networks, sums)
    assert sums[0] == float(constant["k3_e1"]), "all layers skipped"


@pytest.mark.parametrize("name", [name for name in devices() if name.startswith("cpu-")])
def test_tables_measured_for_the_toolkit_say_how_good_they_are(name: str) -> None:
    table = devices()[name]
    assert table.licence == "Apache-2.0" and table.runtime and table.threads == 1
    assert table.spaces == ("mbconv:single-path",)
    (accuracy,) = table.accuracy
    assert accuracy.networks >= 15 and accuracy.fitted_on >= 15 and accuracy.mape < accuracy.uncorrected_mape
    assert all(entry.alone and entry.count and entry.spread is not None for entry in table.operators)
    space = open_space("mbconv:single-path")
    networks = drawn(space, 200)
    here, phone = (np.argsort(np.argsort(space.cost(f"{device}-latency", networks))) for device in (name, "pixel1"))
    assert np.corrcoef(here, phone)[0, 1] > 0.6
