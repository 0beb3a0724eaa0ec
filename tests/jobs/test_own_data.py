"""Whole searches of one's own data: several labels, numbers, objects in Python, weights of classes, corrupt images."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import TensorDataset
from typer.testing import CliRunner

import nas
from nas.cli.app import app
from nas.data import Reading, fixed_batches, load_data
from nas.elastic import ElasticConv2d, ElasticLinear
from nas.exporting import load_plain
from nas.jobs import finishing
from nas.jobs.data_report import class_lines
from nas.runs import RunConfig, prepare
from nas.searching.evaluate import score

pytestmark = pytest.mark.usefixtures("without_onnx")

BUDGET: dict[str, Any] = {
    "steps": 3,
    "evaluations": 2,
    "validation_images": 16,
    "calibration_images": 8,
    "settings": {"batch_size": 4},
    "compute": "cpu",
}


TRAINING: dict[str, Any] = {"steps": 3, "settings": {"batch_size": 4}, "compute": "cpu"}


class Tiny(nn.Module):
    def __init__(self, task: nas.Task) -> None:
        super().__init__()
        width = nas.Choice("width", (4, 8, 12))
        self.conv = ElasticConv2d(task.channels, width, 3, stride=2)
        self.head = ElasticLinear(width, task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(x)).mean((2, 3)))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def space() -> nas.Space:
    return nas.Space("tiny", Tiny, task=nas.Task(3, 8, 10))


@pytest.fixture
def listed(tmp_path: Path) -> Callable[[str, Callable[[int], str]], Path]:
    """Write 40 pictures and a CSV file: listed(column names, number -> cells)."""

    def write(columns: str, cells: Callable[[int], str]) -> Path:
        rng = np.random.default_rng(0)
        lines = [f"path,{columns}"]
        for number in range(40):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
            lines.append(f"{number}.png,{cells(number)}")
        (tmp_path / "labels.csv").write_text("\n".join(lines))
        return tmp_path / "labels.csv"

    return write


class Told:
    """A reporter that keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def start(self, title: str, total: int, done: int = 0) -> None:
        pass

    def advance(self, done: int, note: str = "") -> None:
        pass

    def finish(self) -> None:
        pass

    def say(self, text: str) -> None:
        self.lines.append(text)


def scored_again(run: nas.Run, reading: Reading) -> dict[str, float]:
    """The winner's files on the test images."""
    config = run.manifest.config
    data = load_data(config.data, seed=config.seed, reading=reading)
    return score(load_plain(run.folder.model, run.folder.weights), fixed_batches(data, "test", 7), data.task)


@pytest.mark.parametrize("trainer", [pytest.param("uniform", marks=pytest.mark.slow), "sandwich"])
def test_several_labels_are_searched_by_mean_average_precision(
    space: nas.Space, tmp_path: Path, listed: Any, trainer: str
) -> None:
    path = listed("tags", lambda number: ("a;b", "b", "c;a", "")[number % 4])
    run = nas.search(space, data=path, out=tmp_path / "run", trainer=trainer, class_weights="balanced", **BUDGET)
    assert run.results["objectives"][0]["name"] == "map"
    assert set(run.results["winner"]["test"]) == {"map", "loss"}
    assert scored_again(run, Reading()) == pytest.approx(run.results["winner"]["test"], rel=1e-4)
    assert run.manifest.data["classes"] == ["a", "b", "c"] and run.manifest.data["task"] == "multi-label"
    assert class_lines(load_data(path), False)[0].startswith("training images of each of 3 labels: a ")
    assert "% mAP" in " ".join(run.folder.readme.read_text().replace("**", "").split())


def test_numbers_are_searched_by_the_share_of_variance(space: nas.Space, tmp_path: Path, listed: Any) -> None:
    path = listed("age,size", lambda number: f"{number},{number % 7}")
    options = {"label_columns": ("age", "size"), "task": "regression"}
    run = nas.search(space, data=path, out=tmp_path / "run", trainer="sandwich", targets=["params<=1k"], **options, **BUDGET)
    assert run.results["objectives"][0]["name"] == "r2"
    assert set(run.results["winner"]["test"]) == {"r2", "rmse", "loss"}
    assert scored_again(run, Reading(None, ("age", "size"), "regression")) == pytest.approx(
        run.results["winner"]["test"], rel=1e-3
    )
    assert run.network()(torch.rand(2, 3, 8, 8)).shape == (2, 2)
    assert run.results["trained_at"].endswith("px, 3 channels, 2 outputs")
    assert run.manifest.data["target_mean"] == pytest.approx([19.5, np.mean([n % 7 for n in range(40)])])
    again = prepare(RunConfig(data=str(path), supernet=str(run.path)), space)
    assert again.data.fingerprint == run.manifest.data["fingerprint"], "the supernet says how its data are read"


def test_the_loss_of_training_has_the_weights_and_that_of_scoring_has_not(space: nas.Space, listed: Any) -> None:
    path = listed("label", lambda number: "rare" if number % 10 == 0 else "often")
    plain, weighted = (
        prepare(RunConfig(data=str(path), class_weights=word, settings={"batch_size": 4}), space)  # type: ignore[arg-type]
        for word in ("none", "balanced")
    )
    counts = np.bincount(weighted.data.train.labels)
    assert weighted.batches().task.weights == pytest.approx(tuple(counts.sum() / (2 * counts)))  # type: ignore[attr-defined]
    assert plain.batches().task.weights is None  # type: ignore[attr-defined]
    assert weighted.data.task == plain.data.task
    lines = class_lines(plain.data, False)
    assert f"often {counts[0]}, rare {counts[1]}" in lines[0]


