"""Sorting by fronts against the definition, NSGA-II on arrays against pymoo, and aging evolution on a table."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tiny_search import conditional_decisions, decisions, linear

from nas.base.errors import NasError
from nas.searching import ArrayHistory, Problem, search
from nas.searching.arrays import TableProblem, aging, best, crowding, fronts, nsga2
from nas.searching.strategies.aging import Aging

VALUES = st.integers(1, 3).flatmap(
    lambda objectives: arrays(np.float64, st.tuples(st.integers(1, 30), st.just(objectives)), elements=st.integers(-3, 3))
)


def beats(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((one >= other).all() and (one > other).any())


def peeled(values: np.ndarray) -> list[int]:
    """Fronts by the definition: what nothing left dominates, again and again."""
    ranks, left, rank = [-1] * len(values), set(range(len(values))), 0
    while left:
        front = {i for i in left if not any(beats(values[j], values[i]) for j in left)}
        for member in front:
            ranks[member] = rank
        left -= front
        rank += 1
    return ranks


@given(values=VALUES)
def test_fronts_are_those_of_the_definition(values: np.ndarray) -> None:
    assert fronts(values).tolist() == peeled(values)


def test_failures_are_behind_everything() -> None:
    values = np.array([[-np.inf, -np.inf], [0.0, 1.0], [-np.inf, -np.inf], [1.0, 0.0]])
    assert fronts(values).tolist() == [1, 0, 1, 0]
    assert set(best(values, 2).tolist()) == {1, 3}


def test_crowding_is_that_of_the_paper() -> None:
    """One front of five, and one of two: the ends are infinite, the others have the scaled distance of their neighbours."""
    values = np.array([[0.0, 10.0], [1.0, 8.0], [4.0, 7.0], [9.0, 2.0], [10.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    ranks = np.array([0, 0, 0, 0, 0, 1, 1])
    expected = [np.inf, 0.4 + 0.3, 0.8 + 0.6, 0.6 + 0.7, np.inf, np.inf, np.inf]
    np.testing.assert_allclose(crowding(values, ranks), expected)
    assert best(values, 4).tolist() == [0, 4, 2, 3]


def test_crowding_is_pymoo_s() -> None:
    from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance

    values = np.random.default_rng(0).random((40, 3))
    ranks = fronts(values)
    for rank in range(ranks.max() + 1):
        front = values[ranks == rank]
        found = crowding(values, ranks)[ranks == rank]
        # pymoo divides by the number of objectives.
        np.testing.assert_allclose(found / 3, calc_crowding_distance(-front))


def test_nsga2_keeps_what_is_legal_and_distinct_and_finds_the_front() -> None:
    space = decisions(genes=6, options=3)
    everything = np.array(list(itertools.product(range(3), repeat=6)), dtype=np.uint8)

    def measure(rows: np.ndarray) -> np.ndarray:
        return np.stack([linear(rows), -rows.sum(axis=1).astype(float)], axis=1)

    def legal(rows: np.ndarray) -> np.ndarray:
        return np.asarray(rows[:, 0] != 1)

    rng = np.random.default_rng(0)
    start = everything[rng.permutation(np.flatnonzero(everything[:, 0] != 1))[:40]]
    rows, values = nsga2(space, measure, start, rng, 40, legal)
    assert len(rows) == len(np.unique(rows, axis=0)) == 40
    assert (rows[:, 0] != 1).all()
    np.testing.assert_array_equal(values, measure(rows))
    kept = everything[everything[:, 0] != 1]
    true = {tuple(row) for row in measure(kept)[fronts(measure(kept)) == 0].round(9)}
    found = {tuple(row) for row in values[fronts(values) == 0].round(9)}
    assert len(true & found) >= 0.8 * min(len(true), 40)
    again, _ = nsga2(space, measure, start, np.random.default_rng(1), 5, legal)
    same, _ = nsga2(space, measure, start, np.random.default_rng(1), 5, legal)
    np.testing.assert_array_equal(again, same)


def table(genes: int = 4, options: int = 4) -> TableProblem:
    space = decisions(genes, options)
    everything = np.array(list(itertools.product(range(options), repeat=genes)), dtype=np.uint8)
    return TableProblem(space, linear(everything))


@pytest.mark.parametrize(("seed", "population", "sample"), [(0, 50, 10), (1, 12, 4), (2, 5, 5)])
def test_a_search_on_a_table_is_the_strategy_s(seed: int, population: int, sample: int) -> None:
    """The very same architectures in the same order, up to the exhaustion of the space."""
    known = table()
    history = ArrayHistory(4)
    strategy = Aging(Problem(known.decisions), seed, population, sample)
    search(strategy, history, lambda row: {"top1": float(linear(row[None])[0])}, 300)
    found = aging(known, seed, 300, population, sample)
    np.testing.assert_array_equal(found, known.numbers(history.rows()))
    assert len(found) == len(set(found.tolist())) == 256


def test_a_table_must_fit_its_decisions() -> None:
    with pytest.raises(NasError, match="needs decisions that always matter"):
        TableProblem(conditional_decisions(), np.zeros(72))
    with pytest.raises(NasError, match=r"table of 256 architectures needs as many figures"):
        TableProblem(decisions(4, 4), np.zeros(255))
