"""Warm starts and filters by proxies, in front of every strategy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strategy_options import FAST, SMALL
from tiny_search import Scores, at_most, conditional_decisions, decisions, distinct, linear

from nas.base.errors import NasError
from nas.searching import (
    ArrayHistory,
    Filter,
    FilterOfRows,
    Problem,
    ProxyEvaluator,
    Strategy,
    WarmStart,
    WarmStartAsked,
    make_strategy,
    open_strategy,
    parse_filter,
    parse_warm_start,
    search,
)
from nas.searching.filters import distinct_sample
from nas.searching.history import REFUSED

PROBLEM = Problem(decisions(genes=6, options=3), (at_most(9),))
SCORES: Any = Scores()
HALF = Filter("plus", True, share=0.5)


def sample(count: int, problem: Problem = PROBLEM) -> np.ndarray:
    return distinct_sample(problem, np.random.default_rng(7), count)


def made(name: str, problem: Problem = PROBLEM) -> Strategy:
    return make_strategy(name, open_strategy(name), problem, 3, SMALL.get(name))


def evaluate(row: np.ndarray, fidelity: float = 1.0) -> dict[str, float]:
    return {"top1": float(linear(row[None])[0]) + (1 - fidelity) * float(row[0])}


def run(name: str, evaluations: float, history: ArrayHistory | None = None) -> ArrayHistory:
    """The four best of twenty first, and only the better half."""
    history = ArrayHistory(6) if history is None else history
    ranked = WarmStartAsked("plus", True, 4, 20).ranked(sample(20), SCORES)
    search(WarmStart(made(name), ranked, 4), history, evaluate, evaluations, refuse=FilterOfRows(HALF, SCORES, sample(64)))  # type: ignore[arg-type]
    return history


def beginning(whole: ArrayHistory, count: int) -> ArrayHistory:
    left = ArrayHistory(6)
    for index in range(count):
        left.extend(whole.rows(index)[:1], whole.values(index)[:1], float(whole.fidelities(index)[0]))
    return left


@pytest.mark.parametrize("name", FAST)
def test_behind_both_every_strategy_goes_on_identically_and_proposes_nothing_twice(name: str) -> None:
    whole = run(name, 16)
    evaluated = whole.fidelities() > REFUSED
    assert 15 < whole.fidelities().sum() <= 16 + 1e-9 and not evaluated.all()
    for count in (2, 5, len(whole) // 2, len(whole) - 1):
        again = run(name, 16, beginning(whole, count))
        np.testing.assert_array_equal(again.rows(), whole.rows())
        np.testing.assert_array_equal(again.values(), whole.values())
    pairs = np.column_stack([whole.rows(), np.round(whole.fidelities() * 1000)])
    assert distinct(pairs) == len(whole)
    assert distinct(whole.rows()[~evaluated]) == (~evaluated).sum()


@pytest.mark.parametrize("name", ["random", "aging", "predictor", "hyperband", "optuna:tpe"])
def test_the_first_evaluations_are_the_best_of_the_sample(name: str) -> None:
    rows = sample(30)
    scores = SCORES.scores(rows, ["plus"])[:, 0]
    expected = rows[np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")]
    history, asked = ArrayHistory(6), WarmStartAsked("plus", True, 5, 30)
    search(WarmStart(made(name), asked.ranked(rows, SCORES), 5), history, evaluate, 5 if name != "hyperband" else 1)
    np.testing.assert_array_equal(history.rows()[:5], expected[:5])
    less = WarmStartAsked("plus", False, 5, 30).ranked(rows, SCORES)
    assert SCORES.scores(less[:1], ["plus"])[0, 0] == np.nanmin(scores)


@pytest.mark.parametrize("name", [name for name in FAST if not name.startswith("optuna")])
def test_a_space_is_still_exhausted_behind_a_warm_start(name: str) -> None:
    """40 architectures, of which the whole sample may be proposed again by the strategy itself."""
    problem = Problem(conditional_decisions(), (at_most(20),))
    history = ArrayHistory(4)
    ranked = sample(300, problem)
    assert len(ranked) == 40
    search(WarmStart(made(name, problem), ranked, 6), history, lambda row, fidelity=1.0: {"top1": float(row.sum())}, 100)
    assert distinct(history.rows()) == 40
    full = history.fidelities() == 1.0
    assert distinct(history.rows()[full]) == full.sum()


def test_a_filter_keeps_its_share_of_random_architectures_and_says_why_it_refuses() -> None:
    rows = sample(200)
    scores = SCORES.scores(rows, ["plus"])[:, 0]
    found = FilterOfRows(HALF, SCORES, rows)
    kept = np.array([found(row) is None for row in rows])
    assert kept.sum() == round(0.5 * len(rows))
    assert scores[kept].min() == found.limit > np.nanmax(scores[~kept])
    without = rows[np.isnan(scores)][0]
    assert found(without) == "proxy 'plus' is not defined for it: five"
    assert "below the limit of the filter" in str(found(rows[np.nanargmin(scores)]))
    less = FilterOfRows(Filter("plus", False, share=0.25), SCORES, rows)
    assert less(rows[np.nanargmin(scores)]) is None and "above" in str(less(rows[np.nanargmax(scores)]))
    fixed = FilterOfRows(Filter("plus", True, limit=float(np.nanmedian(scores))), SCORES, rows)
    assert fixed.limit == np.nanmedian(scores)
    with pytest.raises(NasError, match=r"refuses 200 of 200 random architectures; their scores: minimum .* maximum"):
        FilterOfRows(Filter("plus", True, limit=1e9), SCORES, sample(900)[:200])


def test_what_is_refused_is_recorded_and_costs_nothing() -> None:
    asked: list[bytes] = []

    def counting(row: np.ndarray) -> dict[str, float]:
        asked.append(row.tobytes())
        return evaluate(row)

    history = ArrayHistory(6)
    search(made("random"), history, counting, 30, refuse=lambda row: "odd" if row.sum() % 2 else None)  # type: ignore[arg-type]
    refused = history.fidelities() == REFUSED
    np.testing.assert_array_equal(refused, history.rows().sum(axis=1) % 2 == 1)
    assert len(asked) == 30 == (~refused).sum() and refused.sum() > 5
    assert np.isneginf(history.values()[refused]).all()
    with pytest.raises(NasError, match="the filter refused the first"):
        search(made("local", Problem(decisions(20, 4))), ArrayHistory(20), evaluate, 5, refuse=lambda row: "never")


def test_scores_stand_beside_what_an_evaluation_finds_and_fail_before_it() -> None:
    rows = sample(60)
    none = rows[rows.sum(axis=1) % 5 == 0][0]
    some = rows[rows.sum(axis=1) % 5 != 0][0]
    alone = ProxyEvaluator(SCORES, ["plus", "minus"])
    assert alone(some)["plus"] == -alone(some)["minus"]
    with pytest.raises(NasError, match="full evaluations only"):
        alone(some, fidelity=0.5)
    beside = ProxyEvaluator(SCORES, ["plus"], lambda row, fidelity=1.0: {"top1": fidelity})
    assert beside(some, fidelity=0.5) == {"top1": 0.5, "plus": alone(some)["plus"]}
    with pytest.raises(ValueError, match="'plus' is not defined for it: five"):
        ProxyEvaluator(SCORES, ["plus"], lambda row: pytest.fail("it was evaluated"))(none)


def test_how_they_are_written() -> None:
    assert parse_filter("naswot:0.5") == Filter("naswot", True, share=0.5)
    assert parse_filter("zen:min:0.25") == Filter("zen", False, share=0.25)
    assert parse_filter("synflow >= 1e2") == Filter("synflow", True, limit=100.0)
    assert parse_filter("l2<=-3") == Filter("l2", False, limit=-3.0)
    assert parse_warm_start("naswot") == WarmStartAsked("naswot", True, 10, 100)
    assert parse_warm_start("zen:min:3/20") == WarmStartAsked("zen", False, 3, 20)
    for text in ("naswot", "naswot:half", "naswot:0.99", "naswot:up:0.5", "naswott:0.5", "naswot>=x", "naswot:max:0.5:1"):
        with pytest.raises(NasError, match=r"NAME:SHARE|between|Did you mean"):
            parse_filter(text)
    for text in ("naswot:3", "naswot:5/4", "naswot:0/4", "naswott", "naswot:max:3/20:1"):
        with pytest.raises(NasError, match=r"COUNT/SAMPLE|best 1 to|Did you mean"):
            parse_warm_start(text)
