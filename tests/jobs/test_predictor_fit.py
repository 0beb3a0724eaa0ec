"""`nas predictor fit` on the evaluations of a run."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from nas.base.errors import NasError
from nas.cli.app import app
from nas.jobs import predicting
from nas.jobs.predicting import fit_predictor
from nas.predicting import load_predictor
from nas.runs import RunConfig, RunFolder
from nas.searching import StudyHistory, Trial
from nas.supernet import Space, open_space


@pytest.fixture(scope="module")
def space() -> Space:
    return open_space("cells:nats-size")


@pytest.fixture
def run(space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the studies of a finished run: 20 evaluations, one of which failed, and 12 of random search."""
    rows = np.unique(space.decisions.sample(np.random.default_rng(0), 40), axis=0)
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    for name, part in (("search", rows[:20]), ("baseline", rows[8:28])):
        history = StudyHistory(folder.study, name, space)
        for row in part[:-1]:
            history.add(Trial(row, {"top1": float(row.sum()), "loss": -float(row[0]) - 1}))
        history.add(Trial(part[-1], failure="it broke"))
    manifest = SimpleNamespace(config=RunConfig(), data={}, trains=True)
    stand_in = SimpleNamespace(path=folder.path, folder=folder, space=space, winner=None, manifest=manifest)
    monkeypatch.setattr(predicting, "Run", lambda path, given=None: stand_in)
    return folder.path


def test_every_evaluation_counts_once(run: Path, space: Space, tmp_path: Path) -> None:
    out = tmp_path / "predictor.safetensors"
    found = fit_predictor(run, "gp", out)
    assert found["evaluations"] == 27
    assert found["quality"]["count"] == 27
    assert found["quality"]["kendall_tau"] > 0.2
    assert found["next"][0] == f"nas search --space cells:nats-size --evaluate {out} --evaluations 1000"
    assert found["next"][1] == f"nas search --supernet {run} --space cells:nats-size --strategy predictor"
    rows = space.decisions.sample(np.random.default_rng(1), 30)
    mean, _ = load_predictor(out, space.encoding).predict(rows)
    assert np.corrcoef(mean, rows.sum(axis=1))[0, 1] > 0.8


def test_another_figure_and_another_encoding(run: Path) -> None:
    found = fit_predictor(run, "trees", metric="loss", encoding="one-hot", folds=3, settings={"bags": "2", "trees": "10"})
    assert (found["metric"], found["encoding"], found["folds"], found["file"]) == ("loss", "one-hot", 3, None)
    assert found["options"]["bags"] == 2
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"predictor": "gpp"}, "unknown predictor 'gpp'.*Did you mean 'gp'"),
        ({"metric": "acc"}, "unknown metric of the run's evaluations 'acc'; legal: loss, top1"),
        ({"encoding": "paths"}, "unknown encoding 'paths'; legal: one-hot"),
        ({"folds": 1}, "cut into 2 to 27 parts"),
        ({"settings": {"kernl": "rbf"}}, "Did you mean 'kernel'"),
    ],
)
def test_mistakes_are_explained(run: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(NasError, match=message):
        fit_predictor(run, **options)


def test_the_command_prints_figures_or_one_object(run: Path) -> None:
    quick = ["predictor", "fit", str(run), "--predictor", "mlp", "--set", "epochs=3", "--set", "hidden=8"]
    text = CliRunner().invoke(app, quick)
    assert text.exit_code == 0
    for word in ("Kendall tau", "Spearman", "RMSE", "coverage", "27 networks of cells:nats-size"):
        assert word in text.stdout
    whole = json.loads(CliRunner().invoke(app, [*quick, "--json"]).stdout)
    assert whole["options"]["epochs"] == 3
    assert set(whole["quality"]) == {"kendall_tau", "spearman", "rmse", "coverage", "count"}


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["predictor", "fit", str(tmp_path / "none"), "--json"])
    assert found.exit_code == 2
    assert "error" in json.loads(found.stdout)
    listed = json.loads(CliRunner().invoke(app, ["predictors", "--json"]).stdout)["predictors"]
    assert {"gp", "trees", "mlp", "mlp-ensemble", "gcn", "autobuild"} <= {row["name"] for row in listed}
