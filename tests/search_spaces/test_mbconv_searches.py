"""What holds for every preset of one operator a layer: listed, exact, exported, searched; refuses a table not its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from exactness import assert_exact
from mbconv_contracts import SMALL, assert_onnx, drawn
from typer.testing import CliRunner

from nas.base.errors import NasError
from nas.cli.app import app
from nas.supernet import Task, open_space, space_names

PRESETS = ("proxyless", "fbnet", "mnasnet", "spos")


@pytest.mark.parametrize("preset", PRESETS)
def test_it_is_listed(preset: str) -> None:
    assert f"mbconv:{preset}" in space_names()
    space = open_space(f"mbconv:{preset}")
    assert space.source and space.summary
    assert all(space.validate(network) == network for network in space.known.values())


@pytest.mark.parametrize("preset", PRESETS)
def test_a_latency_table_of_another_space_is_refused(preset: str) -> None:
    with pytest.raises(NasError, match="table 'pixel1'"):
        open_space(f"mbconv:{preset}").compiled("pixel-latency")


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_many_networks_agree(preset: str) -> None:
    space = open_space(f"mbconv:{preset}")
    assert_exact(space, drawn(space, 20), SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_onnx_agrees(preset: str, tmp_path: Path) -> None:
    space = open_space(f"mbconv:{preset}")
    for row in drawn(space, 1)[[0, 2, -1]]:
        assert_onnx(space, row, tmp_path, calibrated=preset != "spos")


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_a_short_search_under_multiply_adds(preset: str, tmp_path: Path) -> None:
    name, run = f"mbconv:{preset}", tmp_path / "run"
    budget = ["--steps", "2", "--evaluations", "3", "--validation-images", "64", "--calibration-images", "64"]
    arguments = ["search", "--space", name, "--target", "macs<=320M", *budget, "--out", str(run)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    space = open_space(name)
    winner = space.validate(json.loads((run / "winner.json").read_text())["architecture"])
    assert space.cost("macs", winner, Task(1, 224, 10)) <= 320e6, "as deployed: one channel and the ten classes of the data"
