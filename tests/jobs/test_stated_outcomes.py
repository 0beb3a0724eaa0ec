"""What happens to a run when something goes wrong around it: each misfortune ends in an outcome that is stated."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from two_convolutions import write_space
from typer.testing import CliRunner

import nas.cli.guard
from nas import jobs
from nas.base.errors import NasError, memory_error
from nas.base.interrupts import time_limit
from nas.cli.app import app
from nas.runs import RunFolder
from nas.runs.folder import create_folder
from nas.searching import Evaluator, StudyHistory
from nas.supernet import open_space

Trials = list[tuple[list[int], dict[str, float], str | None]]

OPTIONS: dict[str, Any] = {
    "steps": 2,
    "evaluations": 4,
    "strategy": "random",
    "resolution": 8,
    "validation_images": 20,
    "calibration_images": 8,
    "compute": "cpu",
    "settings": {"batch_size": 4},
}


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.set_num_threads(1)
    return write_space(tmp_path_factory.mktemp("spaces"))


class Over(Exception):
    """Ends a search with its study: what is looked at here comes before the export."""


@pytest.fixture(scope="module")
def whole(space: str, tmp_path_factory: pytest.TempPathFactory) -> Trials:
    """A search that nothing befalls."""
    return searched(space, tmp_path_factory.mktemp("runs") / "whole")


def searched(space: str, folder: Path, **changes: Any) -> Trials:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Over):
        patch.setattr("nas.jobs.finishing.Product", fail(Over()))
        jobs.search(space, out=folder, **{**OPTIONS, **changes})
    history = StudyHistory(RunFolder(folder).study, "search", open_space(space))
    return [(trial.row.tolist(), dict(trial.metrics), trial.failure) for trial in history.trials]


def broken(monkeypatch: pytest.MonkeyPatch, what: Any) -> None:
    """The second evaluation does something else."""
    original, count = Evaluator.__call__, [0]

    def call(evaluator: Evaluator, row: np.ndarray, fidelity: float = 1.0) -> dict[str, float]:
        count[0] += 1
        if count[0] == 2:
            what()
        return original(evaluator, row, fidelity)

    monkeypatch.setattr(Evaluator, "__call__", call)


def fail(error: BaseException) -> Any:
    def raising(*_: object) -> None:
        raise error

    return raising


@pytest.mark.parametrize(
    ("what", "options", "reason"),
    [
        (fail(RuntimeError("it broke")), {}, "RuntimeError: it broke"),
        (fail(MemoryError("no more")), {}, "MemoryError: no more"),
        (lambda: time.sleep(60), {"time_limit": 0.5}, "TimeoutError: not done after 0.5 s, the time limit of an evaluation"),
    ],
    ids=["raises", "out of memory", "hangs"],
)
def test_an_evaluation_that_goes_wrong_fails_and_the_search_goes_on(
    what: Any, options: Any, reason: str, space: str, whole: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, what)
    begun = time.monotonic()
    found = searched(space, tmp_path / "run", **options)
    assert time.monotonic() - begun < 40
    assert [row for row, _, _ in found] == [row for row, _, _ in whole]
    assert [failure for _, _, failure in found] == [None, reason, None, None]
    assert [metrics for _, metrics, failure in found if failure is None] == [whole[place][1] for place in (0, 2, 3)]


def test_a_limit_that_is_kept_leaves_no_alarm_behind() -> None:
    with time_limit(0.05):
        pass
    time.sleep(0.1)
    with pytest.raises(TimeoutError), time_limit(0.05):
        time.sleep(5)


def test_a_clock_that_jumps_changes_nothing(space: str, whole: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, jumps = time.time, iter(range(10**9))

    def jumping() -> float:
        return real() + (86_400.0 * 365 if next(jumps) % 2 else -86_400.0)

    monkeypatch.setattr(time, "time", jumping)
    assert searched(space, tmp_path / "jumped") == whole


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you asked"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    ],
)
def test_memory_that_runs_out_ends_in_one_line(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "search", lambda *given, **options: (given[5](Path("runs/one")), fail(error)()))
    result = CliRunner().invoke(app, ["search"])
    assert result.exit_code == 2
    assert result.stderr.startswith("nas: out of memory: ")
    assert "nas resume runs/one" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_other_errors_are_no_lack_of_memory() -> None:
    assert memory_error(RuntimeError("shapes do not match")) is None
    with pytest.raises(ZeroDivisionError), nas.cli.guard.guarded(False):
        raise ZeroDivisionError


def test_a_folder_in_which_nothing_was_finished_is_begun_anew(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in (".lock", ".manifest.json.x3k.part"):
        (folder / name).touch()
    assert create_folder(folder, "any").path == folder
    (folder / "notes.txt").touch()
    with pytest.raises(NasError, match="exists already"):
        create_folder(folder, "any")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no folder here that nobody can write")
def test_a_place_where_nobody_can_write_is_named() -> None:
    with pytest.raises(NasError, match="cannot write /proc/nas"):
        create_folder(Path("/proc/nas"), "any")


def command(*words: str, **options: Any) -> tuple[int, str, str]:
    """A command in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **options.pop("env", {})}
    done = subprocess.run(
        [sys.executable, "-m", "nas", *words], env=environment, capture_output=True, text=True, timeout=600, **options
    )
    return done.returncode, done.stdout, done.stderr


def words(space: str, folder: Path) -> list[str]:
    found = ["search", "--space", space, "--out", str(folder)]
    for name, value in OPTIONS.items():
        found += ["--set", "batch_size=4"] if name == "settings" else [f"--{name.replace('_', '-')}", str(value)]
    return found


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that every user may look into."""
    folder = Path(tempfile.mkdtemp(prefix="nas-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_that_cannot_be_written_is_named(space: str, shared_folder: Path) -> None:
    named, folder = write_space(shared_folder), shared_folder / "run"
    own = {
        "user": 65534,
        "group": 65534,
        "cwd": "/",
        "env": {"HOME": "/nonexistent", "NAS_HOME": str(shared_folder), "PYTHONDONTWRITEBYTECODE": "1"},
    }
    try:
        able = subprocess.run([sys.executable, "-c", "import nas"], user=65534, group=65534, cwd="/", capture_output=True)
    except PermissionError:
        pytest.skip("another user cannot run this Python")
    if able.returncode:
        pytest.skip("another user cannot import the toolkit")
    code, _, told = command(*words(named, folder), **own)
    assert code == 2, told
    assert f"nas: cannot write {folder}" in told
    code, _, told = command(*words(named, folder))
    assert code == 0, told
    (folder / "results.json").unlink()
    code, _, told = command("resume", str(folder), **own)
    assert code == 2, told
    assert f"nas: cannot write {folder}" in told
    assert "Traceback" not in told


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [1, 4, 12])
def test_a_disk_that_is_full_ends_in_one_line_and_the_run_goes_on(kilobytes: int, space: str, tmp_path: Path) -> None:
    """No file may become larger: what the system then says is what it says of a full disk, but for its number."""
    import resource

    folder = tmp_path / "run"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, kilobytes * 1024))

    code, _, told = command(*words(space, folder), preexec_fn=limit, env={"PYTHONDONTWRITEBYTECODE": "1"})
    assert code == 2, told
    assert "Traceback" not in told
    assert str(folder) in told
    again = words(space, folder) if not (folder / "manifest.json").exists() else ["resume", str(folder)]
    code, _, told = command(*again)
    assert code == 0, told
    whole = jobs.search(space, out=tmp_path / "whole", **OPTIONS)
    assert json.loads((folder / "results.json").read_text())["winner"] == whole.results["winner"]
