"""Searching a space whose candidates are trained one by one: from the command line, and after a kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from killed_runs import kill_when, start
from onnx_stand_in import without_exporter
from safetensors.torch import load_file
from typer.testing import CliRunner

from nas import jobs
from nas.base.errors import NasError
from nas.cli.app import app
from nas.data import fixed_batches, load_data
from nas.runs import RunConfig, RunFolder, Setting, prepare
from nas.runs.setting import planned_steps
from nas.runs.stages import candidate_scorer
from nas.searching import StudyHistory
from nas.searching.evaluate import score
from nas.supernet import Task, open_space
from nas.supernet.weights import load_tensors
from nas.training import Diverged, Stepper, open_trainer

OPTIONS = {"steps": 4, "evaluations": 3, "seed": 5, "compute": "cpu", "resolution": 16}
TARGETS = ["params<=50k", "macs<=3M"]


def trials(folder: Path, name: str) -> list[tuple[list[int], dict[str, float], str | None]]:
    space = open_space("einspace").at(Task(1, 16, 10), Task(1, 32, 10))
    history = StudyHistory(RunFolder(folder).study, name, space)
    return [(trial.row.tolist(), dict(trial.metrics), trial.failure) for trial in history.trials]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search typed at the command line."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    words = ["search", "--space", "einspace", "--out", str(folder), "--json"]
    words += [word for text in TARGETS for word in ("--target", text)]
    words += [word for name, value in OPTIONS.items() for word in (f"--{name}", str(value))]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["kind"] == "search"
    return folder


def test_a_search_ends_with_a_winner_in_plain_pytorch_and_onnx(finished: Path) -> None:
    run = jobs.Run(finished)
    assert run.results["onnx"]["agrees"]
    assert run.results["training"]["steps"] == 4
    assert run.results["search"]["evaluations"] == 3
    assert run.results["winner"]["costs"]["params"] <= 50e3
    assert run.results["winner"]["costs"]["macs"] <= 3e6
    assert not (finished / "supernet").exists()
    assert "--supernet" not in " ".join(run.results["next"])
    assert "trained from scratch for 4 steps" in (finished / "README.md").read_text()
    images = torch.randn(5, 1, 16, 16)
    assert run.network()(images).shape == (5, 10)
    shown = jobs.show(finished)
    assert sum(layer["params"] for layer in shown["layers"]) == run.results["winner"]["costs"]["params"]


def test_the_winner_leaves_with_the_weights_that_were_scored(finished: Path) -> None:
    run = jobs.Run(finished)
    data = load_data("digits", resolution=16, seed=OPTIONS["seed"])
    metrics = score(run.network(), fixed_batches(data, "validation", 128))
    assert metrics["top1"] == pytest.approx(run.results["winner"]["validation"]["top1"])
    assert metrics["loss"] == pytest.approx(run.results["winner"]["validation"]["loss"], rel=1e-4)


@pytest.mark.slow
def test_export_gives_the_same_network_again(finished: Path, tmp_path: Path) -> None:
    result = jobs.export(finished, tmp_path / "out")
    assert result["comparison"]["agrees"] and result["real_input"]
    assert (finished / "model.py").read_text() == (tmp_path / "out" / "model.py").read_text()


def assert_same_run(folder: Path, finished: Path) -> None:
    for name in ("search", "baseline"):
        assert trials(folder, name) == trials(finished, name)
        assert len(trials(folder, name)) == OPTIONS["evaluations"]
    one, other = load_file(folder / "weights.safetensors"), load_file(finished / "weights.safetensors")
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_search_that_stopped_within_a_training_goes_on_from_there(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second candidate's training ends after two steps, as Ctrl-C ends it; the other two are done on resuming."""
    folder = tmp_path / "stopped"
    ordinary, done = Stepper.run, []

    def stopping(self: Stepper, step: int) -> float:
        if len(done) == OPTIONS["steps"] + 2:
            raise KeyboardInterrupt
        done.append(step)
        return ordinary(self, step)

    monkeypatch.setattr("nas.training.loop.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(Stepper, "run", stopping)
    with pytest.raises(KeyboardInterrupt):
        jobs.search("einspace", TARGETS, out=folder, **OPTIONS)
    assert len(trials(folder, "search")) == 1
    done.clear()
    monkeypatch.setattr(Stepper, "run", lambda self, step: (done.append(step), ordinary(self, step))[1])
    # Exporting again takes longer than the whole search, and is the same as in the finished run.
    with without_exporter():
        jobs.resume(folder)
    assert done[:4] == [2, 3, 0, 1]
    assert not (folder / "candidates").exists()
    assert_same_run(folder, finished)


@pytest.mark.slow
def test_a_killed_search_goes_on_and_ends_the_same(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    study = folder / "study.journal"
    kill_when(
        start("new", folder, "einspace", TARGETS, OPTIONS), lambda: any((folder / "candidates").glob("training-*.safetensors"))
    )
    kill_when(
        start("resume", folder, "einspace", TARGETS, OPTIONS),
        lambda: study.exists() and study.read_bytes().count(b'"op_code":4') >= 1,
    )
    assert not (folder / "results.json").exists()
    jobs.resume(folder)
    assert_same_run(folder, finished)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train"], "no supernet to train or to use"),
        (["search", "--supernet", "somewhere"], "no supernet to train or to use"),
        (["search", "--minutes", "1"], "give --steps or --epochs"),
        (["search", "--target", "pixel-latency=80ms"], "legal: macs, params, memory"),
        (["search", "--target", "params<=5"], "its minimum is 20"),
    ],
)
def test_what_needs_a_supernet_is_refused(words: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [words[0], "--space", "einspace", "--out", str(tmp_path / "run"), *words[1:]])
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "run").exists()


