"""One network of a run trained by itself: from its weights or from scratch, taught or not, killed and gone on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from onnx_stand_in import without_exporter
from shapes_run import BUDGET, SOURCE, fill
from torch import nn
from typer.testing import CliRunner

from nas import jobs
from nas.base.errors import NasError
from nas.cli.app import app
from nas.runs import read_manifest
from nas.runs.manifest import write_manifest
from nas.runs.retraining import recipe_for
from nas.supernet.weights import load_tensors
from nas.training import Distilled, Stepper, settle_norms

pytestmark = pytest.mark.usefixtures("without_onnx")

STEPS = 12


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos/` and a finished search `run/`."""
    folder = tmp_path_factory.mktemp("retraining")
    (folder / "space.py").write_text(SOURCE)
    fill(folder / "photos", 40)
    with without_exporter():
        jobs.search(f"{folder / 'space.py'}:Tiny", data=folder / "photos", out=folder / "run", **BUDGET)
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_tensors(folder / "weights.safetensors", "weights")[0]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_inheriting_begins_where_the_search_ended(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = {}
    ordinary = Stepper.__init__

    def noting(self: Stepper, supernet: Any, *more: Any, **options: Any) -> None:
        begun[len(begun)] = {name: value.clone() for name, value in supernet.network.state_dict().items()}
        ordinary(self, supernet, *more, **options)

    monkeypatch.setattr(Stepper, "__init__", noting)
    jobs.retrain(made / "run", "inherit", steps=1, out=made / "first")
    assert same(begun[0], weights(made / "run"))
    jobs.retrain(made / "run", "scratch", steps=1, out=made / "second")
    assert not same(begun[1], weights(made / "run"))
    jobs.retrain(made / "run", "scratch", steps=1, out=made / "third")
    assert same(begun[1], begun[2]), "fresh weights follow from the seed"
    jobs.retrain(made / "run", "inherit", "largest", steps=1, out=made / "fourth")
    supernet = load_tensors(made / "run" / "supernet" / "weights.safetensors", "weights")[0]
    assert torch.equal(begun[3]["head.weight"], supernet["weights/network.head.weight"])
    largest = jobs.Run(made / "run").space.largest.to_json()
    (made / "winner.json").write_text(json.dumps({"architecture": largest}))
    other = jobs.retrain(made / "run", "inherit", str(made / "winner.json"), steps=1, out=made / "fifth")
    assert same(begun[3], begun[4]) and other.results["of"]["network"] == "winner.json"


def test_a_retrained_network_is_a_run_of_its_own(made: Path) -> None:
    run = jobs.retrain(made / "run", epochs=2.0)
    assert run.path == made / "run" / "retrained-inherit"
    assert jobs.retrain(made / "run", steps=1).path.name == "retrained-inherit-2"
    figures, found = run.results, jobs.Run(made / "run").results
    assert figures["training"]["steps"] == 2 * (72 // 16)
    assert figures["winner"]["architecture"] == found["winner"]["architecture"]
    assert figures["winner"]["costs"] == found["winner"]["costs"]
    assert figures["found"] == {name: found["winner"][name] for name in ("validation", "test")}
    assert figures["training"]["recipe"]["learning_rate"] == 0.25 * found["training"]["recipe"]["learning_rate"]
    told = {split: jobs.evaluate(run.path, made / "photos", split) for split in ("validation", "test")}
    for split, entry in told.items():
        assert entry["top1"] == pytest.approx(figures["winner"][split]["top1"])
    assert not (run.path / "checkpoint.safetensors").exists()
    assert run.network()(torch.randn(2, 3, 16, 16)).shape == (2, 3)
    assert jobs.show(run.path)["layers"]
    card = (run.path / "model_card.md").read_text()
    assert f"{figures['winner']['test']['top1']:.2f} %" in card and "from the weights that the run gave it" in card
    assert read_manifest(run.path).data["fingerprint"] == read_manifest(made / "run").data["fingerprint"]


@pytest.mark.parametrize("options", [{"settings": {"average": 0.9}, "distill": True}, {"start": "scratch", "mixup": 0.5}])
def test_an_interrupted_training_ends_as_if_nothing_had_happened(
    made: Path, tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = jobs.retrain(made / "run", out=tmp_path / "whole", steps=STEPS, **options)
    ordinary, done = Stepper.run, []

    def stopping(self: Stepper, step: int) -> float:
        if step == 5:
            raise KeyboardInterrupt
        done.append(step)
        return ordinary(self, step)

    with monkeypatch.context() as patch:
        patch.setattr("nas.training.loop.CHECKPOINT_SECONDS", 0.0)
        patch.setattr(Stepper, "run", stopping)
        folders: list[Path] = []
        with pytest.raises(KeyboardInterrupt):
            jobs.retrain(made / "run", out=tmp_path / "stopped", steps=STEPS, started=folders.append, **options)
    assert folders == [tmp_path / "stopped"] and done == [0, 1, 2, 3, 4]
    with pytest.raises(NasError, match="is not finished; go on with: nas resume"):
        jobs.export(tmp_path / "stopped")
    again = jobs.resume(tmp_path / "stopped")
    assert same(weights(whole.path), weights(again.path))
    assert again.results["winner"] == whole.results["winner"]
    assert jobs.resume(tmp_path / "stopped").results == again.results
    with pytest.raises(NasError, match="holds a retrained network, which has no page"):
        jobs.report(tmp_path / "stopped")


def test_it_moves_with_its_run(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    shutil.copytree(made / "run", tmp_path / "run", ignore=shutil.ignore_patterns("retrained*"))

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "run", stop)
        with pytest.raises(KeyboardInterrupt):
            jobs.retrain(tmp_path / "run", steps=2)
    (tmp_path / "run").rename(tmp_path / "moved")
    assert jobs.resume(tmp_path / "moved" / "retrained-inherit").results["training"]["steps"] == 2


def test_the_teacher_counts_by_its_weight_and_temperature(made: Path) -> None:
    noise = torch.Generator().manual_seed(0)
    scores, soft = torch.randn(5, 3, generator=noise, requires_grad=True), torch.randn(5, 3, generator=noise)
    targets = torch.tensor([0, 1, 2, 1, 0])

    class Context:
        class engine:
            class batch:
                images = torch.zeros(5, 3, 16, 16)

                def __new__(cls) -> Any:
                    return cls

            autocast = torch.no_grad

        @staticmethod
        def loss(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return F.cross_entropy(scores, targets)

    class Teacher(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return soft

    def loss(weight: float, temperature: float) -> torch.Tensor:
        (asked,) = list(Distilled(Teacher(), weight, temperature).passes(Context))  # type: ignore[arg-type]
        return asked.loss(scores, targets)

    def expected(weight: float, temperature: float) -> torch.Tensor:
        p, log_q = (soft / temperature).softmax(1), (scores / temperature).log_softmax(1)
        labels = -scores.log_softmax(1)[torch.arange(5), targets].mean()
        return (1 - weight) * labels - weight * temperature**2 * (p * log_q).sum(1).mean()

    for weight, temperature in ((0.0, 2.0), (1.0, 4.0), (0.3, 2.0)):
        torch.testing.assert_close(loss(weight, temperature), expected(weight, temperature))


def test_averaged_weights_get_statistics_of_their_own() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 2, 1)).eval()
    noise = torch.Generator().manual_seed(0)
    batches = [torch.randn(8, 3, 6, 6, generator=noise) for _ in range(3)]
    norm = network[1]
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.fill_(7.0)
    settle_norms(network, batches)
    with torch.no_grad():
        found = [network[0](batch) for batch in batches]
    torch.testing.assert_close(norm.running_mean, torch.stack([x.mean((0, 2, 3)) for x in found]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([x.var((0, 2, 3)) for x in found]).mean(0))
    assert norm.momentum == 0.1 and not norm.training


def test_the_recipe_is_the_runs_without_what_a_supernet_needs() -> None:
    run = {"optimiser": "adamw", "learning_rate": 0.2, "norm_affine": False, "decay_on": "largest", "random_networks": 2}
    scratch = recipe_for("scratch", run, {"weight_decay": "0.1"})
    assert (scratch.optimiser, scratch.learning_rate, scratch.weight_decay) == ("adamw", 0.2, 0.1)
    assert scratch.norm_affine and scratch.decay_on == "all"
    assert recipe_for("inherit", run, {}).learning_rate == pytest.approx(0.05)
    with pytest.raises(NasError, match="unknown training setting 'random_networks'"):
        recipe_for("inherit", run, {"random_networks": 3})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"architecture": "mediam"}, "unknown architecture of space"),
        ({"runner_up": 9}, "has no runner-up 9; legal: 1 to 2"),
        ({"runner_up": 1, "architecture": "largest"}, "give one of them"),
        ({"temperature": 2.0}, "--temperature belongs to --distill"),
        ({"distill": True, "distill_weight": 2.0}, "--distill-weight cannot be 2.0"),
        ({"steps": 1, "epochs": 2.0}, "choose one of --steps and --epochs"),
        ({"settings": {"batch_size": 1000}}, "the batch size 1000 exceeds the 72 training images"),
        ({"settings": {"sync_norms": True}}, "sync_norms is for supernets"),
        ({"start": "fresh"}, "begins with 'inherit' or with 'scratch'"),
        ({"cutout": 99}, "cutout=99 exceeds the resolution"),
    ],
)
def test_mistakes_write_nothing(made: Path, options: dict[str, Any], says: str) -> None:
    before = sorted(made.rglob("*"))
    with pytest.raises(NasError, match=says):
        jobs.retrain(made / "run", **options)
    assert sorted(made.rglob("*")) == before


