"""What leaves a run that learned labels or numbers: files, scores, cards, pages and trained networks go by the task."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx_stand_in import without_exporter
from PIL import Image
from shapes_run import SOURCE, fill
from torch.utils.data import TensorDataset
from typer.testing import CliRunner

import nas
from nas.cli.app import app
from nas.data.batches import TrainingBatches
from nas.exporting import preprocessing_of

BUDGET: dict[str, Any] = {"steps": 30, "evaluations": 2, "strategy": "random", "compute": "cpu"}
COUNT = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures whose brightness is a number and whose colours are labels; a search of each, and int8 of the numbers'."""
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "space.py").write_text(SOURCE)
    rng = np.random.default_rng(0)
    lines = {"numbers.csv": ["path,age,size"], "labels.csv": ["path,tags"]}
    for number in range(COUNT):
        age, colour = int(rng.integers(0, 100)), number % 3
        pixels = rng.integers(0, 60, (16, 16, 3)) + age
        pixels[..., colour] += 80
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
        lines["numbers.csv"].append(f"{number}.png,{age},{age / 4 + colour}")
        lines["labels.csv"].append(f"{number}.png,{';'.join((['old'] if age > 50 else []) + ['rgb'[colour]])}")
    for name, content in lines.items():
        (folder / name).write_text("\n".join(content))
    space = f"{folder / 'space.py'}:Tiny"
    columns = {"task": "regression", "label_columns": ("age", "size")}
    common = {**BUDGET, "settings": {"batch_size": 16, "norm_affine": True}}
    nas.search(space, data=folder / "numbers.csv", out=folder / "numbers", **columns, **common)
    with without_exporter(folder / "numbers" / "model.onnx"):
        nas.export(folder / "numbers", formats=["onnx-int8"])
        nas.search(space, data=folder / "labels.csv", out=folder / "labels", class_weights="balanced", **common)
    return folder


@pytest.fixture(autouse=True)
def copied_onnx(made: Path) -> Iterator[None]:
    with without_exporter(made / "numbers" / "model.onnx"):
        yield


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


def test_a_file_says_how_its_scores_become_numbers(made: Path) -> None:
    about = json.loads((made / "numbers" / "preprocessing.json").read_text())
    ages = np.array([float(line.split(",")[1]) for line in (made / "numbers.csv").read_text().splitlines()[1:]])
    assert about["task"] == "regression" and about["classes"] == ["age", "size"]
    assert about["target_mean"][0] == pytest.approx(ages.mean()) and about["target_std"][0] == pytest.approx(ages.std())
    inside, beside = (preprocessing_of(made / "numbers" / name) for name in ("model-int8.onnx", "model.py"))
    assert inside == beside and inside.task.names == ("age", "size")
    card = (made / "numbers" / "model_card.md").read_text()
    assert f"`age` = {ages.std():.6g} x score + {ages.mean():.6g}" in card
    winner = results(made / "numbers")["winner"]
    assert f"R2) of {winner['test']['r2']:.4f} on {results(made / 'numbers')['data']['images']['test']} test images" in card
    judged = results(made / "numbers")["exports"]["onnx-int8"]["validation"]
    assert f"| {judged['after']['r2']:.4f} | {judged['before']['r2']:.4f} | {judged['difference']:.4f} std |" in card
    assert judged["before"]["r2"] == pytest.approx(winner["validation"]["r2"], rel=1e-4)
    assert 0 < judged["difference"] < 0.2


def test_numbers_are_scored_in_their_own_unit(made: Path, tmp_path: Path) -> None:
    rows = [line.split(",") for line in (made / "numbers.csv").read_text().splitlines()[1:21]]
    lines = [f"{size},{made / path},{age}" for path, age, size in rows]
    (tmp_path / "others.csv").write_text("\n".join(["size,photo,age", *lines]))
    file = made / "numbers" / "model-int8.onnx"
    told = nas.evaluate(file, tmp_path / "others.csv", path_column="photo")
    about = json.loads((made / "numbers" / "preprocessing.json").read_text())
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    pixels = np.stack([np.asarray(Image.open(made / path)) for path, _, _ in rows]) / 255
    images = ((pixels - about["mean"]) / about["std"]).transpose(0, 3, 1, 2).astype(np.float32)
    found = session.run(None, {"images": images})[0] * about["target_std"] + about["target_mean"]
    errors = found - np.array([[float(age), float(size)] for _, age, size in rows])
    assert not told["own"] and told["images"] == 20 and told["task"] == "regression"
    for place, name in enumerate(("age", "size")):
        assert told["per_class"][name]["rmse"] == pytest.approx(np.sqrt((errors[:, place] ** 2).mean()), rel=1e-3)
    own = nas.evaluate(made / "numbers", made / "numbers.csv")
    winner = results(made / "numbers")["winner"]["test"]
    assert own["own"] and own["split"] == "test"
    assert {name: own[name] for name in winner} == pytest.approx(winner, rel=1e-4)
    alone = ["path,age,size", ",".join([str(made / rows[0][0]), *rows[0][1:]])]
    (tmp_path / "one.csv").write_text("\n".join(alone))
    assert nas.evaluate(file, tmp_path / "one.csv")["images"] == 1, "one image has no spread, and can be scored"


