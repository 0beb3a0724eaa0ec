"""A run that is killed, whenever that is, goes on and ends as if nothing had happened."""

from __future__ import annotations

import json
import shutil
import signal
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from killed_runs import PATIENCE, kill_when, signal_when, start, trained
from onnx_stand_in import without_exporter
from safetensors.torch import load_file

from nas import jobs
from nas.base.errors import NasError
from nas.runs import RunFolder
from nas.searching import StudyHistory
from nas.supernet import open_space
from nas.supernet.weights import load_tensors

SPACE = "mbconv"
OPTIONS = {"resolution": 16, "steps": 8, "evaluations": 6, "seed": 3, "compute": "cpu"}
TARGETS = ["pixel-latency=80ms"]


def trials(folder: Path, name: str) -> list[tuple[list[int], dict[str, float]]]:
    history = StudyHistory(RunFolder(folder).study, name, open_space("mbconv"))
    return [(trial.row.tolist(), dict(trial.metrics)) for trial in history.trials]


def assert_same_run(first: Path, second: Path) -> None:
    for study in ("search", "baseline"):
        assert trials(first, study) == trials(second, study)
        assert len(trials(first, study)) == OPTIONS["evaluations"]
    for name in ("weights.safetensors", "supernet/weights.safetensors"):
        one, other = load_file(first / name), load_file(second / name)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one), name
    results = [json.loads((folder / "results.json").read_text()) for folder in (first, second)]
    assert results[0]["winner"] == results[1]["winner"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with without_exporter():
        return jobs.search(SPACE, TARGETS, out=tmp_path_factory.mktemp("runs") / "whole", **OPTIONS).path


@pytest.mark.usefixtures("without_onnx")
def test_killed_in_training_and_in_search(uninterrupted: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    checkpoint, study = folder / "checkpoint.safetensors", folder / "study.journal"
    kill_when(start("new", folder, SPACE, TARGETS, OPTIONS), checkpoint.exists)
    assert not (folder / "supernet" / "supernet.json").exists()
    kill_when(start("resume", folder, SPACE, TARGETS, OPTIONS), lambda: study.exists() and study.read_bytes().count(b"\n") >= 5)
    assert not (folder / "results.json").exists()
    with study.open("ab") as file:
        file.write(b'{"op_code": 4, "worker_')  # the beginning of a line, as a kill in the middle of a write leaves it
    jobs.resume(folder)
    assert_same_run(uninterrupted, folder)


def test_a_finished_run_is_returned_as_it_is(uninterrupted: Path) -> None:
    before = (uninterrupted / "results.json").stat().st_mtime_ns
    run = jobs.resume(uninterrupted)
    assert run.results["kind"] == "search"
    assert (uninterrupted / "results.json").stat().st_mtime_ns == before


@pytest.mark.usefixtures("without_onnx")
def test_the_supernet_serves_another_search(uninterrupted: Path, tmp_path: Path) -> None:
    run = jobs.search(
        "mbconv", ["macs<=200M"], supernet=str(uninterrupted), evaluations=3, out=tmp_path / "second", strategy="random"
    )
    assert not (run.path / "supernet").exists()
    assert f"--supernet {uninterrupted}" in run.results["next"][-1]
    assert run.results["random_search"] is None
    assert run.results["winner"]["costs"]["macs"] <= 200e6


@pytest.mark.slow
def test_export_gives_the_same_files_again(uninterrupted: Path, tmp_path: Path) -> None:
    result = jobs.export(uninterrupted, tmp_path / "out")
    assert result["comparison"]["agrees"]
    assert result["real_input"]
    one, other = load_file(uninterrupted / "weights.safetensors"), load_file(tmp_path / "out" / "weights.safetensors")
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert (uninterrupted / "model.py").read_text() == (tmp_path / "out" / "model.py").read_text()


def test_show_lists_the_layers_that_sum_to_the_winner(uninterrupted: Path) -> None:
    shown = jobs.show(uninterrupted)
    latency = sum(layer["milliseconds"] or 0.0 for layer in shown["layers"]) + shown["grouped_ms"]
    assert latency == pytest.approx(shown["results"]["winner"]["costs"]["pixel1-latency"])
    space = open_space("mbconv")
    winner = space.validate(shown["architecture"])
    assert sum(layer["macs"] for layer in shown["layers"]) == space.cost("macs", winner)
    assert sum(layer["params"] for layer in shown["layers"]) == space.cost("params", winner)


def test_the_front_is_not_dominated(uninterrupted: Path) -> None:
    points = [
        (network["costs"]["pixel1-latency"], network["validation"]["top1"])
        for network in json.loads((uninterrupted / "results.json").read_text())["front"]
    ]
    assert points == sorted(points)
    assert all(first[1] < second[1] for first, second in pairwise(points))


def test_python_gets_the_network(uninterrupted: Path) -> None:
    run = jobs.Run(uninterrupted)
    network = run.network()
    images = torch.randn(3, 1, 16, 16)
    assert network(images).shape == (3, 10)
    assert (network(images)[0] - network(images)[1]).abs().max() > 0


def test_an_unfinished_run_says_how_to_go_on(uninterrupted: Path, tmp_path: Path) -> None:
    shutil.copytree(uninterrupted, tmp_path / "half", ignore=shutil.ignore_patterns("results.json"))
    with pytest.raises(NasError, match=f"is not finished; go on with: nas resume {tmp_path / 'half'}"):
        jobs.Run(tmp_path / "half")


@pytest.mark.slow
def test_ctrl_c_keeps_every_complete_step(tmp_path: Path) -> None:
    folder = tmp_path / "stopped"
    process = start("new", folder, SPACE, TARGETS, {**OPTIONS, "steps": 100_000}, seconds=1e9)
    signal_when(process, trained(folder).exists, signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert b"KeyboardInterrupt" in errors
    _, metadata = load_tensors(folder / "checkpoint.safetensors", "checkpoint")
    assert json.loads(metadata["facts"])["step"] > 0
