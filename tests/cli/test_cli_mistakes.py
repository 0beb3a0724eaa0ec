"""Every mistake at the command line: one line that helps, exit code 2, no traceback, nothing written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from filelock import FileLock
from PIL import Image
from typer.testing import CliRunner

from nas.cli.app import app

SEARCH = ["search", "--steps", "1", "--evaluations", "1"]


def invoke(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def mistake(*arguments: str) -> str:
    """Run a command that must fail; returns its message."""
    code, out, err = invoke(*arguments)
    assert code == 2, (code, out, err)
    assert "Traceback" not in out + err
    return err


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "needles"),
    [
        (["--space", "mbcnov"], ["mbcnov", "mbconv", "Did you mean"]),
        (["--space", "mbconv:single"], ["preset", "single-path"]),
        (["--target", "pixl-latency=80ms"], ["pixl", "pixel", "Did you mean"]),
        (["--target", "pixel-latency=80"], ["unit", "ms"]),
        (["--target", "pixel-latency=80mss"], ["mss", "ms"]),
        (["--target", "latency=80ms"], ["latency", "pixel1-latency"]),
        (["--target", "macs"], ["METRIC=LIMIT"]),
        (["--target", "macs>=3M"], ["upper limit"]),
        (["--target", "pixel-latency=10ms"], ["minimum is 30.63 ms"]),
        (["--target", "macs<=1M"], ["minimum is"]),
        (["--target", "params<=1k"], ["minimum is"]),
        (["--target", "pixel-latency=80ms", "--target", "pixel1-latency=70ms"], ["twice"]),
        (["--target", "pixel-latency=80ms", "--deploy-resolution", "160"], ["224 px"]),
        (["--trainer", "unifrom"], ["unifrom", "uniform", "Did you mean"]),
        (["--strategy", "evolve"], ["evolve", "evolution"]),
        (["--set", "learning_rte=1"], ["learning_rte", "learning_rate"]),
        (["--set", "learning_rate=fast"], ["learning_rate", "fast"]),
        (["--set", "learning_rate"], ["NAME=VALUE"]),
        (["--steps", "1", "--set", "batch_size=100000"], ["batch"]),
        (["--compute", "tpu"], ["tpu", "cpu"]),
        (["--precision", "16"], ["precision", "bf16-mixed"]),
        (["--cutmix", "-1"], ["cutmix"]),
        (["--randaugment", "2"], ["randaugment", "such as 2,9"]),
        (["--randaugment", "two,9"], ["randaugment", "two"]),
        (["--randaugment", "2,40"], ["randaugment", "0 to 30"]),
        (["--log", "wandb"], ["--log", "tensorboard"]),
        (["--devices", "0"], ["--devices cannot be 0"]),
        (["--epochs", "2", "--steps", "2"], ["--steps", "--epochs"]),
        (["--seed", "-1"], ["seed"]),
        (["--evaluations", "0"], ["evaluations"]),
        (["--resolution", "4"], ["resolution"]),
        (["--data", "nowhere"], ["nowhere"]),
        (["--supernet", "nowhere"], ["nowhere"]),
    ],
)
def test_a_wrong_option(arguments: list[str], needles: list[str], tmp_path: Path) -> None:
    message = mistake("search", *arguments)
    for needle in needles:
        assert needle in message, message
    assert not any(tmp_path.iterdir()), "something was written"


def test_a_mistake_with_json_is_one_object(tmp_path: Path) -> None:
    code, out, err = invoke(*SEARCH, "--space", "mbcnov", "--json")
    assert code == 2
    assert "mbconv" in json.loads(out)["error"]
    assert "mbconv" in err


def class_folders(root: Path, classes: int, images: int) -> Path:
    for index in range(classes):
        folder = root / f"class{index}"
        folder.mkdir(parents=True)
        for number in range(images):
            Image.new("RGB", (16, 16), (index * 40, number, 0)).save(folder / f"{number}.png")
    return root


def test_data_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty" in mistake(*SEARCH, "--data", "empty")
    class_folders(tmp_path / "one", 1, 5)
    assert "class" in mistake(*SEARCH, "--data", "one")
    class_folders(tmp_path / "bad", 2, 5)
    for picture in (tmp_path / "bad" / "class0").iterdir():
        picture.write_bytes(b"no picture")
    assert "no training image of 'class0' can be decoded" in mistake(*SEARCH, "--data", "bad")
    assert not (tmp_path / "runs").exists()


def test_folders_that_are_no_runs(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    for command in ("resume", "show", "export"):
        assert "not a folder" in mistake(command, "nowhere")
        assert "manifest.json" in mistake(command, "half")
    (tmp_path / "half" / "manifest.json").write_text('{"format": 99}')
    assert "format 99" in mistake("resume", "half")
    (tmp_path / "half" / "manifest.json").write_text('{"format": 1, "kind":')
    assert "cannot be read" in mistake("resume", "half")
    (tmp_path / "half" / "manifest.json").write_text('{"format": 1}')
    assert "damaged" in mistake("resume", "half")


def test_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    assert "exists already" in mistake(*SEARCH, "--out", "taken")
    assert (tmp_path / "taken" / "file").read_text() == "mine"


def test_a_run_in_use(tmp_path: Path) -> None:
    code, out, err = invoke("train", "--steps", "1", "--resolution", "8", "--out", "run", "--compute", "cpu", "--json")
    assert code == 0, err
    assert json.loads(out)["training"]["steps"] == 1
    (tmp_path / "run" / "results.json").unlink()
    with FileLock(tmp_path / "run" / ".lock"):
        assert "in use" in mistake("resume", "run")
    assert "only trained" not in mistake("show", "run")
    weights = tmp_path / "run" / "supernet" / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert "truncated" in mistake("resume", "run")
    weights.write_bytes(whole)
    assert invoke("resume", "run")[0] == 0
    assert "only trained" in mistake("show", "run")


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nas.training import Stepper

    def interrupt(self: Stepper, step: int) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(Stepper, "run", interrupt)
    code, _, err = invoke("train", "--steps", "2", "--resolution", "8", "--out", "run")
    assert code == 130
    assert "nas resume run" in err
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert invoke("resume", "run")[0] == 0


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from nas.supernet import weights

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(weights, "save_file", full)
    message = mistake("train", "--steps", "1", "--resolution", "8", "--out", "run")
    assert "disk is full" in message
    assert not list((tmp_path / "run").rglob("*.part"))
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert invoke("resume", "run")[0] == 0
