"""What a run works out from what was asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nas import jobs
from nas.base.errors import NasError
from nas.base.progress import Silent
from nas.runs import RunConfig, RunFolder, prepare, train_stage
from nas.runs.folder import create_folder
from nas.runs.setting import planned_steps
from nas.supernet import Task
from nas.supernet.weights import load_tensors


def config(**given: object) -> RunConfig:
    return RunConfig.checked(**{"resolution": 16, "compute": "cpu", **given})


def test_costs_are_taken_at_the_deployment_resolution_and_training_has_its_own() -> None:
    setting = prepare(config(targets=("macs<=300M", "pixel-latency=80ms")))
    assert setting.trained_at == Task(1, 16, 10)
    assert setting.deployed_at == Task(1, 224, 10)
    at_64 = prepare(config(targets=("macs<=300M",), deploy_resolution=64))
    assert at_64.deployed_at == Task(1, 64, 10)
    row = setting.space.encode([setting.space.known["mnasnet-b1"]])
    macs, latency = (bound.measure(row)[0] for bound in setting.bounds)
    assert latency == pytest.approx(75.8806)
    assert macs > 10 * at_64.bounds[0].measure(row)[0]


def test_budgets() -> None:
    per_epoch = 1079 // 64
    assert planned_steps(prepare(config(steps=7))) == 7
    assert planned_steps(prepare(config(epochs=2))) == 2 * per_epoch
    assert planned_steps(prepare(config())) == 30 * per_epoch
    assert planned_steps(prepare(config(resolution=8, minutes=0.05))) > 0


def test_several_targets_hold_at_once_or_are_refused() -> None:
    setting = prepare(config(targets=("pixel-latency=60ms", "params<=2M", "memory<=4MB")))
    assert [bound.metric for bound in setting.bounds] == ["pixel1-latency", "params", "memory"]
    with pytest.raises(NasError, match=r"minimum is 30.63 ms .*median .*maximum"):
        prepare(config(targets=("pixel-latency=20ms",)))


def test_recipe_settings_reach_the_trainer() -> None:
    setting = prepare(config(settings={"learning_rate": "0.1", "norm_affine": "true", "batch_size": "32"}))
    assert setting.recipe.learning_rate == 0.1
    assert setting.recipe.norm_affine is True
    assert setting.recipe.peak_rate == pytest.approx(0.1 * 32 / 1024)


def test_folders_are_numbered_and_never_taken_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [create_folder(None, "mbconv:single-path on digits").path.name for _ in range(3)]
    assert names == [f"mbconv-single-path-on-digits-00{number}" for number in (1, 2, 3)]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NasError, match="cannot write"):
        create_folder(tmp_path / "file" / "run", "x")


def test_mixup_and_cutout_are_checked_before_training() -> None:
    with pytest.raises(NasError, match="cutout"):
        prepare(config(cutout=64))
    assert prepare(config(mixup=0.2)).augmentation.mixup == 0.2


@pytest.mark.parametrize("given", ["2,9", " 2, 9.0", (2, 9), [2, 9.0]])
def test_augmentations_reach_the_batches_and_survive_the_manifest(given: object) -> None:
    made = config(randaugment=given, cutmix=1.0, mixup=0.8)
    assert RunConfig.model_validate_json(made.model_dump_json()) == made
    setting = prepare(made)
    assert (setting.augmentation.randaugment, setting.augmentation.cutmix) == ((2, 9.0), 1.0)
    assert setting.batches().batch(0).targets.dtype == torch.float32


def test_a_trained_supernet_is_loaded_whatever_batch_the_data_would_fill(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("dark", "light"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 100, (16, 16, 3), dtype=np.uint8) + (100 if name == "light" else 0)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "images" / name / f"{number}.png")
    source = str(tmp_path / "images")
    trained = jobs.train(data=source, out=tmp_path / "run", steps=1, settings={"batch_size": 4}, compute="cpu")
    setting = prepare(RunConfig.checked(data=source, supernet=str(trained.path), compute="cpu"))
    loaded = train_stage(RunFolder(tmp_path / "search"), setting, 0, Silent()).supernet
    stored, _ = load_tensors(trained.path / "supernet" / "weights.safetensors", "weights")
    assert all(torch.equal(value, stored[f"weights/{name}"]) for name, value in loaded.state_dict().items())


def test_a_mistake_names_the_option_as_it_is_typed() -> None:
    mistakes: dict[str, Any] = {"objectives": 3, "strategy_options": [], "label_columns": 3, "seed": -1}
    options = ("--objective", "--strategy-set", "--label-column", "--seed")
    for (field, value), option in zip(mistakes.items(), options, strict=True):
        with pytest.raises(NasError, match=f"^option {option} cannot be "):
            RunConfig.checked(**{field: value})
