"""Explaining a run, finished or not, and searching its space reduced to what the explanation found best."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import nas
from nas.architectures import Restricted
from nas.base.errors import NasError
from nas.cli.app import app
from nas.predicting import make_predictor
from nas.runs import RunConfig, RunFolder, read_manifest, reduction_of
from nas.runs.manifest import new_manifest, write_manifest
from nas.searching import StudyHistory, Trial
from nas.supernet import Space, open_space

NAME = "cells:nats-size"
QUICK = {"predictor": "gp", "settings": {"folds": 0}, "folds": 2}


@pytest.fixture(scope="module")
def space() -> Space:
    return open_space(NAME)


def worth(row: np.ndarray) -> float:
    """The first width decides most, and 3 is its best option; the second some; the others nothing."""
    return 90.0 - 2.0 * abs(int(row[0]) - 3) + 0.5 * int(row[1])


def begun(path: Path, space: Space, rows: np.ndarray, objectives: tuple[str, ...] = (), **figures: Any) -> Path:
    """The folder of a search that was interrupted after these evaluations."""
    path.mkdir()
    at = {"channels": 1, "resolution": 32, "classes": 10}
    config = RunConfig.checked(space=space.name, objectives=objectives)
    write_manifest(path, new_manifest("search", config, {"trained_at": at, "deployed_at": at, "steps": 1}, {}))
    history = StudyHistory(RunFolder(path).study, "search", space)
    for row in rows:
        history.add(Trial(row, {"top1": worth(row), "loss": 100 - worth(row), **figures}))
    return path


@pytest.fixture
def run(space: Space, tmp_path: Path) -> Path:
    return begun(tmp_path / "run", space, np.unique(space.decisions.sample(np.random.default_rng(0), 90), axis=0))


@pytest.fixture(scope="module")
def results(space: Space, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A predictor that stands in for evaluations."""
    rows = space.decisions.sample(np.random.default_rng(7), 60)
    predictor = make_predictor("gp", space.encoding, settings={"folds": 0})
    predictor.fit(rows, [worth(row) for row in rows])
    path = tmp_path_factory.mktemp("results") / "gp.safetensors"
    predictor.save(path)
    return path


def test_decisions_are_ranked_by_what_they_explain(run: Path) -> None:
    found = nas.explain(run, **QUICK, top=3)
    assert [one["name"] for one in found["decisions"][:2]] == ["width1", "width2"]
    first, second, third = found["decisions"]
    assert first["fanova"] > 0.5 > second["fanova"] > 0.05 > third["fanova"]
    assert first["permutation"] > second["permutation"] > abs(third["permutation"])
    assert found["quality"]["kendall_tau"] > 0.5
    assert found["warning"] is None
    assert [unit["name"] for unit in found["units"]] == [f"width{n}" for n in range(1, 6)]
    best = found["units"][0]["modules"]
    assert len(best) == 3
    assert best[0]["decisions"] == {"width1": 32}
    assert found["next"][0] == f"nas search --space {run}:top3"
    assert json.loads(json.dumps(found)) == found


def test_what_is_to_be_small_is_ranked_so(run: Path) -> None:
    found = nas.explain(run, **QUICK, metric="loss")
    assert found["direction"] == "minimize"
    modules = found["units"][0]["modules"]
    assert modules[0]["decisions"] == {"width1": 32}
    scores = [module["score"] for module in modules]
    assert scores == sorted(scores)
    assert scores[0] == pytest.approx(100 - 90, abs=4)


def test_the_objective_of_the_run_is_explained_by_default(space: Space, tmp_path: Path) -> None:
    rows = np.unique(space.decisions.sample(np.random.default_rng(0), 40), axis=0)
    path = begun(tmp_path / "run", space, rows, ("macs:min", "energy:min"), energy=1.0)
    with pytest.raises(NasError, match="have energy 1: there is nothing to explain"):
        nas.explain(path, **QUICK)