def test_another_trainer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.runs.setting.open_trainer", lambda name: open_trainer("uniform"))
    with pytest.raises(NasError, match="is for supernets; leave out --trainer"):
        prepare(RunConfig.checked(space="einspace", trainer="sandwich"))


def test_the_papers_recipe_is_used_and_can_be_changed() -> None:
    setting = prepare(RunConfig.checked(space="einspace", settings={"weight_decay": 0.1}))
    assert (setting.recipe.schedule, setting.recipe.weight_decay, setting.recipe.epochs) == ("cosine", 0.1, 8)
    assert setting.recipe.peak_rate == pytest.approx(0.04 * 64 / 256)
    batches = len(setting.data.train) // 64
    assert planned_steps(setting) == 8 * batches


@pytest.fixture(scope="module")
def setting() -> Setting:
    return prepare(RunConfig.checked(space="einspace", **OPTIONS))


def test_a_candidates_score_depends_on_the_seed_and_the_architecture_alone(setting: Setting, tmp_path: Path) -> None:
    space = setting.space
    first = space.encode([space.parse("routing(im2col-k4s4p0, computation(linear16), identity)")])[0]
    second = space.encode([space.parse("routing(im2col-k4s4p0, computation(linear32), identity)")])[0]
    one = candidate_scorer(RunFolder(tmp_path / "one"), setting, 4)
    other = candidate_scorer(RunFolder(tmp_path / "other"), setting, 4)
    scores = {"a": one(first), "b": one(second)}
    assert {"b": other(second), "a": other(first)} == scores
    better = first if scores["a"]["loss"] < scores["b"]["loss"] else second
    for row in (first, second):
        networks = [scorer.network(row) for scorer in (one, other)]
        assert all(torch.equal(a, b) for a, b in zip(*(n.parameters() for n in networks), strict=True))
    assert load_tensors(one.best, "weights")[1]["row"] == better.tobytes().hex()


def test_a_candidate_that_diverges_or_ignores_its_input_fails_alone(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = setting.space
    scorer = candidate_scorer(RunFolder(tmp_path), setting, 2)
    constant = space.encode([space.parse("sequential(computation(identity), computation(softmax))")])[0]
    with pytest.raises(ArithmeticError, match="does not depend on its input"):
        scorer(constant)

    def diverged(self: Stepper, step: int) -> float:
        raise Diverged("the loss is nan")

    monkeypatch.setattr(Stepper, "run", diverged)
    row = space.encode([space.smallest])[0]
    with pytest.raises(ArithmeticError, match="nan"):
        scorer(row)
    assert not list(tmp_path.rglob("*.safetensors"))
