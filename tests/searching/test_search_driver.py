"""Running a search: as many evaluations as asked, none twice, failures survived, kills survived."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_search import at_most, conditional_space, decisions, linear

from nas.architectures import SearchSpace
from nas.base.errors import NasError
from nas.base.progress import Silent
from nas.searching import ArrayHistory, History, Objective, Problem, StudyHistory, search
from nas.searching.driver import Known
from nas.searching.strategies.evolution import Evolution
from nas.searching.strategies.random_search import RandomSearch

SPACE = SearchSpace("toy", decisions(genes=6, options=3))
BOTH = pytest.mark.parametrize("kind", [Evolution, RandomSearch])


class Scoring:
    """Evaluates by the linear score and remembers what it was asked; breaks where it is told to."""

    def __init__(self, killed_at: int | None = None, failing: float = np.inf) -> None:
        self.asked: list[bytes] = []
        self.killed_at, self.failing = killed_at, failing

    def __call__(self, row: np.ndarray) -> Mapping[str, float]:
        if len(self.asked) == self.killed_at:
            raise KeyboardInterrupt
        self.asked.append(row.tobytes())
        score = float(linear(row[None])[0])
        if score > self.failing:
            raise RuntimeError(f"too good to be true: {score:.1f}")
        return {"top1": score, "loss": -score}


class Noting(Silent):
    def __init__(self) -> None:
        self.started: tuple[str, int, int] | None = None
        self.done: list[int] = []
        self.notes: list[str] = []
        self.finished = 0

    def start(self, title: str, total: int, done: int = 0) -> None:
        self.started = (title, total, done)

    def advance(self, done: int, note: str = "") -> None:
        self.done.append(done)
        self.notes.append(note)

    def finish(self) -> None:
        self.finished += 1


def strategy(kind: Any, seed: int = 0, space: SearchSpace = SPACE) -> Any:
    return kind(Problem(space.decisions, (at_most(8),)), seed)


def arrays() -> ArrayHistory:
    return ArrayHistory(len(SPACE.decisions))


def assert_same(first: History, second: History) -> None:
    np.testing.assert_array_equal(first.rows(), second.rows())
    np.testing.assert_array_equal(first.scores(), second.scores())


@BOTH
@pytest.mark.parametrize("evaluations", [1, 50, 73])
def test_it_stops_at_the_number_asked_for_and_reports_on_the_way(kind: Any, evaluations: int) -> None:
    history, scoring, reporter = arrays(), Scoring(), Noting()
    search(strategy(kind), history, scoring, evaluations, reporter, "looking")
    assert len(history) == len(scoring.asked) == evaluations
    assert reporter.started == ("looking", evaluations, 0)
    assert reporter.done == list(range(1, evaluations + 1))
    best = history.rows()[history.scores().argmax()]
    assert reporter.notes[-1] == f"best top1 {history.scores().max():.2f} %, sum {float(best.sum())}"
    assert reporter.finished == 1
    np.testing.assert_array_equal(history.scores(), linear(history.rows()))


@BOTH
def test_it_stops_where_the_space_is_exhausted(kind: Any) -> None:
    space = conditional_space()
    history, scoring = ArrayHistory(4), Scoring()
    search(kind(Problem(space.decisions), 0), history, scoring, 1000)
    assert len(history) == len(scoring.asked) == len(set(scoring.asked)) == space.size


@BOTH
def test_a_search_that_has_enough_evaluates_nothing(kind: Any) -> None:
    history = arrays()
    search(strategy(kind), history, Scoring(), 60)
    search(strategy(kind), history, Scoring(killed_at=0), 60)
    assert len(history) == 60


def test_searches_that_share_what_is_known_evaluate_nothing_twice() -> None:
    scoring, known = Scoring(), {}  # type: ignore[var-annotated]
    histories = []
    for kind, seed in ((Evolution, 0), (RandomSearch, 1), (Evolution, 0), (Evolution, 2)):
        history = arrays()
        search(strategy(kind, seed), history, scoring, 150, known=known)
        histories.append(history)
        np.testing.assert_array_equal(history.scores(), linear(history.rows()))
    assert len(scoring.asked) == len(set(scoring.asked)) == len(known) < 450
    assert known[scoring.asked[0], 1.0]["top1"] == histories[0].scores()[0]
    assert_same(histories[0], histories[2])


def test_a_failing_evaluation_is_recorded_and_the_search_goes_on(tmp_path: Path) -> None:
    history = StudyHistory(tmp_path / "study", "main", SPACE)
    search(strategy(Evolution), history, Scoring(failing=3.5), 60)
    assert len(history) == 60
    too_good = linear(history.rows()) > 3.5
    assert 0 < too_good.sum() < 60
    for trial, failed in zip(history.trials, too_good, strict=True):
        assert (trial.failure is not None) == failed
        if failed:
            assert str(trial.failure).startswith("RuntimeError: too good to be true: ")
            assert trial.metrics == {}
    assert (np.isneginf(history.scores()) == too_good).all()


def test_what_failed_is_not_evaluated_again() -> None:
    known: Known = {}
    first, second = Scoring(failing=3.5), Scoring(failing=3.5)
    for seed, scoring in enumerate((first, second)):
        search(strategy(RandomSearch, seed), arrays(), scoring, 60, known=known)
    assert sum(isinstance(found, str) for found in known.values()) > 5
    assert not set(first.asked) & set(second.asked)
    assert len(known) == len(first.asked) + len(second.asked) < 120


@pytest.mark.parametrize("error", [RuntimeError, ValueError, ZeroDivisionError, IndexError, AssertionError, MemoryError])
def test_where_everything_fails_the_search_ends_after_a_batch_with_an_error(error: type[Exception]) -> None:
    def fail(_: np.ndarray) -> Mapping[str, float]:
        raise error("broken")

    history, reporter = arrays(), Noting()
    with pytest.raises(NasError, match="every evaluation so far has failed"):
        search(strategy(Evolution), history, fail, 500, reporter)
    assert len(history) == 50
    assert reporter.finished == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_an_objective_that_is_no_finite_number_is_a_failure(tmp_path: Path, value: float) -> None:
    history = StudyHistory(tmp_path / "study", "main", SPACE)
    calls = iter([1.0, value, *[2.0] * 100])
    search(strategy(RandomSearch), history, lambda _: {"top1": next(calls)}, 10)
    assert [trial.failure for trial in history.trials] == [None, f"top1 is {value}", *[None] * 8]
    assert history.scores().tolist() == [1.0, -np.inf, *[2.0] * 8]


@pytest.mark.parametrize("error", [NasError, KeyboardInterrupt])
def test_other_errors_are_not_swallowed(error: type[BaseException]) -> None:
    def fail(_: np.ndarray) -> Mapping[str, float]:
        raise error("broken")

    history, reporter = arrays(), Noting()
    with pytest.raises(error):
        search(strategy(Evolution), history, fail, 10, reporter)
    assert len(history) == 0
    assert reporter.finished == 1


@BOTH
def test_a_search_that_was_killed_again_and_again_equals_the_uninterrupted_one(tmp_path: Path, kind: Any) -> None:
    whole = StudyHistory(tmp_path / "whole", "main", SPACE)
    search(strategy(kind), whole, Scoring(failing=4.2), 130)
    assert 0 < np.isneginf(whole.scores()).sum() < 40
    path = tmp_path / "killed"
    for survived in (1, 17, 32, 5, 49):
        with pytest.raises(KeyboardInterrupt):
            search(strategy(kind), StudyHistory(path, "main", SPACE), Scoring(survived, failing=4.2), 130)
    resumed, scoring, reporter = StudyHistory(path, "main", SPACE), Scoring(failing=4.2), Noting()
    assert len(resumed) == 1 + 17 + 32 + 5 + 49
    search(strategy(kind), resumed, scoring, 130, reporter)
    assert reporter.started == ("searching", 130, 104)
    assert len(scoring.asked) == 26
    assert_same(whole, resumed)
    assert [trial.metrics for trial in whole.trials] == [trial.metrics for trial in resumed.trials]
    assert_same(whole, StudyHistory(path, "main", SPACE))


@BOTH
def test_a_longer_search_begins_like_a_shorter_one(kind: Any) -> None:
    short, long = arrays(), arrays()
    search(strategy(kind), short, Scoring(), 60)
    search(strategy(kind), short, Scoring(), 130)
    search(strategy(kind), long, Scoring(), 130)
    assert_same(short, long)


def test_both_bodies_of_a_history_lead_to_the_same_search(tmp_path: Path) -> None:
    on_disk, in_memory = StudyHistory(tmp_path / "study", "main", SPACE), arrays()
    for history in (on_disk, in_memory):
        search(strategy(Evolution), history, Scoring(), 120)
    assert_same(on_disk, in_memory)


def test_a_figure_may_be_minimised() -> None:
    objective = Objective("loss", "minimize")
    history = ArrayHistory(6, objective)
    search(Evolution(Problem(SPACE.decisions, objectives=(objective,)), 0), history, Scoring(), 200)
    everything = np.array(np.meshgrid(*[range(3)] * 6)).reshape(6, -1).T
    assert history.scores().max() >= np.sort(linear(everything))[-3]
