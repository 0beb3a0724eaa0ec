"""What leaves a run: formats checked in their own runtimes, files that say what their input is, and scores of any of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx_stand_in import without_exporter
from shapes_run import BUDGET, CLASSES, SOURCE, fill, picture
from typer.testing import CliRunner

from nas import jobs
from nas.base.errors import NasError
from nas.cli.app import app
from nas.exporting import Preprocessing, preprocessing_of
from nas.measuring.formats import every_format
from nas.runs.manifest import read_manifest, write_manifest
from nas.supernet.weights import load_tensors

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ["onnx-fp16", "onnx-int8", "torch-export"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos/`, a finished search `run/`, and its network in all formats that need no extra."""
    folder = tmp_path_factory.mktemp("products")
    (folder / "space.py").write_text(SOURCE)
    fill(folder / "photos", 40)
    jobs.search(f"{folder / 'space.py'}:Tiny", data=folder / "photos", out=folder / "run", **BUDGET)
    with without_exporter(folder / "run" / "model.onnx"):
        jobs.export(folder / "run", formats=INSTALLED, calibration_images=48)
    return folder


@pytest.fixture
def copied_onnx(made: Path) -> Iterator[None]:
    """Exports in a test copy the ONNX file."""
    with without_exporter(made / "run" / "model.onnx"):
        yield


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


def test_a_search_leaves_what_its_files_need(made: Path) -> None:
    run = made / "run"
    assert {"preprocessing.json", "model_card.md", "model.py", "weights.safetensors", "model.onnx"} <= {
        path.name for path in run.iterdir()
    }
    inside, beside = preprocessing_of(run / "model.onnx"), preprocessing_of(run / "model.py")
    assert inside == beside
    assert inside.classes == CLASSES
    assert inside.input_shape == (3, 16, 16)
    assert all(0 < value < 1 for value in (*inside.mean, *inside.std))


def test_every_format_is_judged_where_it_runs(made: Path) -> None:
    run = made / "run"
    exports = results(run)["exports"]
    assert list(exports) == INSTALLED
    truth = jobs.evaluate(run, made / "photos", "validation")
    for name, entry in exports.items():
        assert entry["bytes"] == sum((run / file).stat().st_size for file in entry["files"])
        assert entry["validation"]["before"]["top1"] == pytest.approx(truth["top1"])
        assert entry["validation"]["before"]["loss"] == pytest.approx(truth["loss"], rel=1e-4)
        again = jobs.evaluate(run / entry["files"][-1], made / "photos", "validation", trusted=True)
        assert again["own"] and again["images"] == entry["validation"]["after"]["images"] == 24
        assert again["top1"] == pytest.approx(entry["validation"]["after"]["top1"]), name
        assert again["loss"] == pytest.approx(entry["validation"]["after"]["loss"], rel=1e-4)
        assert entry["validation"]["same_class"] >= 90
    assert truth["top1"] > 60, "a network that has learnt nothing would prove nothing"
    assert exports["torch-export"]["comparison"]["agrees"]
    assert 0 < exports["onnx-fp16"]["comparison"]["largest_difference"] < 0.05
    assert exports["onnx-int8"]["calibration_images"] == 48
    assert exports["onnx-int8"]["comparison"]["largest_difference"] > exports["onnx-fp16"]["comparison"]["largest_difference"]


