"""The runner as a program of its own: what it writes, that it goes on, and that two do not share a folder."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_plans import tiny_folder, tiny_plan

from nas.measuring import read_timings


def command(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-E", str(folder / "runner.py"), str(folder), *options]


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder, *options), capture_output=True, text=True, check=False, timeout=120)


def lines(folder: Path) -> list[str]:
    path = folder / "timings.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def begun(folder: Path, count: int = 3) -> subprocess.Popen[bytes]:
    """A runner that has written some timings."""
    process = subprocess.Popen(command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    end = time.monotonic() + 120
    while len(lines(folder)) < count:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    return process


def test_everything_is_timed_and_written_as_one_file(tmp_path: Path) -> None:
    plan = tiny_plan()
    folder = tiny_folder(tmp_path / "folder", plan)
    done = run(folder)
    assert done.returncode == 0, done.stderr
    timings = read_timings(folder, plan)
    assert timings.finished and {number: figure.count for number, figure in timings.figures.items()} == {0: 2, 1: 2}
    results = json.loads((folder / "results.json").read_text())
    assert results["plan"] == plan.model_dump(mode="json")
    assert results["device"] == json.loads((folder / "device.json").read_text())["device"]
    written = [json.loads(line) for line in lines(folder)]
    assert results["timings"] == [[entry["round"], entry["model"], entry["ms"], entry["busy"]] for entry in written]
    assert run(folder).returncode == 0 and len(lines(folder)) == len(written), "nothing is timed twice"


def test_a_killed_runner_loses_nothing(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "folder", tiny_plan(rounds=60))
    process = begun(folder, 5)
    process.kill()
    process.communicate()
    before = [line for line in lines(folder) if line.endswith("}")]
    with (folder / "timings.jsonl").open("a") as file:
        file.write('{"round": 2, "mod')  # as one that was cut while it wrote
    assert run(folder).returncode == 0
    assert lines(folder)[: len(before)] == before and read_timings(folder, tiny_plan(rounds=60)).finished


def test_a_second_runner_is_refused_or_takes_over(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "folder", tiny_plan(rounds=400))
    first = begun(folder)
    refused = run(folder)
    assert refused.returncode == 1 and f"process {first.pid}" in refused.stderr
    second = subprocess.Popen(command(folder, "--take-over"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    first.communicate(timeout=60)
    assert first.returncode == -15
    assert second.stdout is not None and second.stdout.readline(), "it times"
    second.terminate()
    second.communicate()


def test_timings_of_another_processor_are_not_gone_on_with(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "folder", tiny_plan())
    assert run(folder).returncode == 0
    device = json.loads((folder / "device.json").read_text())
    device["device"]["processor"] = "another one"
    (folder / "device.json").write_text(json.dumps(device))
    done = run(folder)
    assert done.returncode == 1 and "another one" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("missing", ["numpy", "onnxruntime"])
def test_what_is_not_installed_is_named(tmp_path: Path, missing: str) -> None:
    folder = tiny_folder(tmp_path / "folder", tiny_plan())
    (folder / f"{missing}.py").write_text(f"raise ModuleNotFoundError('No module named {missing}', name='{missing}')")
    done = run(folder, "--check")
    assert done.returncode == 1 and f"pip install {missing}" in done.stderr and "Traceback" not in done.stderr
