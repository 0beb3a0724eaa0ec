"""Every installed strategy goes on, after any interruption, as if there had been none; and what else every one owes."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from tiny_search import SMALL, at_most, conditional_decisions, distinct, linear

from nas.base.errors import NasError
from nas.searching import (
    ArrayHistory,
    Objective,
    Problem,
    Strategy,
    Trial,
    make_strategy,
    open_strategy,
    search,
    strategy_names,
)

SLOW = "optuna:gp"
"""Thinks for a second about each architecture."""

CHEAP = Objective("sum", "minimize", lambda rows: rows.sum(axis=1).astype(float))


def names() -> list[str]:
    """Every strategy that searches any decisions, where its package is there."""
    found = [name for name in strategy_names() if name not in ("deepmad", "derived")]
    return [name for name in found if name != "optuna:cmaes" or importlib.util.find_spec("cmaes")]


FAST = [name for name in names() if name != SLOW]


def problem(*objectives: Objective) -> Problem:
    from tiny_search import decisions

    return Problem(decisions(genes=6, options=3), (at_most(9),), objectives or (Objective("top1"),))


def made(name: str, seed: int = 3, given: Problem | None = None) -> Strategy:
    return make_strategy(name, open_strategy(name), given or problem(), seed, SMALL.get(name))


def evaluate(row: np.ndarray, fidelity: float = 1.0) -> dict[str, float]:
    """Noisier with less fidelity, and every seventh architecture fails."""
    if int(row.sum()) % 7 == 6:
        raise RuntimeError("it broke")
    return {"top1": float(linear(row[None])[0]) + (1 - fidelity) * float(row[0])}


def run(name: str, evaluations: int, history: ArrayHistory | None = None, given: Problem | None = None) -> ArrayHistory:
    given = given or problem()
    history = history if history is not None else ArrayHistory(6, given.objectives)
    search(made(name, given=given), history, evaluate, evaluations)
    return history


def part(whole: ArrayHistory, count: int) -> ArrayHistory:
    """The beginning of a history, as a killed search left it."""
    left = ArrayHistory(whole.rows().shape[1], whole.objectives)
    for index in range(count):
        left.extend(whole.rows(index)[:1], whole.values(index)[:1], float(whole.fidelities(index)[0]))
    return left


def assert_same(first: ArrayHistory, second: ArrayHistory) -> None:
    np.testing.assert_array_equal(first.rows(), second.rows())
    np.testing.assert_array_equal(first.values(), second.values())
    np.testing.assert_array_equal(first.fidelities(), second.fidelities())


@pytest.mark.parametrize("name", names())
def test_a_search_that_was_stopped_anywhere_goes_on_identically(name: str) -> None:
    evaluations = 6 if name == SLOW else 22
    whole = run(name, evaluations)
    assert whole.fidelities().sum() == pytest.approx(evaluations)
    middle = len(whole) // 2
    for count in [middle] if name == SLOW else [0, 1, middle, middle + 3, len(whole) - 1]:
        assert_same(run(name, evaluations, part(whole, count)), whole)


@pytest.mark.parametrize("name", FAST)
def test_a_search_stopped_after_every_evaluation_is_the_same(name: str) -> None:
    whole, history = run(name, 14), ArrayHistory(6)
    for count in range(len(whole)):
        strategy = made(name)
        rows, fidelity = strategy.ask(history), strategy.fidelity(history)
        np.testing.assert_array_equal(rows[0], whole.rows(count)[0])
        assert fidelity == whole.fidelities(count)[0]
        history.extend(rows[:1], whole.values(count)[:1], fidelity)


@pytest.mark.parametrize("name", FAST)
def test_nothing_is_proposed_twice_and_every_bound_is_kept(name: str) -> None:
    history = run(name, 40)
    assert (history.rows().sum(axis=1) <= 9).all()
    pairs = np.column_stack([history.rows(), np.round(history.fidelities() * 1000)])
    assert distinct(pairs) == len(history)


@pytest.mark.parametrize("name", FAST)
def test_asking_again_says_the_same_and_another_seed_something_else(name: str) -> None:
    history = run(name, 18)
    strategy = made(name)
    first = strategy.ask(history)
    np.testing.assert_array_equal(strategy.ask(history), first)
    whole = ArrayHistory(6)
    search(made(name, seed=4), whole, evaluate, 18)
    if name != "optuna:qmc":
        assert not np.array_equal(whole.rows()[:8], history.rows()[:8])


@pytest.mark.parametrize("name", FAST)
def test_one_object_may_be_asked_about_several_histories(name: str) -> None:
    first, second = run(name, 12), run(name, 17)
    strategy = made(name)
    expected = [made(name).ask(history) for history in (second, first, second)]
    for history, rows in zip((second, first, second), expected, strict=True):
        np.testing.assert_array_equal(strategy.ask(history), rows)


@pytest.mark.parametrize("name", FAST)
def test_a_small_space_is_exhausted_and_then_nothing_is_proposed(name: str) -> None:
    """40 architectures, whose kernels matter only from some depth on."""
    given = Problem(conditional_decisions(), (at_most(20),))
    history = ArrayHistory(4)
    strategy = made(name, given=given)
    search(strategy, history, lambda row, fidelity=1.0: {"top1": float(row.sum())}, 100)
    assert distinct(history.rows()) == 40
    np.testing.assert_array_equal(given.decisions.canonical(history.rows()), history.rows())
    assert not len(strategy.ask(history))


@pytest.mark.parametrize("name", [name for name in FAST if name != "optuna:cmaes"])
def test_two_objectives_one_of_them_cheap(name: str) -> None:
    given = problem(Objective("top1"), CHEAP)
    history = run(name, 24, given=given)
    finite = np.isfinite(history.values()).all(axis=1)
    np.testing.assert_array_equal(-history.values()[finite, 1], history.rows()[finite].sum(axis=1))
    assert_same(run(name, 24, part(history, len(history) // 2), given), history)


def test_a_trial_of_a_history_may_have_any_fidelity() -> None:
    history = ArrayHistory(6)
    history.add(Trial(np.zeros(6, dtype=np.uint8), {"top1": 1.0}, fidelity=0.25))
    assert history.fidelities().tolist() == [0.25]


@pytest.mark.parametrize("count", [0, 4])
def test_a_search_has_one_to_three_objectives(count: int) -> None:
    with pytest.raises(NasError, match=f"one to 3 objectives; given {count}"):
        problem_of = tuple(Objective(f"o{index}") for index in range(count))
        Problem(conditional_decisions(), objectives=problem_of)
