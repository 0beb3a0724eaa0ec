"""One search by several processes over a database: the history of one process, and nothing lost or made twice."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import optuna
import pytest
from shared_worker import SPACE, Evaluation, study
from tiny_search import at_most

from nas.base.errors import NasError
from nas.searching import ArrayHistory, Problem, search, shared_search
from nas.searching.databases import without_password
from nas.searching.shared_search import SharedExecutor, help_with
from nas.searching.strategies.evolution import Evolution

PATIENCE = 120


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines are missed after a second."""
    monkeypatch.setattr(shared_search, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(shared_search, "DEAD_SECONDS", 1.5)
    monkeypatch.setattr(shared_search, "POLL_SECONDS", 0.02)


def searched(executor: object, evaluations: int) -> ArrayHistory:
    history = ArrayHistory(6)
    search(Evolution(Problem(SPACE.decisions, (at_most(8),)), 0), history, executor, evaluations)  # type: ignore[arg-type]
    return history


def evaluated(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted(folder.iterdir())]


def by(folder: Path) -> set[str]:
    return {path.name.rpartition("-")[2] for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "evaluated"
    found.mkdir()
    return found


@pytest.fixture
def alone(tmp_path: Path) -> Evaluation:
    """An evaluation for searches in one process."""
    found = tmp_path / "alone"
    found.mkdir()
    return Evaluation(found, 0.0)


@pytest.fixture
def file(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


def assert_same(first: ArrayHistory, second: ArrayHistory) -> None:
    np.testing.assert_array_equal(first.rows(), second.rows())
    np.testing.assert_array_equal(first.scores(), second.scores())


def test_alone_on_a_database_it_is_the_search_of_one_process(file: str, folder: Path, alone: Evaluation) -> None:
    executor = SharedExecutor(study(file, "one"), Evaluation(folder, 0.0))
    assert_same(searched(executor, 8), searched(alone, 8))
    executor.close(over=True)
    assert sorted(evaluated(folder)) == sorted(evaluated(alone.folder))
    assert help_with(study(file, "one"), alone) == 0


class Stopped(BaseException):
    """Ends a process as Ctrl-C does."""


def stop(*_: object) -> None:
    raise Stopped


def test_a_search_whose_leader_was_stopped_finds_what_was_made(file: str, folder: Path, alone: Evaluation) -> None:
    evaluation = Evaluation(folder, 0.0)

    def stopping(row: np.ndarray) -> object:
        if len(evaluated(folder)) == 4:
            raise Stopped
        return evaluation(row)

    first = SharedExecutor(study(file, "one"), stopping)  # type: ignore[arg-type]
    with pytest.raises(Stopped):
        searched(first, 8)
    first.close(over=False)
    again = SharedExecutor(study(file, "one"), evaluation)
    assert_same(searched(again, 8), searched(alone, 8))
    assert len(evaluated(folder)) == len(set(evaluated(folder))) == 8
    again.close(over=True)


@pytest.mark.parametrize("named", [True, False])
def test_what_a_lost_machine_took_is_evaluated_again(
    file: str, folder: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    executor = SharedExecutor(study(file, "one"), Evaluation(folder, 0.0))
    outcomes = executor.outcomes(list(SPACE.decisions.sample(np.random.default_rng(0), 3)), 1.0)
    next(outcomes)
    lost = study(file, "one")
    if named:
        assert lost.claim() is not None  # and is never heard of again
    else:
        monkeypatch.setattr(lost._storage, "set_trial_user_attr", stop)
        with pytest.raises(Stopped):
            lost.claim()
    assert len(study(file, "one").running()) == 1
    begun = time.monotonic()
    assert len(list(outcomes)) == 2
    assert time.monotonic() - begun > 1.4
    executor.close(over=True)


def test_an_evaluation_that_loses_every_machine_fails(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_search, "DEAD_SECONDS", 0.05)
    shared = study(file, "one")
    number = shared.put(SPACE.decisions.sample(np.random.default_rng(0), 1)[0], 1.0)
    for _ in range(3):
        assert shared.outcome(number) is None
        assert shared.claim() is not None
        shared.give_back(number, shared.me)
    assert shared.outcome(number) == "the machine was lost while it evaluated this, 3 times"
    assert shared.claim() is None


def test_two_that_find_the_same_are_no_contradiction(file: str) -> None:
    one, other = study(file, "one"), study(file, "one")
    number = one.put(SPACE.decisions.sample(np.random.default_rng(0), 1)[0], 1.0)
    slow = one.claim()
    assert slow is not None
    one.give_back(number, one.me)
    quick = other.claim()
    assert quick is not None
    assert other.tell(quick, {"top1": 1.0})
    assert not one.tell(slow, {"top1": 1.0})
    one.beat(slow, 3)
    assert one.outcome(number) == {"top1": 1.0}


def test_an_evaluation_that_outlives_its_time_limit_is_given_to_others(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_search, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(shared_search, "DEAD_SECONDS", 0.3)
    (row,) = SPACE.decisions.sample(np.random.default_rng(0), 1)
    helping, over = study(file, "one"), threading.Event()
    helping.put(row, 1.0)

    def endless(row: np.ndarray) -> dict[str, float]:
        over.wait(PATIENCE)
        return {"top1": -1.0}

    # Only the main thread can be interrupted.
    helper = threading.Thread(target=shared_search.evaluate_one, args=(helping, endless, 0.1))
    helper.start()
    while not helping.running():
        time.sleep(0.01)
    executor = SharedExecutor(study(file, "one"), lambda row: {"top1": 1.0})
    try:
        assert list(executor.outcomes([row], 1.0)) == [{"top1": 1.0}]
    finally:
        over.set()
        helper.join()
        executor.close(over=True)


def test_a_machine_that_helps_waits_while_the_search_is_heard_of_and_no_longer(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_search, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(shared_search, "PATIENCE_SECONDS", 0.5)
    executor = SharedExecutor(study(file, "one"), stop)
    ends = threading.Timer(1.5, executor.close, (True,))
    ends.start()
    assert help_with(study(file, "one"), stop) == 0
    ends.join()
    again = study(file, "one")
    again.finished = False  # as a search leaves it that is killed
    with pytest.raises(NasError, match="go on with the search there, with nas resume"):
        help_with(again, stop)


def test_what_stops_everybody_is_told_and_given_back(file: str) -> None:
    shared = study(file, "one")
    number = shared.put(SPACE.decisions.sample(np.random.default_rng(0), 1)[0], 1.0)

    def broken(row: np.ndarray) -> object:
        raise NasError("no data here")

    with pytest.raises(NasError, match="no data here"):
        shared_search.evaluate_one(shared, broken)  # type: ignore[arg-type]
    assert shared.outcome(number) is None
    assert shared.claim() is not None


@pytest.mark.parametrize(
    ("url", "needle"),
    [
        ("postgresql://nas:secret@127.0.0.1:1/none", "127.0.0.1"),
        ("nosuch://nas@host/none", "nosuch"),
        ("sqlite:////nowhere/at/all.db", "unable to open"),
    ],
)
def test_a_database_that_does_not_answer_is_an_error(url: str, needle: str) -> None:
    if url.startswith("postgresql"):
        pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'nas-toolkit[postgres]'")
    with pytest.raises(NasError, match=needle) as caught:
        study(url, "one")
    assert "secret" not in str(caught.value)


def test_a_study_that_others_delete_or_change_is_told(file: str) -> None:
    shared = study(file, "one")
    ended, waiting = (shared.put(row, 1.0) for row in SPACE.decisions.sample(np.random.default_rng(0), 2))
    shared._storage.set_trial_state_values(shared._identity(ended), optuna.trial.TrialState.FAIL)
    with pytest.raises(NasError, match="trial 0 of the study in the database was not written by this program"):
        shared.outcome(ended)
    optuna.delete_study(study_name="one", storage=file)
    for asked in (lambda: shared.outcome(waiting), shared.claim, lambda: shared.finished, lambda: shared.lead(1)):
        with pytest.raises(NasError, match="no longer in database"):
            asked()


def test_passwords_are_not_shown() -> None:
    assert without_password("nas search --storage postgresql://me:secret@host:5432/x") == (
        "nas search --storage postgresql://me@host:5432/x"
    )
    assert without_password("sqlite:///file.db") == "sqlite:///file.db"
    assert without_password("postgresql://me:pa/ss:word@host/x") == "postgresql://me@host/x"


@pytest.mark.slow
def test_machines_that_begin_at_once_in_a_new_database_all_begin(postgres: str) -> None:
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create database fresh")
    fresh = f"{postgres.rpartition('/')[0]}/fresh"
    begin = threading.Barrier(5)

    def open_it(_: int) -> bool:
        begin.wait()
        return study(fresh, "one").finished

    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(open_it, range(5))) == [False] * 5


def helper(url: str, name: str, folder: Path, seconds: float) -> subprocess.Popen[str]:
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, str(here / "shared_worker.py"), url, name, str(folder), str(seconds)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_three_processes_on_postgresql_one_of_them_killed(postgres: str, folder: Path, alone: Evaluation) -> None:
    helpers = [helper(postgres, "three", folder, 0.05) for _ in range(2)]
    executor = SharedExecutor(study(postgres, "three"), Evaluation(folder, 0.05))
    deadline = time.monotonic() + PATIENCE

    class KillsOne:
        """Waits until both helpers are at work, then kills one in the middle of an evaluation."""

        killed = False

        def outcomes(self, rows: list[np.ndarray], fidelity: float) -> Iterator[object]:
            for place, outcome in enumerate(executor.outcomes(rows, fidelity)):
                if not self.killed and place > 10:
                    while str(helpers[0].pid) not in by(folder) and time.monotonic() < deadline:
                        time.sleep(0.01)
                    helpers[0].kill()
                    self.killed = True
                yield outcome

    history = searched(KillsOne(), 100)
    executor.close(over=True)
    assert_same(history, searched(alone, 100))
    told, errors = helpers[1].communicate(timeout=PATIENCE)
    assert helpers[1].returncode == 0, errors
    asked = evaluated(folder)
    assert set(asked) == set(evaluated(alone.folder))
    assert len(asked) - len(set(asked)) <= 1, "the killed process loses its own evaluation and no other"
    assert int(told) > 5
    assert len(by(folder)) == 3