def test_an_imbalance_is_told(space: nas.Space, listed: Any) -> None:
    path = listed("label", lambda number: "rare" if number >= 37 else "often")
    data = load_data(path)
    assert (
        "warning: 'often' has 23 times as many training images as 'rare'; --class-weights balanced"
        in class_lines(data, False)[1]
    )
    assert "weighs them alike" in class_lines(data, True)[1]


def test_corrupt_images_are_listed_in_a_file_and_told(space: nas.Space, tmp_path: Path, listed: Any) -> None:
    path = listed("label", lambda number: "ab"[number % 2])
    (tmp_path / "3.png").write_bytes(b"broken")
    told = Told()
    run = nas.train(space, data=path, out=tmp_path / "run", reporter=told, **TRAINING)
    assert (run.path / "left-out.txt").read_text().startswith(f"{tmp_path / '3.png'}\tit is not one of JPEG")
    assert any("3.png cannot be decoded" in line for line in told.lines)
    assert run.results["data"]["left_out"] == 1
    prepared = prepare(RunConfig(data=str(path), supernet=str(run.path)), space)
    assert list(prepared.data.left_out) == [str(tmp_path / "3.png")]


def given() -> tuple[TensorDataset, TensorDataset]:
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.rand((40, 3, 8, 8), generator=generator), torch.arange(40) % 2
    return TensorDataset(images[:30], labels[:30]), TensorDataset(images[30:], labels[30:])


def test_a_run_of_a_data_set_in_python_needs_it_again(
    space: nas.Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = nas.train(space, data=given(), out=tmp_path / "whole", **TRAINING)
    assert whole.manifest.config.data == "given in Python: TensorDataset"
    with monkeypatch.context() as patch:
        patch.setattr(finishing, "train_stage", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            nas.train(space, data=given(), out=tmp_path / "run", **TRAINING)
    with pytest.raises(
        nas.NasError, match=r"data set 'TensorDataset'.*call the same function in Python with data=THE_DATA_SET"
    ):
        nas.resume(tmp_path / "run", space=space)
    result = CliRunner().invoke(app, ["config", "show", str(tmp_path / "run")])
    assert result.exit_code == 2 and "no file can name" in result.stderr
    other = given()
    other[0].tensors[0][0] = 0
    with pytest.raises(nas.NasError, match="has changed since run"):
        nas.resume(tmp_path / "run", space=space, data=other)
    run = nas.resume(tmp_path / "run", space=space, data=given())
    assert run.results["training"]["last_loss"] == whole.results["training"]["last_loss"]
    assert "data=DATA" in run.results["next"][0]
    with pytest.raises(nas.NasError, match="was an object in Python and cannot be read again"):
        nas.search(space, supernet=run.path, evaluations=2)
    config = RunConfig(data=run.manifest.config.data, supernet=str(run.path))
    assert prepare(config, space, given=given()).data.fingerprint == run.manifest.data["fingerprint"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"trainer": "alphanet"},
            "trainer 'alphanet' learns classification, and the data are for multi-label; trainers that can",
        ),
        ({"trainer": "sandwich", "settings": {"distillation": "alpha"}}, "trainer 'sandwich' learns classification"),
        ({"filters": ("naswot:0.5",)}, "zero-cost proxies score classifiers"),
        ({"objectives": ("top1",)}, "unknown objective 'top1'; legal: map, loss"),
        ({"task": "regression"}, "needs numbers in tags"),
        ({"path_column": "file"}, "unknown column"),
    ],
)
def test_what_does_not_suit_the_task_is_told(space: nas.Space, listed: Any, options: dict[str, Any], words: str) -> None:
    path = listed("tags", lambda number: ("a;b", "b")[number % 2])
    with pytest.raises(nas.NasError) as caught:
        prepare(RunConfig.checked(data=str(path), **{"settings": {"batch_size": 4}, **options}), space)
    assert words in str(caught.value)


def test_numbers_have_no_reward_and_no_weights(space: nas.Space, listed: Any) -> None:
    path = listed("age", str)
    common: dict[str, Any] = {"data": str(path), "task": "regression", "settings": {"batch_size": 4}}
    with pytest.raises(nas.NasError, match="weighs an accuracy in percent against a cost; r2 is none"):
        prepare(RunConfig.checked(reward="mnasnet-soft", targets=("macs=1M",), **common), space)
    with pytest.raises(nas.NasError, match="numbers have none"):
        prepare(RunConfig.checked(class_weights="balanced", **common), space)


def test_the_command_line_names_columns(tmp_path: Path, listed: Any) -> None:
    path = listed("name,kind", lambda number: f"x{number},{'ab'[number % 2]}")
    arguments = ["train", "--space", "cells:nats-size", "--data", str(path), "--steps", "1", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, [*arguments, "--set", "batch_size=4", "--json"])
    assert result.exit_code == 2 and "--label-column" in json.loads(result.stdout)["error"]
    result = CliRunner().invoke(app, [*arguments, "--set", "batch_size=4", "--json", "--label-column", "kind"])
    assert result.exit_code == 0 and json.loads(result.stdout)["data"]["classes"] == 2