def test_labels_are_matched_by_their_names(made: Path, tmp_path: Path) -> None:
    own = nas.evaluate(made / "labels", made / "labels.csv")
    test = results(made / "labels")["winner"]["test"]
    assert own["own"] and {name: own[name] for name in test} == pytest.approx(test, rel=1e-4)
    (tmp_path / "broken.png").write_bytes(b"none")
    lines = ["image,tags,split", *(f"{made / f'{number}.png'},{'rgb'[number % 3]},test" for number in range(6))]
    (tmp_path / "few.csv").write_text("\n".join([*lines, "broken.png,r,test"]))
    told = nas.evaluate(made / "labels", tmp_path / "few.csv")
    assert told["split"] == "test" and told["images"] == 6 and set(told["per_class"]) == {"r", "g", "b"}
    assert list(told["left_out"]) == [str(tmp_path / "broken.png")]
    (tmp_path / "more.csv").write_text(f"path,tags\n{made / '0.png'},r;violet\n")
    with pytest.raises(nas.NasError, match="has labels that the network does not know: violet; it knows: b, g, old, r"):
        nas.evaluate(made / "labels", tmp_path / "more.csv")
    with pytest.raises(nas.NasError, match="--task regression was asked, and the network learned multi-label"):
        nas.evaluate(made / "labels", made / "labels.csv", task="regression")
    with pytest.raises(nas.NasError, match="has one class for each image, and the network learned multi-label"):
        nas.evaluate(made / "labels", fill(tmp_path / "folder", 1))


def test_a_retraining_has_the_loss_and_the_weights_of_the_run(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    ordinary = TrainingBatches.__init__

    def noting(self: TrainingBatches, *arguments: Any, **options: Any) -> None:
        ordinary(self, *arguments, **options)
        seen.append(self.task)

    monkeypatch.setattr(TrainingBatches, "__init__", noting)
    run = nas.retrain(made / "labels", steps=3, out=made / "trained")
    assert all(task.kind == "multi-label" and task.weights is not None for task in seen)  # type: ignore[attr-defined]
    assert set(run.results["winner"]["test"]) == {"map", "loss"} and run.results["data"]["metric"] == "map"
    assert "labels suit a picture" in run.folder.card.read_text()
    for folder in ("labels", "numbers"):
        before = sorted((made / folder).iterdir())
        with pytest.raises(nas.NasError, match="--distill teaches by the softmax"):
            nas.retrain(made / folder, steps=3, distill=True)
        assert sorted((made / folder).iterdir()) == before


@pytest.mark.parametrize(("folder", "title"), [("numbers", "R2"), ("labels", "mAP")])
def test_commands_and_pages_call_figures_by_their_names(made: Path, folder: str, title: str) -> None:
    for words in (
        ["eval", str(made / folder), "--data", str(made / f"{folder}.csv")],
        ["retrain", str(made / folder), "--steps", "1"],
    ):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        assert title in result.output and "top-1" not in result.output
    page = (made / folder / "report.html").read_text()
    answer = re.search(r'class="answer">(.*?)</p>', page)
    assert answer is not None and re.search(rf"on 1\d test images .*{title}", answer[1])
    assert "top-1" not in page and "top1" not in page.split("<script")[0]


def test_the_card_tells_numbers_of_a_picture(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (made / "numbers" / "photo.jpg").write_bytes((made / "3.png").read_bytes())
    blocks = re.findall(r"```python\n(.*?)```", (made / "numbers" / "model_card.md").read_text(), flags=re.DOTALL)
    monkeypatch.chdir(made / "numbers")
    exec(compile("\n".join([blocks[0], *blocks[2:]]), "card.py", "exec"), {})
    said = eval(capsys.readouterr().out)
    assert set(said) == {"age", "size"} and -50 < said["age"] < 150


def test_data_in_python_are_asked_for_again(made: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand((40, 3, 8, 8), generator=generator)
    data = TensorDataset(images, images.mean((1, 2, 3)) * 10)
    common: dict[str, Any] = {**BUDGET, "steps": 2, "settings": {"batch_size": 8}}
    run = nas.search(f"{made / 'space.py'}:Tiny", data=data, task="regression", out=made / "given", **common)
    with pytest.raises(nas.NasError, match=r"'TensorDataset'.*call the same function in Python with data=THE_DATA_SET"):
        nas.retrain(run.path, steps=1)
    with pytest.raises(nas.NasError, match=r"call nas.export\(RUN, data=THE_DATA_SET"):
        nas.export(run.path, formats=["onnx-int8"])
    trained = nas.retrain(run.path, steps=1, data=data)
    other = TensorDataset(images.flip(0), images.mean((1, 2, 3)))
    with pytest.raises(nas.NasError, match="has changed since run"):
        nas.export(trained.path, data=other)
    assert nas.export(trained.path, data=data)["real_input"]
    told = nas.evaluate(trained.path, data)
    assert told["own"] and told["r2"] == pytest.approx(trained.results["winner"]["test"]["r2"], rel=1e-3)
    assert not nas.evaluate(trained.path, other)["own"]
    assert "data=DATA" in (run.path / "report.html").read_text()
