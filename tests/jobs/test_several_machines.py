"""A whole search whose evaluations are made elsewhere equals one that makes them itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from onnx_stand_in import without_exporter
from two_convolutions import write_space
from typer.testing import CliRunner

from nas import jobs
from nas.base.errors import NasError
from nas.cli.app import app
from nas.runs import RunConfig, RunFolder, read_manifest
from nas.runs.carried import carried
from nas.runs.executing import study_name
from nas.runs.manifest import new_manifest
from nas.searching import StudyHistory
from nas.supernet import open_space
from nas.watching.studies import Studies
from nas.watching.summaries import details_of

OPTIONS = {"resolution": 8, "evaluations": 8, "validation_images": 50, "calibration_images": 8, "compute": "cpu"}
PATIENCE = 600


def trials(folder: Path, space: str) -> list[tuple[list[int], dict[str, float], str | None]]:
    found = []
    for study in ("search", "baseline"):
        history = StudyHistory(RunFolder(folder).study, study, open_space(space))
        found += [(trial.row.tolist(), dict(trial.metrics), trial.failure) for trial in history.trials]
    return found


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_space(tmp_path_factory.mktemp("spaces"))


@pytest.fixture(scope="module")
def supernet(space: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("supernets") / "trained"
    jobs.train(space, out=folder, resolution=8, steps=2, compute="cpu", settings={"batch_size": 4})
    return str(folder)


@pytest.fixture(scope="module")
def alone(space: str, supernet: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with without_exporter():
        return jobs.search(space, supernet=supernet, out=tmp_path_factory.mktemp("runs") / "alone", **OPTIONS).path


@pytest.mark.slow
def test_a_search_on_ray_is_the_same_search(space: str, supernet: str, alone: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'nas-toolkit[ray]'")
    command = [
        "search",
        "--space",
        space,
        "--supernet",
        supernet,
        "--executor",
        "ray",
        "--workers",
        "2",
        "--out",
        str(tmp_path / "ray"),
    ]
    options = [f"--{name.replace('_', '-')}={value}" for name, value in OPTIONS.items()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "nas", *command, *options], env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert trials(tmp_path / "ray", space) == trials(alone, space)


@pytest.mark.slow
def test_a_search_that_another_process_joins_is_the_same_search(
    postgres: str, space: str, supernet: str, alone: Path, tmp_path: Path
) -> None:
    run, secret = tmp_path / "shared", postgres.replace("nas@", "nas:secret@")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in OPTIONS.items()]
    lead = [
        sys.executable,
        "-m",
        "nas",
        "search",
        "--space",
        space,
        "--supernet",
        supernet,
        "--storage",
        secret,
        "--out",
        str(run),
        *options,
    ]
    leader = subprocess.Popen(lead, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (run / "manifest.json").exists():
        assert leader.poll() is None, leader.communicate()
    join = [sys.executable, "-m", "nas", "search", "--join", str(run), "--storage", secret, "--json"]
    joined = subprocess.run(join, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert joined.returncode == 0, joined.stdout + joined.stderr
    told = leader.communicate(timeout=PATIENCE)
    assert leader.returncode == 0, told
    assert trials(run, space) == trials(alone, space)
    assert json.loads(joined.stdout)["evaluations"] >= 0
    assert "secret" not in (run / "manifest.json").read_text()


def test_a_supernet_that_travelled_leaves_nothing_on_the_disk(
    space: str, supernet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    evaluate = carried(read_manifest(Path(supernet)), RunFolder(Path(supernet)).supernet)()
    assert not list(tmp_path.iterdir())
    opened = open_space(space)
    assert evaluate(opened.encode([opened.smallest])[0])["loss"] > 0


@pytest.mark.usefixtures("without_onnx")
def test_what_several_machines_evaluated_is_in_the_report_and_on_the_local_page(
    postgres: str, space: str, supernet: str, tmp_path: Path
) -> None:
    run = jobs.search(space, supernet=supernet, storage=postgres, out=tmp_path / "shared", **OPTIONS)
    made = trials(run.path, space)
    assert len(made) == 16
    page = (run.path / "report.html").read_text()
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert match is not None
    points = json.loads(match[1])["points"]
    assert points["study"] == 8 * "0" + 8 * "1"
    assert points["values"]["top1"] == pytest.approx([metrics["top1"] for _, metrics, _ in made], rel=1e-5)
    watched = details_of("shared", run.path, Studies())
    assert watched["evaluated"] == watched["beside"] == 8
    assert [value for study in watched["studies"] for value in study["values"]["top1"]] == points["values"]["top1"]


def test_the_name_of_a_study_follows_from_the_manifest_alone(space: str) -> None:
    manifest = new_manifest("search", RunConfig(space=space), {"steps": 1}, {})
    name = study_name(manifest)
    assert name.startswith("nas-tiny.py-")
    elsewhere = manifest.model_copy(update={"config": manifest.config.model_copy(update={"storage": "postgresql://x@y/z"})})
    assert study_name(elsewhere) == name
    other = manifest.model_copy(update={"config": manifest.config.model_copy(update={"seed": 5})})
    assert study_name(other) != name


@pytest.mark.parametrize(
    ("arguments", "needle"),
    [
        (["--executor", "dask"], "legal: ray, none"),
        (["--workers", "2"], "--executor ray"),
        (["--executor", "ray", "--storage", "postgresql://a@b/c"], "leave one of them out"),
        (["--storage", "study.db"], "postgresql://user@host/name"),
        (["--time-limit", "0"], "time-limit"),
        (["--join", "nowhere", "--storage", "postgresql://a@b/c"], "run not found"),
        (["--join", "runs/one"], "--storage"),
        (["--join", "runs/one", "--storage", "postgresql://a@b/c", "--seed", "3"], "leave out --seed"),
        (["--join", "runs/one", "--storage", "postgresql://a@b/c", "--filter", "naswot:0.5"], "leave out --filter\n"),
    ],
)
def test_mistakes_are_told_before_anything_is_done(
    arguments: list[str], needle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["search", *arguments])
    assert result.exit_code == 2, result.output
    assert needle in result.stderr
    assert not list(tmp_path.iterdir())


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(NasError, match=r"nas-toolkit\[ray\]"):
        jobs.search("mbconv", executor="ray")


def test_data_that_other_machines_cannot_read_are_refused() -> None:
    with pytest.raises(NasError, match="a data set that was given as an object cannot be read on other machines"):
        jobs.search("mbconv", data=[(torch.zeros(3, 8, 8), 0)], storage="postgresql://a@b/c")