def test_what_a_run_cannot_give(made: Path, tmp_path: Path) -> None:
    trained = jobs.retrain(made / "run", runner_up=1, steps=1, out=tmp_path / "one")
    assert trained.results["of"]["network"] == "runner-up 1"
    with pytest.raises(NasError, match="is no search whose networks could be trained"):
        jobs.retrain(tmp_path / "one")
    manifest = read_manifest(made / "run")
    (tmp_path / "gone").mkdir()
    for path in (made / "run").iterdir():
        if path.is_file():
            (tmp_path / "gone" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(NasError, match="no trained supernet at"):
        jobs.retrain(tmp_path / "gone", distill=True)
    data = {**manifest.data, "fingerprint": "of other images"}
    write_manifest(tmp_path / "gone", manifest.model_copy(update={"data": data}))
    with pytest.raises(NasError, match="has changed since run"):
        jobs.retrain(tmp_path / "gone")


def test_the_command_says_it(made: Path, tmp_path: Path) -> None:
    words = ["retrain", str(made / "run"), "--steps", "2", "--distill", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.stderr
    assert f"The winner of {made}" in result.stdout and "taught by the supernet's largest network: 2 steps" in result.stdout
    assert f"nas export {tmp_path / 'out'} --format onnx-int8" in result.stdout
    again = CliRunner().invoke(app, ["resume", str(tmp_path / "out"), "--json"])
    assert json.loads(again.stdout)["kind"] == "retrain"
    both = CliRunner().invoke(app, ["retrain", str(made / "run"), "--inherit", "--scratch"])
    assert both.exit_code == 2 and "give one of them" in both.stderr


def test_what_a_proxy_chose_is_trained_from_scratch(made: Path, tmp_path: Path) -> None:
    space = f"{made / 'space.py'}:Tiny"
    run = jobs.search(
        space, data=made / "photos", out=tmp_path / "run", objectives=("naswot",), evaluations=3, strategy="random"
    )
    with pytest.raises(NasError, match="there are no weights to inherit; use --scratch"):
        jobs.retrain(run.path)
    with pytest.raises(NasError, match="no supernet whose largest network could teach"):
        jobs.retrain(run.path, "scratch", distill=True)
    trained = jobs.retrain(run.path, "scratch", steps=2, settings={"batch_size": 16})
    assert trained.results["winner"]["architecture"] == run.results["winner"]["architecture"]
    assert trained.results["training"]["steps"] == 2
    assert CliRunner().invoke(app, ["resume", str(trained.path)]).exit_code == 0