def test_a_predictor_that_orders_nothing_is_warned_of(space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(5)
    monkeypatch.setattr(f"{__name__}.worth", lambda row: float(noise.random()))
    rows = np.unique(space.decisions.sample(np.random.default_rng(0), 40), axis=0)
    path = begun(tmp_path / "noise", space, rows)
    found = CliRunner().invoke(app, ["explain", str(path), "--with", "gp", "--set", "folds=0"])
    assert found.exit_code == 0
    assert "Warning: 'gp' orders architectures" in found.stdout
    assert "mean little here" in found.stdout


@pytest.mark.parametrize("suffix", [".svg", pytest.param(".png", marks=pytest.mark.slow)])
def test_a_plot_is_written_whole(run: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"plot{suffix}"
    result = CliRunner().invoke(app, ["explain", str(run), "--with", "gp", "--set", "folds=0", "--plot", str(path), "--json"])
    assert json.loads(result.stdout)["plot"] == str(path)
    content = path.read_bytes()
    assert content.startswith(b"<?xml" if suffix == ".svg" else b"\x89PNG")
    assert not list(tmp_path.glob(".plot*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--with", "gpp"], "unknown predictor 'gpp'"),
        (["--metric", "acc"], "unknown metric of the run's evaluations 'acc'; legal: loss, top1"),
        (["--plot", "plot.txt"], "plot.txt has '.txt'"),
        (["--top", "0"], "--top is a number from 1"),
        (["--set", "kernl=rbf"], "Did you mean 'kernel'"),
    ],
)
def test_mistakes_are_explained(run: Path, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["explain", str(run), "--with", "gp", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
    assert not RunFolder(run).explanation.exists()


def test_a_folder_that_is_no_run_or_has_too_little_is_explained(space: Space, tmp_path: Path) -> None:
    few = begun(tmp_path / "few", space, space.decisions.sample(np.random.default_rng(0), 12))
    none = begun(tmp_path / "none", space, space.decisions.sample(np.random.default_rng(0), 0))
    for path, message in (
        (few, "has evaluated 12 architectures; an explanation needs at least 20"),
        (none, "no complete eval"),
    ):
        with pytest.raises(NasError, match=message):
            nas.explain(path, **QUICK)
        with pytest.raises(NasError, match=message):
            nas.space(f"{path}:top3")
    with pytest.raises(NasError, match="is not a folder"):
        nas.explain(tmp_path / "nothing")
    with pytest.raises(NasError, match="is not a folder"):
        nas.space(f"{tmp_path}/nothing:top3")


@pytest.mark.parametrize("count", ["0", "x", "", "-1", "1.5", "257"])
def test_how_many_modules_are_kept_is_a_number(run: Path, count: str) -> None:
    with pytest.raises(NasError, match=rf"K is a number from 1 to 256; given '{count}'"):
        nas.space(f"{run}:top{count}")


def test_a_preset_may_be_misspelt_like_a_reduced_space() -> None:
    with pytest.raises(NasError, match="unknown preset of space 'mbconv' 'top3'"):
        nas.space("mbconv:top3")


def test_a_reduced_space_keeps_the_best_options(run: Path, space: Space) -> None:
    nas.explain(run, **QUICK)
    part = nas.space(f"{run}:top2")
    assert part.size == 2**5
    assert (part.name, part.whole.name) == (space.name, space.name)
    assert isinstance(part.decisions, Restricted)
    kept = {group.name: group.codes[:, 0].tolist() for group in part.decisions.groups}
    assert 3 in kept["width1"]
    assert 7 in kept["width2"]
    assert all(codes == sorted(codes) for codes in kept.values())
    drawn = part.sample(np.random.default_rng(0), 50)
    assert {architecture["width1"] for architecture in drawn} == {8 * (code + 1) for code in kept["width1"]}
    outside = {f"width{n}": 8 for n in range(1, 6)}
    with pytest.raises(NasError, match="in the reduced space; kept"):
        part.validate(outside)
    assert part.whole.validate(outside)


def test_an_explanation_is_worked_out_again_when_there_are_more_evaluations(run: Path, space: Space) -> None:
    nas.explain(run, **QUICK)
    content = RunFolder(run).explanation.read_bytes()
    nas.space(f"{run}:top2")
    assert RunFolder(run).explanation.read_bytes() == content
    history = StudyHistory(RunFolder(run).study, "search", space)
    history.add(Trial(space.decisions.largest()[0], {"top1": 1.0, "loss": 1.0}))
    asked: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nas.runs.explained.explain_run", lambda path, **given: asked.append(path) or json.loads(content))
        nas.space(f"{run}:top2")
    assert asked == [run]


@pytest.mark.parametrize("strategy", ["evolution", pytest.param("optuna:tpe", marks=pytest.mark.slow)])
def test_a_search_of_a_reduced_space_needs_the_explained_run_no_more(
    run: Path, results: Path, tmp_path: Path, space: Space, strategy: str
) -> None:
    """Killed half-way, it goes on to the same history where the explained run is gone."""
    nas.explain(run, **QUICK)
    out = tmp_path / "reduced"
    options: dict[str, Any] = {"evaluate": results, "evaluations": 14, "strategy": strategy}
    done = nas.search(f"{run}:top2", out=out, **options)
    part = done.space
    assert isinstance(part.decisions, Restricted)
    assert done.results["reduced"]["networks"] == 32
    assert f"best 2 modules of each unit by run {run}" in (out / "README.md").read_text()
    rows = [trial.row for trial in StudyHistory(RunFolder(out).study, "search", space).trials]
    assert part.decisions.contains(np.asfortranarray(rows)).all()
    assert done.winner == part.validate(done.winner)
    assert part.whole.validate(json.loads((out / "winner.json").read_text())["architecture"]) == done.winner

    shutil.rmtree(run)
    RunFolder(out).results.unlink()
    lines = RunFolder(out).study.read_bytes().splitlines(keepends=True)
    RunFolder(out).study.write_bytes(b"".join(lines[: len(lines) // 3]))
    again = nas.resume(out)
    assert [trial.row.tolist() for trial in StudyHistory(RunFolder(out).study, "search", space).trials] == [
        row.tolist() for row in rows
    ]
    assert again.winner == done.winner
    assert nas.show(out)["architecture"] == done.winner.to_json()


def test_a_reduced_run_can_be_reduced_again(run: Path, results: Path, tmp_path: Path, space: Space) -> None:
    nas.explain(run, **QUICK)
    first = nas.search(f"{run}:top3", evaluate=results, evaluations=30, out=tmp_path / "first", strategy="random")
    nas.explain(first.path, **QUICK)
    again = nas.space(f"{first.path}:top2")
    assert isinstance(again.decisions, Restricted)
    assert isinstance(first.space.decisions, Restricted)
    assert again.size <= 32
    rows = again.decisions.sample(np.random.default_rng(0), 100)
    assert first.space.decisions.contains(rows).all()
    reduction = reduction_of(again)
    assert reduction is not None
    assert reduction.base == NAME
    second = nas.search(f"{first.path}:top2", evaluate=results, evaluations=4, out=tmp_path / "second")
    assert read_manifest(second.path).plan["reduced"]["run"] == str(first.path)
    assert second.space.whole.size == space.size


def test_a_reduced_space_is_searched_as_the_explained_run_was(run: Path, results: Path, tmp_path: Path) -> None:
    nas.explain(run, **QUICK)
    first = nas.search(f"{run}:top3", evaluate=results, evaluations=30, out=tmp_path / "first", strategy="random")
    nas.explain(first.path, **QUICK)
    second = nas.search(f"{first.path}:top2", evaluations=3, out=tmp_path / "second")
    assert second.manifest.config.evaluate == str(results)
    with pytest.raises(NasError, match=f"nas train --space {NAME}"):
        nas.train(f"{run}:top3")


def test_the_other_commands_take_a_reduced_space(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nas.explain(run, **QUICK)
    monkeypatch.chdir(tmp_path)
    name = f"{run}:top2"
    shown = CliRunner().invoke(app, ["spaces", name])
    assert shown.exit_code == 0, shown.stderr
    assert "kept modules" in shown.stdout
    assert "Kendall tau" in shown.stdout
    found = json.loads(CliRunner().invoke(app, ["spaces", name, "--json"]).stdout)
    assert (found["networks"], found["reduced"]["top"], len(found["reduced"]["units"])) == (32.0, 2, 5)
    scored = CliRunner().invoke(app, ["proxy", name, "--proxy", "params", "--json"])
    assert json.loads(scored.stdout)["name"] == "largest"
    drawn = CliRunner().invoke(app, ["draw", name, "-o", "net.svg"])
    assert drawn.exit_code == 0, drawn.stderr
    assert (tmp_path / "net.svg").exists()


@pytest.mark.slow
def test_autobuild_ranks_the_modules_of_stages_and_they_stay_whole(tmp_path: Path) -> None:
    space = open_space("mbconv:ofa")
    decisions = space.decisions
    rows = decisions.sample(np.random.default_rng(0), 24)
    path = tmp_path / "run"
    path.mkdir()
    at = {"channels": 1, "resolution": 32, "classes": 10}
    plan = {"trained_at": at, "deployed_at": at, "steps": 1}
    write_manifest(path, new_manifest("search", RunConfig.checked(space=space.name), plan, {}))
    history = StudyHistory(RunFolder(path).study, "search", space)
    for row in rows:
        history.add(Trial(row, {"top1": float(row.sum())}))
    found = nas.explain(path, settings={"steps": 8}, folds=2, top=3)
    assert set(found["kinds"]) == {"unit", "position", "resolution", "kernel", "expand"}
    assert [unit["name"] for unit in found["units"]] == [f"stage{n}" for n in range(1, 6)]
    assert all((unit["count"], unit["by"], len(unit["modules"])) == (7371, "modules", 3) for unit in found["units"])
    part = nas.space(f"{path}:top3")
    assert part.size == 3**5 * 25
    assert isinstance(part.decisions, Restricted)
    assert part.decisions.units.names == ("resolution", *(f"stage{n}" for n in range(1, 6)))
    first = found["units"][0]
    kept = {tuple(sorted(module["decisions"].items())) for module in first["modules"]}
    for architecture in part.sample(np.random.default_rng(1), 30):
        options = {name: architecture[name] for name in first["decisions"] if name in architecture}
        assert tuple(sorted(options.items())) in kept
    cost = part.compiled("macs")
    drawn = part.decisions.sample(np.random.default_rng(2), 50)
    np.testing.assert_array_equal(cost(drawn), space.compiled("macs")(drawn))


def test_a_grammar_has_no_decisions_to_explain(tmp_path: Path) -> None:
    space = open_space("einspace")
    rows = np.unique(space.decisions.sample(np.random.default_rng(0), 30), axis=0)
    path = tmp_path / "run"
    path.mkdir()
    at = {"channels": 3, "resolution": 32, "classes": 10}
    plan = {"trained_at": at, "deployed_at": at, "steps": 1}
    write_manifest(path, new_manifest("search", RunConfig.checked(space="einspace"), plan, {}))
    history = StudyHistory(RunFolder(path).study, "search", space)
    for row in rows:
        history.add(Trial(row, {"top1": float(row[:3].sum())}))
    for explain in (lambda: nas.explain(path, "gp"), lambda: nas.space(f"{path}:top3")):
        with pytest.raises(NasError, match="derived from a grammar: no decision has a place of its own"):
            explain()
