"""`nas measure` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nas.cli.app import app
from nas.costs import devices, load_table
from nas.supernet import Task, open_space

SMALL = ["--space", "cells:nas-bench-201", "--resolution", "8", "--rounds", "1"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAS_HOME", str(tmp_path / "home"))


def said(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["measure", *words])
    assert result.exit_code == code, result.output + result.stderr
    return result.stdout if code == 0 else result.stderr


def test_a_table_is_measured_installed_and_found_by_a_target() -> None:
    found = json.loads(said(*SMALL, "--device", "here", "--networks", "4", "--json"))
    assert found["operators"] == 35
    (accuracy,) = found["accuracy"]
    assert (accuracy["networks"], accuracy["fitted_on"]) == (2, 2)
    assert "nas search --space cells:nas-bench-201 --target here-latency" in found["next"][0]
    table = load_table(Path(found["table"]))
    assert table == devices()["here"]
    assert (table.resolution, table.threads, table.dtype) == (8, 1, "float32")
    assert table.runtime is not None and table.runtime.startswith("onnxruntime 1")
    assert all(entry.ms >= 0 and entry.alone and entry.count for entry in table.operators)
    limit = float(found["next"][0].rpartition("=")[2].removesuffix("ms"))
    space = open_space("cells:nas-bench-201")
    architecture = space.known["nats-size-cell"]
    assert 0 < limit < space.cost("here-latency", architecture, Task(3, 8, 10))


@pytest.mark.slow
def test_a_second_call_times_nothing_again_and_another_measurement_needs_another_folder() -> None:
    first = json.loads(said(*SMALL, "--device", "here", "--json"))
    folder = Path(first["table"]).parent
    before = (folder / "timings.jsonl").read_text()
    assert json.loads(said(*SMALL, "--device", "here", "--json"))["table"] == first["table"]
    assert (folder / "timings.jsonl").read_text() == before
    assert "rounds is 1, not 2" in said(*SMALL[:-1], "2", "--device", "here", code=2)
    assert "that you added has threads=1, not 2" in said(*SMALL, "--device", "here", "--threads", "2", "--out", "x", code=2)


@pytest.mark.slow
def test_two_spaces_share_a_table() -> None:
    said(*SMALL, "--device", "here")
    said("--space", "cells:nats-size", "--resolution", "8", "--rounds", "1", "--device", "here", "--list")
    said(
        "--space", "cells:darts", "--resolution", "8", "--classes", "10", "--rounds", "1", "--device", "here", "--out", "second"
    )
    kinds = devices()["here"].kinds
    assert {"residual_reduction", "factorised_reduction", "conv_norm"} <= kinds


def test_the_operators_are_listed() -> None:
    found = json.loads(said("--space", "mbconv", "--list", "--networks", "3", "--json"))
    assert len(found["operators"]) == 45 and found["networks"] == 3 and found["minutes"] > 0
    assert found["operators"][0] == {"key": "conv 3x224x224->32x112x112 act=relu kernel=3 stride=2", "places": 1}
    assert "45 operators" in said("--space", "mbconv", "--list")
    assert not Path("measurements").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--device", "Big Phone"], "cannot be called 'Big Phone'"),
        (["--device", "pixel1"], "'pixel1' is a table that ships"),
        (["--runtime", "tensorflow"], "unknown runtime 'tensorflow'"),
        (["--dtype", "int4"], "int4"),
        (["--threads", "0"], "threads must be at least 1; given 0"),
        (["--networks", "-1"], "networks must be at least 0; given -1"),
        (["--space", "einspace"], "share no operators"),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], expected: str) -> None:
    assert expected in said(*words, code=2)
    assert not Path("measurements").exists()
