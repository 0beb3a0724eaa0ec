"""Strategies: what they propose, and that it is a function of the history and the seed."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_search import at_most, conditional_decisions, copied, decisions, distinct, linear, problem, run, told

from nas.architectures import Decisions
from nas.base.errors import NasError
from nas.searching import ArrayHistory, Objective, Problem, Strategy, Trial, open_strategy
from nas.searching.strategies.evolution import Evolution
from nas.searching.strategies.random_search import RandomSearch

BOTH = pytest.mark.parametrize("kind", [Evolution, RandomSearch])


def hamming(child: np.ndarray, others: np.ndarray) -> int:
    return int((others != child).sum(axis=1).min())


def two_parents_explain(child: np.ndarray, parents: np.ndarray) -> bool:
    pairs = itertools.combinations_with_replacement(parents, 2)
    return any(((child == first) | (child == second)).all() for first, second in pairs)


# What every strategy owes.


@BOTH
def test_ten_generations_repeat_nothing_and_keep_every_bound(kind: Any) -> None:
    bounds = (at_most(24), at_most(22))
    history = run(kind(problem(*bounds), 0), 500)
    assert len(history) == 500
    assert distinct(history.rows()) == 500
    assert (history.rows().sum(axis=1) <= 22).all()
    assert history.rows().max() == 3


@BOTH
def test_what_is_proposed_is_canonical(kind: Any) -> None:
    space = conditional_decisions()
    rows = kind(Problem(space), 0).ask(ArrayHistory(4))
    np.testing.assert_array_equal(rows, space.canonical(rows))


@BOTH
@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 99, 100, 237])
def test_asking_twice_gives_the_same_and_a_fresh_strategy_the_very_rest(kind: Any, count: int) -> None:
    whole = run(kind(problem(at_most(26)), 5), 250)
    part = copied(whole, count)
    fresh = kind(problem(at_most(26)), 5)
    rest = whole.rows()[count : (count // 50 + 1) * 50]
    for _ in range(3):
        np.testing.assert_array_equal(fresh.ask(part), rest)


@BOTH
def test_one_strategy_may_be_asked_about_several_histories(kind: Any) -> None:
    """What it remembers of one history does not colour what it says of another."""
    first = run(kind(problem(), 0), 150)
    second = told(first.rows()[:100][::-1], linear(first.rows()[:100][::-1]) * -1)
    strategy = kind(problem(), 0)
    expected = [kind(problem(), 0).ask(history) for history in (second, first, second)]
    for history, rows in zip((second, first, second), expected, strict=True):
        np.testing.assert_array_equal(strategy.ask(history), rows)


@BOTH
def test_what_is_in_another_history_may_still_be_proposed_in_this_one(kind: Any) -> None:
    """81 architectures: after 50 of them exactly the 31 others are left, whichever 50 those were."""
    small = Problem(decisions(genes=4, options=3))
    strategy = kind(small, 0)
    for seed in (1, 2):
        history = run(RandomSearch(small, seed), 50)
        left = run(strategy, 81, history).rows()[50:]
        assert distinct(history.rows()) == 81
        assert len(left) == 31


@BOTH
def test_another_seed_proposes_something_else(kind: Any) -> None:
    empty = ArrayHistory(20)
    assert not np.array_equal(kind(problem(), 0).ask(empty), kind(problem(), 1).ask(empty))


@BOTH
@given(cardinalities=st.lists(st.integers(1, 4), min_size=1, max_size=3), seed=st.integers(0, 100))
def test_a_small_space_is_proposed_whole_and_then_nothing(kind: Any, cardinalities: list[int], seed: int) -> None:
    from nas.choices import Choice

    space = Decisions([Choice(f"c{index}", tuple(range(count))) for index, count in enumerate(cardinalities)])
    strategy = kind(Problem(space), seed)
    history = run(strategy, 10_000)
    assert len(history) == distinct(history.rows()) == space.size
    assert strategy.ask(history).shape == (0, len(space))


@BOTH
def test_a_small_space_with_conditions_and_bounds_is_proposed_whole(kind: Any) -> None:
    space = conditional_decisions()
    everything = np.array(list(itertools.product(*map(range, space.cardinalities))), dtype=np.uint8)
    legal = np.unique(space.canonical(np.asfortranarray(everything)), axis=0)
    assert len(legal) == space.size == 40
    history = run(kind(Problem(space), 0), 10_000)
    np.testing.assert_array_equal(np.unique(history.rows(), axis=0), legal)
    assert len(history) == 40
    bounded = run(kind(Problem(space, (at_most(3),)), 0), 10_000)
    kept = legal[legal.sum(axis=1) <= 3]
    np.testing.assert_array_equal(np.unique(bounded.rows(), axis=0), kept)
    assert len(bounded) == len(kept)


@BOTH
def test_bounds_that_nothing_keeps_are_an_error_with_the_figures_of_the_space(kind: Any) -> None:
    with pytest.raises(NasError, match=r"no architecture keeps the bound: sum <= -1.*minimum 0"):
        kind(problem(at_most(-1)), 0).ask(ArrayHistory(20))


def test_both_are_installed_under_their_names() -> None:
    assert open_strategy("evolution") is Evolution
    assert open_strategy("random") is RandomSearch
    with pytest.raises(NasError, match=r"unknown strategy 'evolutoin'; legal: .*evolution"):
        open_strategy("evolutoin")


@pytest.mark.parametrize("strategy", [Evolution(problem(), 0), RandomSearch(problem(), 0)])
def test_the_first_proposal_is_uniform(strategy: Strategy) -> None:
    """1000 genes, four options: chi-square below the 99.9 % quantile of three degrees of freedom, 16.3."""
    rows = strategy.ask(ArrayHistory(20))
    assert rows.shape == (50, 20)
    observed = np.bincount(rows.ravel(), minlength=4)
    assert ((observed - 250) ** 2 / 250).sum() < 16.3


# Evolution.


def test_evolution_has_the_figures_of_the_paper() -> None:
    strategy = Evolution(problem(), 0)
    assert (strategy.population, strategy.parents, strategy.mutation, strategy.tries) == (50, 10, 0.1, 10)


def elite_and_others(seed: int = 0) -> tuple[np.ndarray, np.ndarray, ArrayHistory]:
    """100 evaluations; the ten best, anywhere among them, have genes 0 and 1, all others 2 and 3."""
    rng = np.random.default_rng(seed)
    elite = rng.integers(0, 2, (10, 20)).astype(np.uint8)
    rows = rng.integers(2, 4, (100, 20)).astype(np.uint8)
    places = rng.permutation(100)[:10]
    rows[places] = elite
    scores = rng.random(100)
    scores[places] += 10
    return elite, rows, told(rows, scores)


@pytest.mark.parametrize("seed", range(5))
def test_half_of_a_generation_are_mutants_of_the_ten_best(seed: int) -> None:
    elite, _, history = elite_and_others(seed)
    mutants = Evolution(problem(), seed).ask(history)[:25]
    distances = [hamming(child, elite) for child in mutants]
    # A gene is drawn anew with probability 0.1 and changes in three of four draws: 1.5 genes of 20, and never none.
    assert min(distances) >= 1
    assert max(distances) <= 8
    assert 1.1 < np.mean(distances) < 2.6
    # New genes come from all options.
    assert {int(gene) for child in mutants for gene in child} == {0, 1, 2, 3}


@pytest.mark.parametrize("seed", range(5))
def test_half_of_a_generation_are_crosses_of_two_of_the_ten_best(seed: int) -> None:
    elite, _, history = elite_and_others(seed)
    crosses = Evolution(problem(), seed).ask(history)[25:]
    assert crosses.shape == (25, 20)
    for child in crosses:
        assert (child == elite).any(axis=0).all()
        assert two_parents_explain(child, elite)
        assert hamming(child, elite) > 0


def test_crosses_take_each_gene_from_either_parent_equally_often() -> None:
    zeros, ones = np.zeros((1, 20), dtype=np.uint8), np.ones((1, 20), dtype=np.uint8)
    filler = np.random.default_rng(0).integers(2, 4, (48, 20)).astype(np.uint8)
    history = told(np.concatenate([zeros, filler, ones]), [5.0, *[0.0] * 48, 5.0])
    crosses = Evolution(problem(), 0, parents=2).ask(history)[25:]
    assert set(np.unique(crosses)) == {0, 1}
    assert 0.4 < crosses.mean() < 0.6


def test_every_one_of_the_ten_best_breeds() -> None:
    elite, _, history = elite_and_others()
    mutants = np.concatenate([Evolution(problem(), seed).ask(history)[:25] for seed in range(6)])
    # 150 mutants: one of ten equally likely parents is missed with a probability of 1e-6.
    assert {int((elite != child).sum(axis=1).argmin()) for child in mutants} == set(range(10))


def test_parents_are_the_best_of_all_time_and_the_earlier_among_equals() -> None:
    rows = decisions().sample(np.random.default_rng(0), 50)
    children = Evolution(problem(), 0).ask(told(rows, [1.0] * 50))[25:]
    assert all(two_parents_explain(child, rows[:10]) for child in children)
    children = Evolution(problem(), 0).ask(told(rows, np.arange(50) % 2))[25:]
    assert all(two_parents_explain(child, rows[1:20:2]) for child in children)
    old_and_new = np.concatenate([rows, decisions().sample(np.random.default_rng(1), 50)])
    scores = np.zeros(100)
    best = [3, 7, 12, 44, 49, 50, 61, 62, 98, 99]
    scores[best] = 1.0
    strategy = Evolution(problem(), 0)
    strategy.ask(told(old_and_new[:50], scores[:50]))
    children = strategy.ask(told(old_and_new, scores))[25:]
    assert all(two_parents_explain(child, old_and_new[best]) for child in children)


def test_a_growing_history_is_ranked_like_one_read_at_once() -> None:
    grown = run(Evolution(problem(), 0), 400)
    np.testing.assert_array_equal(Evolution(problem(), 0).ask(copied(grown, 350)), grown.rows()[350:400])


def test_failures_do_not_breed() -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(2, 4, (50, 20)).astype(np.uint8)
    scores = np.full(50, -np.inf)
    rows[[4, 30, 41]] = rng.integers(0, 2, (3, 20))
    scores[[4, 30, 41]] = [-3.0, -1.0, -2.0]
    children = Evolution(problem(), 0).ask(told(rows, scores))
    assert all(two_parents_explain(child, rows[[4, 30, 41]]) for child in children[25:])


def test_a_generation_is_filled_up_at_random_where_breeding_finds_nothing_new() -> None:
    """Without mutation mutants are their parents, and crosses of equal parents are those parents."""
    rows = decisions().sample(np.random.default_rng(0), 50)
    rows[:10] = rows[0]
    children = Evolution(problem(), 0, mutation=0.0).ask(told(rows, np.arange(50)[::-1]))
    assert len(children) == distinct(children) == 50
    assert np.mean([hamming(child, rows[:1]) for child in children]) > 12


def test_bounded_children_are_bred_not_drawn() -> None:
    elite, _, history = elite_and_others()
    limit = float(elite.sum(axis=1).max())
    children = Evolution(problem(at_most(limit)), 0).ask(history)
    assert (children.sum(axis=1) <= limit).all()
    assert all(hamming(child, elite) <= 8 for child in children[:25])
    assert all(two_parents_explain(child, elite) for child in children[25:])


def test_evolution_finds_more_than_random_search_in_as_many_evaluations() -> None:
    best = {
        kind: np.mean([run(kind(problem(), seed), 500).scores().max() for seed in range(5)])
        for kind in (Evolution, RandomSearch)
    }
    # The best of all rows, and how far random search stays below it.
    optimum = np.random.default_rng(99).random((20, 256))[:, :4].max(axis=1).sum()
    assert best[Evolution] > optimum - 0.25 * (optimum - best[RandomSearch])


# Histories and problems.


def test_an_array_history_grows_without_forgetting() -> None:
    rows = decisions().sample(np.random.default_rng(0), 3000)
    history = ArrayHistory(20)
    for start in range(0, 3000, 700):
        part = rows[start : start + 700]
        history.extend(part, linear(part))
    assert len(history) == 3000
    np.testing.assert_array_equal(history.rows(), rows)
    np.testing.assert_array_equal(history.scores(), linear(rows))
    np.testing.assert_array_equal(history.rows(2990), rows[2990:])
    np.testing.assert_array_equal(history.scores(2990), linear(rows[2990:]))


@pytest.mark.parametrize(("direction", "sign"), [("maximize", 1.0), ("minimize", -1.0)])
def test_larger_scores_are_better_whatever_the_direction(direction: Any, sign: float) -> None:
    history = ArrayHistory(2, Objective("loss", direction))
    row = np.zeros(2, dtype=np.uint8)
    history.add(Trial(row, {"loss": 2.0, "top1": 70.0}))
    history.add(Trial(row, failure="it broke"))
    assert history.scores().tolist() == [sign * 2.0, -np.inf]


def test_legal_means_every_bound_is_kept() -> None:
    rows = np.array([[0, 0], [1, 1], [2, 1], [2, 2]], dtype=np.uint8)
    space = decisions(genes=2)
    assert Problem(space, (at_most(3), at_most(2))).legal(rows).tolist() == [True, True, False, False]
    assert Problem(space).legal(rows).all()
