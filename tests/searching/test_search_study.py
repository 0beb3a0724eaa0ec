"""The study on disk: whole trials or none, the same after reopening, and plain to Optuna."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from tiny_search import conditional_space, decisions

from nas.architectures import SearchSpace
from nas.base.errors import NasError
from nas.searching import Objective, StudyHistory, Trial
from nas.searching.journal import open_journal
from nas.searching.study import read_studies

SPACE = conditional_space()


def rows(count: int, seed: int = 0) -> np.ndarray:
    return SPACE.decisions.sample(np.random.default_rng(seed), count)


def filled(path: Path, count: int = 6, name: str = "main") -> StudyHistory:
    """A study whose third trial failed."""
    history = StudyHistory(path, name, SPACE)
    for index, row in enumerate(rows(count)):
        if index == 2:
            history.add(Trial(row, failure="RuntimeError: out of memory"))
        else:
            history.add(Trial(row, {"top1": 100 / (3 + index), "loss": index / 7}))
    return history


def assert_equal(first: StudyHistory, second: StudyHistory) -> None:
    assert len(first) == len(second)
    np.testing.assert_array_equal(first.rows(), second.rows())
    np.testing.assert_array_equal(first.scores(), second.scores())
    for one, other in zip(first.trials, second.trials, strict=True):
        np.testing.assert_array_equal(one.row, other.row)
        assert one.metrics == other.metrics
        assert one.failure == other.failure


def plain(path: Path, name: str = "main") -> optuna.Study:
    """As anybody opens it who knows Optuna alone."""
    return optuna.load_study(study_name=name, storage=JournalStorage(JournalFileBackend(str(path))))


def test_a_reopened_study_is_the_same(tmp_path: Path) -> None:
    first = filled(tmp_path / "study")
    assert_equal(first, StudyHistory(tmp_path / "study", "main", SPACE))
    assert first.rows().dtype == np.uint8
    np.testing.assert_array_equal(first.rows(), rows(6))
    assert first.scores()[2] == -np.inf
    assert first.scores()[3] == 100 / 6
    assert first.trials[3].metrics == {"top1": 100 / 6, "loss": 3 / 7}
    np.testing.assert_array_equal(first.rows(4), rows(6)[4:])


def test_failures_are_kept_with_their_reason(tmp_path: Path) -> None:
    filled(tmp_path / "study")
    trial = StudyHistory(tmp_path / "study", "main", SPACE).trials[2]
    assert trial.failure == "RuntimeError: out of memory"
    assert trial.metrics == {}
    assert plain(tmp_path / "study").trials[2].state is optuna.trial.TrialState.FAIL


def test_a_study_opens_in_plain_optuna(tmp_path: Path) -> None:
    history = filled(tmp_path / "study")
    study = plain(tmp_path / "study")
    assert len(study.trials) == 6
    assert study.best_value == history.scores().max() == 100 / 3
    for trial, row in zip(study.trials, rows(6), strict=True):
        assert trial.params == dict(SPACE.decode(row[None])[0])
    assert study.best_params == dict(SPACE.decode(rows(6)[:1])[0])
    assert study.best_trial.user_attrs["metrics"]["loss"] == 0.0
    assert study.direction is optuna.study.StudyDirection.MAXIMIZE


class Cost:
    """The sum of the codes; nothing is known of the largest ones."""

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        found = rows.sum(axis=1).astype(float)
        return np.where(rows[:, 1] == 3, np.inf, found)

    def minimum(self) -> float:
        return 0.0


def test_costs_stand_beside_each_trial_for_other_tools(tmp_path: Path) -> None:
    history = StudyHistory(tmp_path / "study", "main", SPACE, costs={"sum": Cost()})
    drawn = rows(12)
    for row in drawn:
        history.add(Trial(row, {"top1": 1.0}))
    written = [trial.user_attrs["costs"] for trial in plain(tmp_path / "study").trials]
    assert written == [{} if row[1] == 3 else {"sum": float(row.sum())} for row in drawn]
    assert {} in written and any(written)


def test_studies_are_read_by_name_without_what_they_say_twice(tmp_path: Path) -> None:
    first = filled(tmp_path / "study")
    second = filled(tmp_path / "study", 3, "other")
    found = read_studies(tmp_path / "study", SPACE)
    assert list(found) == ["main", "other"]
    for history, trials in zip((first, second), found.values(), strict=True):
        assert [trial.row.tolist() for trial in trials] == history.rows().tolist()
        assert [trial.metrics for trial in trials] == [trial.metrics for trial in history.trials]
    storage = open_journal(tmp_path / "study")
    kept = storage.get_all_trials(0, deepcopy=False)
    assert not any(trial.params for trial in kept)
    assert all(trial.params for trial in plain(tmp_path / "study").trials)


def test_a_figure_that_is_minimised_is_minimised_in_optuna_too(tmp_path: Path) -> None:
    history = StudyHistory(tmp_path / "study", "main", SPACE, Objective("loss", "minimize"))
    for row, loss in zip(rows(3), (0.5, 0.25, 2.0), strict=True):
        history.add(Trial(row, {"loss": loss}))
    assert history.scores().tolist() == [-0.5, -0.25, -2.0]
    assert plain(tmp_path / "study").best_value == 0.25


def test_a_trial_is_on_disk_before_the_next_begins(tmp_path: Path) -> None:
    history = StudyHistory(tmp_path / "study", "main", SPACE)
    for index, row in enumerate(rows(3)):
        history.add(Trial(row, {"top1": 1.0}))
        assert len(plain(tmp_path / "study").trials) == index + 1


def test_several_studies_share_a_file_and_nothing_else(tmp_path: Path) -> None:
    first = filled(tmp_path / "study", 3, "first")
    second = StudyHistory(tmp_path / "study", "second", SPACE)
    assert len(second) == 0
    second.add(Trial(rows(1)[0], {"top1": 5.0}))
    first.add(Trial(rows(9, seed=1)[8], {"top1": 9.0}))
    assert_equal(first, StudyHistory(tmp_path / "study", "first", SPACE))
    assert_equal(second, StudyHistory(tmp_path / "study", "second", SPACE))
    assert (len(first), len(second)) == (4, 1)


def test_a_write_that_was_killed_in_the_middle_is_mended_wherever_it_stopped(tmp_path: Path) -> None:
    whole = filled(tmp_path / "study")
    content = (tmp_path / "study").read_bytes()
    last = content[: len(content) - 1].rfind(b"\n") + 1
    assert b'"op_code":4' in content[last:], "the last line is one whole trial"
    for cut in (last, last + 1, last + 20, (last + len(content)) // 2, len(content) - 2, len(content) - 1):
        (tmp_path / "study").write_bytes(content[:cut])
        mended = StudyHistory(tmp_path / "study", "main", SPACE)
        assert len(mended) == 5, cut
        mended.add(whole.trials[5])
        assert_equal(whole, mended)
        assert_equal(whole, StudyHistory(tmp_path / "study", "main", SPACE))
        assert len(plain(tmp_path / "study").trials) == 6


def test_a_file_of_which_only_a_beginning_of_the_first_line_was_written_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "study").write_bytes(b'{"op_code":0,"wor')
    assert len(filled(tmp_path / "study")) == 6
    assert len(StudyHistory(tmp_path / "study", "main", SPACE)) == 6


@pytest.mark.parametrize("kind", ["symbolic link", "file"])
def test_the_lock_of_a_killed_process_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    whole = filled(tmp_path / "study")
    lock = tmp_path / "study.lock"
    if kind == "file":
        lock.touch()
    else:
        lock.symlink_to(tmp_path / "study")

    def wait(_: float) -> NoReturn:
        raise AssertionError("somebody waits for a lock")

    patient = SimpleNamespace(monotonic=__import__("time").monotonic, sleep=wait)
    monkeypatch.setattr("optuna.storages.journal._file.time", patient)
    opened = StudyHistory(tmp_path / "study", "main", SPACE)
    assert_equal(whole, opened)
    opened.add(Trial(rows(1)[0], {"top1": 1.0}))
    assert not os.path.lexists(lock)


@pytest.mark.parametrize(
    "content", [b"garbage\n", b"\x00\x01\x02\n\xff\n", b'{"a": 1}\n', b"[]\n", b'{"op_code": 4, "study_id": 7}\n']
)
def test_a_file_that_is_no_study_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "study").write_bytes(content)
    with pytest.raises(NasError, match=r"study .*study cannot be read"):
        StudyHistory(tmp_path / "study", "main", SPACE)


def test_a_line_damaged_in_the_middle_is_no_study_either(tmp_path: Path) -> None:
    filled(tmp_path / "study")
    lines = (tmp_path / "study").read_bytes().split(b"\n")
    for damaged in (0, 2, len(lines) - 2):
        changed = [line[:10] + b"#" + line[11:] if index == damaged else line for index, line in enumerate(lines)]
        changed[damaged] = changed[damaged].replace(b'"', b"'")
        (tmp_path / "study").write_bytes(b"\n".join(changed))
        with pytest.raises(NasError, match="cannot be read"):
            StudyHistory(tmp_path / "study", "main", SPACE)


def test_trials_of_another_program_are_refused(tmp_path: Path) -> None:
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study")))
    study = optuna.create_study(study_name="main", storage=storage)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(NasError, match=r"trial 0 was not written by this program"):
        StudyHistory(tmp_path / "study", "main", SPACE)


def test_the_study_of_another_space_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "study")
    with pytest.raises(NasError):
        StudyHistory(tmp_path / "study", "main", SearchSpace("other", decisions()))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(NasError, match=r"cannot write .*study"):
        StudyHistory(tmp_path / "missing" / "study", "main", SPACE)


def test_a_full_disk_is_said_to_be_full_and_the_trial_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = filled(tmp_path / "study")

    def full(*_: Any) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(NasError, match="disk is full"):
            history.add(Trial(rows(1)[0], {"top1": 1.0}))
    assert len(history) == 6
