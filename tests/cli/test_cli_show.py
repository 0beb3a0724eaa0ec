"""`nas show` of a space's network: costs, patches and efficiency."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nas.cli.app import app
from nas.jobs import machine

SMALL = ("mbconv:single-path", "--architecture", "smallest")
ONE = ("mbconv:mnasnet", "--architecture", "mobilenet-v2")


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["show", *words])


def shown(*words: str) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_network_of_a_space() -> None:
    found = shown(*ONE)
    assert found["costs"]["macs"] == sum(layer["macs"] for layer in found["layers"]) == 300_774_272
    assert found["costs"]["mcu-memory"] == 112 * 112 * (16 + 96)
    printed = run(*ONE).output
    assert "int8 memory 1.40 MB" in printed
    assert "Pareto" not in printed


def test_patches() -> None:
    found = shown(*ONE, "--patches", "4", "--budget", "256kB")
    assert [schedule["blocks"] for schedule in found["schedules"]][:5] == [1, 2, 3, 4, 5]
    best = found["best"]
    assert (best["blocks"], best["grid"], best["patch"]) == (5, 4, [75, 75])
    assert round(best["whole_stage_overhead"], 2) == 0.42
    assert best["memory"] <= 256e3
    printed = run(*SMALL, "--patches", "2", "--dtype", "float32").output
    assert "2 x 2" in printed and "x less" in printed


def test_efficiency_of_a_given_machine(tmp_path: Path) -> None:
    file = tmp_path / "efficiency.svg"
    figures = ("--efficiency", "--peak-gflops", "50", "--bandwidth-gbs", "10")
    found = shown("mbconv:single-path", *figures, "--device", "pixel1", "--plot", str(file))
    assert found["machine"]["ridge"] == 5.0
    assert found["ideal_ms"] == pytest.approx(2e3 * sum(layer["operations"] for layer in found["layers"]) / 2 / 50e9)
    assert sum(layer["share"] for layer in found["layers"]) == pytest.approx(1.0)
    assert found["waterline"] == pytest.approx(found["ideal_ms"] / found["least_ms"])
    assert found["waterline"] < found["fused_waterline"] < 1.0
    assert found["gap"] == pytest.approx(found["latency"]["ms"] / found["ideal_ms"])
    text = file.read_text()
    assert text.startswith("<?xml") and "efficiency on" in text
    printed = run("mbconv:single-path", *figures).output
    assert "waterline of" in printed and "No latency" in printed


def test_efficiency_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SIDE": 128, "NUMBERS": 2**16, "SECONDS": 0.05}.items():
        monkeypatch.setattr(machine, name, value)
    found = shown(*SMALL, "--efficiency")
    assert found["machine"]["measured"] and "1 thread" in found["machine"]["name"]
    assert found["latency"]["ms"] > 0 and found["latency"]["count"] >= 5
    assert found["efficiency"] == pytest.approx(1 / found["gap"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*ONE, "--patches", "two"), "given 'two'"),
        ((*ONE, "--patches", "1"), "2 or more"),
        ((*ONE, "--budget", "1MB"), "belongs to --patches"),
        ((*ONE, "--patches", "4", "--budget", "9"), "unknown unit of memory"),
        ((*SMALL, "--patches", "2", "--budget", "9kB"), "the least that one needs"),
        ((*ONE, "--patches", "4", "--dtype", "int4"), "int8 or float32"),
        ((*ONE, "--patches", "4", "--efficiency"), "one at a time"),
        ((*ONE, "--plot", "a.svg"), "belongs to --efficiency"),
        ((*ONE, "--efficiency", "--peak-gflops", "5"), "give both"),
        ((*ONE, "--efficiency", "--peak-gflops", "5", "--bandwidth-gbs", "-1"), "above 0"),
        ((*ONE, "--efficiency", "--device", "pixel1"), "give --peak-gflops"),
        ((*ONE, "--efficiency", "--threads", "100000"), "given 100000"),
        ((*ONE, "--efficiency", "--peak-gflops", "5", "--bandwidth-gbs", "1", "--plot", "a.bmp"), ".svg, .png"),
        (("mbconv:mnasnet", "--architecture", "mobilenet-v9"), "Did you mean 'mobilenet-v2'"),
        (("nowhere",), "not a folder"),
    ],
)
def test_mistakes(words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.output + result.stderr
    assert "Traceback" not in result.output
