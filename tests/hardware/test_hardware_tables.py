"""The tables that ship are readable and say what their sources say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from latency_sources import source

import hardware
from hardware import load_tables
from nas.costs import LatencyTable, devices, load_table

FILES = sorted((Path(hardware.__file__).parent / "tables").glob("*.json"))


def test_tables_ship() -> None:
    assert FILES
    assert [table.name for table in load_tables()] == [load_table(path).name for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_table_is_whole(path: Path) -> None:
    table = load_table(path)
    assert table.name == path.stem
    assert devices()[table.name] == table
    for alias in table.aliases:
        assert devices()[alias] == table
    assert table.source and table.licence and table.device
    assert all(group.ms > 0 for group in table.groups)
    assert table.constant is not None or all(entry.ms > 0 for entry in table.operators)
    assert table.spaces, "what it is complete for"


@pytest.fixture(scope="module")
def pixel() -> LatencyTable:
    return devices()["pixel1"]


def test_the_pixel_table_equals_its_source(pixel: LatencyTable) -> None:
    """The source numbers the operators 0: k3 e3, 1: k3 e6, 2: k5 e3, 3: k5 e6, and the layers 1 to 20."""
    published = json.loads(source("pixel1-single-path.json"))
    kinds = {("3", "3"): "0", ("3", "6"): "1", ("5", "3"): "2", ("5", "6"): "3"}
    found = {}
    for entry in pixel.operators:
        attributes = dict(word.split("=") for word in entry.key.split()[2:])
        place = str(entry.position).removeprefix("layer")
        found[place, kinds[attributes["kernel"], attributes["expand"]]] = entry.ms
    expected = {(str(layer), kind): published[str(layer)][kind] for layer in range(1, 21) for kind in "0123"}
    assert found == pytest.approx(expected, abs=1e-9)
    assert len(pixel.operators) == 80
    assert [group.ms for group in pixel.groups] == pytest.approx([19.5999], abs=1e-9)


def test_the_pixel_table_says_what_it_is(pixel: LatencyTable) -> None:
    assert (pixel.resolution, pixel.channels, pixel.classes, pixel.batch) == (224, 3, 1000, 1)
    assert pixel.runtime is None and pixel.threads is None, "the source does not say"
    assert "Single-Path NAS" in pixel.source
