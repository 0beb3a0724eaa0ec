"""Each preset of one operator a layer is listed, searched from the command line, and refuses a table that is not its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
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
def test_a_short_search_under_multiply_adds(preset: str, tmp_path: Path) -> None:
    name, run = f"mbconv:{preset}", tmp_path / "run"
    budget = ["--steps", "2", "--evaluations", "3", "--validation-images", "64", "--calibration-images", "64"]
    arguments = ["search", "--space", name, "--target", "macs<=320M", *budget, "--out", str(run)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    space = open_space(name)
    winner = space.validate(json.loads((run / "winner.json").read_text())["architecture"])
    assert space.cost("macs", winner, Task(1, 224, 10)) <= 320e6, "as deployed: one channel and the ten classes of the data"