def test_numbers_are_as_narrow_as_the_format_says(made: Path) -> None:
    half = onnx.load(made / "run" / "model-fp16.onnx")
    assert {constant.data_type for constant in half.graph.initializer if len(constant.dims) > 1} == {onnx.TensorProto.FLOAT16}
    integers = onnx.load(made / "run" / "model-int8.onnx")
    kinds = {node.op_type for node in integers.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    for name in ("model-fp16.onnx", "model-int8.onnx"):
        (given,) = onnxruntime.InferenceSession(made / "run" / name).get_inputs()
        assert given.type == "tensor(float)" and given.shape[1:] == [3, 16, 16] and isinstance(given.shape[0], str)
        assert preprocessing_of(made / "run" / name) == preprocessing_of(made / "run" / "model.onnx")


@pytest.mark.usefixtures("copied_onnx")
def test_ranges_come_from_the_images(made: Path, tmp_path: Path) -> None:
    jobs.export(made / "run", tmp_path / "few", formats=["onnx-int8"], calibration_images=1)
    few, many = ((folder / "model-int8.onnx").read_bytes() for folder in (tmp_path / "few", made / "run"))
    assert few != many
    jobs.export(made / "run", tmp_path / "again", formats=["onnx-int8"], calibration_images=1)
    assert few == (tmp_path / "again" / "model-int8.onnx").read_bytes()
    exports = json.loads((tmp_path / "few" / "exports.json").read_text())["exports"]
    assert exports["onnx-int8"]["calibration_images"] == 1
    assert "model-int8.onnx" in (tmp_path / "few" / "model_card.md").read_text()


def test_ten_lines_classify_a_picture(made: Path, tmp_path: Path) -> None:
    (script,) = re.findall(r"```py\n(.*?)```", (ROOT / "docs" / "product.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert sum(bool(line) for line in script.splitlines()) == 10
    barred = "import sys\nfor name in ('nas', 'torch', 'onnx'): sys.modules[name] = None\n"
    (tmp_path / "classify.py").write_text(barred + script)
    scored = jobs.evaluate(made / "run" / "model-int8.onnx", made / "photos", "all")
    assert scored["images"] == 120
    for label, name in enumerate(CLASSES):
        picture(label, 1000, (40, 24)).save(tmp_path / f"{name}.jpg", quality=98)
        one = tmp_path / "one" / name
        one.mkdir(parents=True)
        picture(label, 1000, (40, 24)).save(one / "0.jpg", quality=98)
    for file, names in (("model.onnx", CLASSES[:1]), ("model-int8.onnx", CLASSES)):
        told = jobs.evaluate(made / "run" / file, tmp_path / "one")
        assert told["split"] == "all" and not told["own"] and told["images"] == 3
        for name in names:
            words = [sys.executable, "classify.py", str(made / "run" / file), f"{name}.jpg"]
            done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
            assert (done.stdout.strip() == name) == (told["per_class"][name]["top1"] == 100)


def test_the_code_on_the_card_works(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "copied"
    shutil.copytree(made / "run", folder, ignore=shutil.ignore_patterns("supernet", "study*"))
    picture(1, 5).save(folder / "photo.jpg", quality=98)
    card = (folder / "model_card.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    assert len(blocks) == 3 + 1 + len(INSTALLED)
    told = "print(np.round(scores, 3).tolist())\n"
    script = "\n".join([blocks[0], *(block + told for block in blocks[1:-1]), blocks[-1]])
    assert "nas" not in re.findall(r"(?:from|import) (\w+)", script)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    exec(compile(script, "card.py", "exec"), {})
    *scores, answer = capsys.readouterr().out.splitlines()
    values = np.array([json.loads(line) for line in scores])
    assert values.shape == (2 + len(INSTALLED), 1, 3)
    assert np.ptp(values, axis=0).max() < 0.1 and np.ptp(values[:2], axis=0).max() < 2e-3
    assert answer in CLASSES
    figures = results(folder)
    for text in (
        f"{figures['winner']['test']['top1']:.2f} %",
        f"{figures['winner']['validation']['top1']:.2f} %",
        f"{figures['exports']['onnx-int8']['validation']['after']['top1']:.2f} %",
        "`blue`, `green`, `red`",
        f"width = {figures['winner']['architecture']['decisions']['width']}",
        "## Licence",
    ):
        assert text in card


def test_other_data_is_matched_by_the_names_of_classes(made: Path, tmp_path: Path) -> None:
    file = made / "run" / "model.onnx"
    fill(tmp_path / "two", 2, ("red", "green"), first=500)
    told = jobs.evaluate(file, tmp_path / "two")
    assert list(told["per_class"]) == ["green", "red"] and told["images"] == 4
    assert told["top5"] is None and not told["own"]
    (tmp_path / "two" / "violet").mkdir()
    picture(0, 0).save(tmp_path / "two" / "violet" / "0.png")
    with pytest.raises(NasError, match=r"classes that the network does not know: violet; it knows: blue, green, red"):
        jobs.evaluate(file, tmp_path / "two")
    fill(tmp_path / "parts" / "train", 3, first=600)
    fill(tmp_path / "parts" / "test", 1, first=700)
    assert jobs.evaluate(file, tmp_path / "parts")["images"] == 3
    assert jobs.evaluate(file, tmp_path / "parts", "all")["images"] == 12
    with pytest.raises(NasError, match="no validation split; it has train and test"):
        jobs.evaluate(file, tmp_path / "parts", "validation")
    with pytest.raises(NasError, match="unknown split 'tset'"):
        jobs.evaluate(file, tmp_path / "parts", "tset")


def test_the_data_of_the_training_keeps_its_splits(made: Path) -> None:
    run = made / "run"
    told = jobs.evaluate(run, made / "photos")
    winner = results(run)["winner"]
    assert told["split"] == "test" and told["own"] and told["what"] == "PyTorch"
    assert told["top1"] == pytest.approx(winner["test"]["top1"])
    assert told["loss"] == pytest.approx(winner["test"]["loss"], rel=1e-4)
    whole = {split: jobs.evaluate(run / "model.onnx", made / "photos", split)["images"] for split in ("train", "all")}
    assert whole == {"train": 72, "all": 120}


def test_code_in_files_is_run_only_when_they_are_trusted(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "run", tmp_path / "run")
    (tmp_path / "run" / "model.py").write_text("raise SystemExit('run')")
    assert jobs.evaluate(tmp_path / "run", made / "photos")["images"] == 24, "a run is built from its space"
    (tmp_path / "run" / "manifest.json").unlink()
    for target in ("run", "run/model.py", "run/model.pt2"):
        with pytest.raises(NasError, match="--trust"):
            jobs.evaluate(tmp_path / target, made / "photos")
    shutil.copy(made / "run" / "model.py", tmp_path / "run")
    plain = jobs.evaluate(tmp_path / "run", made / "photos", trusted=True)
    assert plain["what"] == "PyTorch, from its source"
    assert plain["top1"] == jobs.evaluate(made / "run", made / "photos")["top1"]


def test_files_that_cannot_be_used(made: Path, tmp_path: Path) -> None:
    photos = made / "photos"
    with pytest.raises(NasError, match="does not exist"):
        jobs.evaluate(tmp_path / "none.onnx", photos)
    with pytest.raises(NasError, match="neither manifest"):
        jobs.evaluate(tmp_path, photos)
    (tmp_path / "model.tflite").write_bytes(b"")
    with pytest.raises(NasError, match=r"legal: files that end in \.onnx, \.pt2, \.pte, \.xml"):
        jobs.evaluate(tmp_path / "model.tflite", photos)
    whole = (made / "run" / "model.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NasError, match="cannot be opened by onnxruntime"):
        jobs.evaluate(tmp_path / "cut.onnx", photos)
    silent = onnx.load_from_string(whole)
    del silent.metadata_props[:]
    onnx.save(silent, tmp_path / "silent.onnx")
    with pytest.raises(NasError, match="does not say how pictures are to be prepared"):
        jobs.evaluate(tmp_path / "silent.onnx", photos)
    elsewhere = onnx.load_from_string(whole)
    (sides,) = (entry for entry in elsewhere.metadata_props if entry.key == "input_shape")
    sides.value = json.dumps(["batch", 3, 8, 8])
    onnx.save(elsewhere, tmp_path / "elsewhere.onnx")
    with pytest.raises(NasError, match=r"elsewhere.onnx cannot score images of shape \(\d+, 3, 8, 8\), which it ought to: "):
        jobs.evaluate(tmp_path / "elsewhere.onnx", photos)
    content = json.loads((made / "run" / "preprocessing.json").read_text())
    for wrong in (
        {"mean": [0.5]},
        {"std": [0.0, 1.0, 1.0]},
        {"classes": []},
        {"input_shape": ["batch", 3, 16]},
        {"classes": 3},
    ):
        with pytest.raises(NasError, match="export the network again"):
            Preprocessing.from_json({**content, **wrong}, tmp_path)


@pytest.mark.usefixtures("copied_onnx")
def test_a_network_that_cannot_be_had_in_a_format_changes_nothing(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What computes in float32 has to agree with PyTorch."""
    archive = every_format()["torch-export"][1]
    ordinary = type(archive).open

    def shifted(self: Any, path: Path, threads: int) -> Any:
        run = ordinary(self, path, threads)
        return lambda images: run(images) + 0.01

    monkeypatch.setattr(type(archive), "open", shifted)
    with pytest.raises(NasError, match=r"--format torch-export: the file was not written: it differs from PyTorch by"):
        jobs.export(made / "run", tmp_path / "out", formats=["torch-export"])
    assert not (tmp_path / "out" / "model.pt2").exists() and not (tmp_path / "out" / "exports.json").exists()
    half = every_format()["onnx-fp16"][1]
    monkeypatch.setattr(type(half), "open", lambda *_: lambda images: np.full((len(images), 3), np.nan, dtype=np.float32))
    with pytest.raises(NasError, match="its scores are no finite numbers"):
        jobs.export(made / "run", tmp_path / "out", formats=["onnx-fp16"])
    assert not (tmp_path / "out" / "model-fp16.onnx").exists()
    with pytest.raises(NasError, match=r"unknown format 'onnx-int9'; legal: onnx, .*Did you mean 'onnx-int8'"):
        jobs.export(made / "run", tmp_path / "none", formats=["onnx-int9"])
    with pytest.raises(NasError, match="--calibration-images cannot be 0"):
        jobs.export(made / "run", tmp_path / "none", formats=["onnx-int8"], calibration_images=0)
    assert not (tmp_path / "none").exists()
    (tmp_path / "other").mkdir()
    shutil.copy(made / "run" / "manifest.json", tmp_path / "other")
    with pytest.raises(NasError, match="holds a run of its own"):
        jobs.export(made / "run", tmp_path / "other")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["manifest.json"]
    (tmp_path / "odd").mkdir()
    for content in ("[]", '{"exports": 3}', '{"exports": {"onnx-fp16": []}}'):
        (tmp_path / "odd" / "exports.json").write_text(content)
        with pytest.raises(NasError, match=r"exports\.json is damaged"):
            jobs.export(made / "run", tmp_path / "odd")
    assert [path.name for path in (tmp_path / "odd").iterdir()] == ["exports.json"]


@pytest.mark.usefixtures("copied_onnx")
def test_data_that_is_gone_leaves_what_needs_none(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "run", tmp_path / "run")
    manifest = read_manifest(tmp_path / "run")
    write_manifest(tmp_path / "run", manifest.model_copy(update={"data": {**manifest.data, "fingerprint": "of other images"}}))
    with pytest.raises(NasError, match="--format onnx-int8 reads ranges from training images, and the run's data"):
        jobs.export(tmp_path / "run", formats=["onnx-int8"])
    told = jobs.export(tmp_path / "run", formats=["onnx-fp16"])
    assert not told["real_input"] and told["formats"]["onnx-fp16"]["validation"] is None
    one, other = (load_tensors(folder / "run" / "weights.safetensors", "weights")[0] for folder in (made, tmp_path))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.usefixtures("copied_onnx")
@pytest.mark.parametrize("name", ["openvino", pytest.param("executorch", marks=pytest.mark.slow)])
def test_formats_of_extras(name: str, made: Path, tmp_path: Path) -> None:
    runtime, made_as = every_format()[name]
    try:
        runtime.require()
    except NasError as error:
        pytest.skip(str(error))
    entry = jobs.export(made / "run", tmp_path, formats=[name])["formats"][name]
    assert entry["comparison"]["agrees"] and entry["validation"]["same_class"] == 100
    assert jobs.evaluate(tmp_path / made_as.main, made / "photos", "validation")["top1"] == entry["validation"]["after"]["top1"]


@pytest.mark.usefixtures("copied_onnx")
def test_the_commands_say_it(made: Path, tmp_path: Path) -> None:
    def told(*words: str) -> str:
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == 0, result.stderr
        return result.stdout

    file, photos = str(made / "run" / "model-int8.onnx"), str(made / "photos")
    figures = json.loads(told("eval", file, "--data", photos, "--json"))
    shown = told("eval", file, "--data", photos)
    assert f"{figures['top1']:.2f} % top-1, loss {figures['loss']:.4g}, 24 images." in shown
    assert "images a second" in shown and "(onnxruntime, processor)" in shown and all(name in shown for name in CLASSES)
    exported = told("export", str(made / "run"), "--out", str(tmp_path / "out"), "--format", "onnx-int8")
    assert "model-int8.onnx" in exported and "top-1 before" in exported and "nas eval" in exported
    refused = CliRunner().invoke(app, ["eval", str(tmp_path / "out" / "model.py"), "--data", photos])
    assert refused.exit_code == 2 and "--trust" in refused.stderr and "Traceback" not in refused.output


@pytest.mark.slow
def test_a_resolution_that_was_found_is_that_of_the_files(tmp_path: Path) -> None:
    """The network was trained on images of 24 px and works on smaller ones, which its files take as they are."""
    source = SOURCE.replace("ElasticBatchNorm2d, ", "ElasticBatchNorm2d, ElasticResize, ").replace(
        "Task(3, 16, 3)", "Task(3, 24, 3)"
    )
    source = source.replace(
        "        self.conv =", '        self.resize = ElasticResize(nas.Choice("side", (12, 16)))\n        self.conv ='
    )
    (tmp_path / "space.py").write_text(source.replace("self.conv(x)", "self.conv(self.resize(x))"))
    fill(tmp_path / "photos", 20)
    run, photos = tmp_path / "run", tmp_path / "photos"
    jobs.search(f"{tmp_path / 'space.py'}:Tiny", data=photos, out=run, resolution=24, **BUDGET)
    side = results(run)["winner"]["architecture"]["decisions"]["side"]
    formats = jobs.export(run, formats=["onnx-int8", "torch-export"], calibration_images=16)["formats"]
    assert preprocessing_of(run / "model.onnx").input_shape == (3, side, side)
    assert all(entry["validation"]["same_class"] > 80 for entry in formats.values())
    scored = [jobs.evaluate(run / name, photos, trusted=True) for name in ("model.onnx", "model.py", "model.pt2", "")]
    assert all(entry["own"] and entry["images"] == 12 for entry in scored)
    assert max(entry["loss"] for entry in scored) == pytest.approx(min(entry["loss"] for entry in scored), rel=1e-4)
