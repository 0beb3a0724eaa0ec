"""Strategies that follow a predictor: what each one proposes, and when it is not followed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm, rankdata
from tiny_search import at_most, conditional_decisions, decisions, linear, told

from nas.architectures import Encoding
from nas.base.errors import NasError
from nas.base.progress import Silent
from nas.base.seeds import generator
from nas.searching import ArrayHistory, Objective, Problem, Strategy, make_strategy, open_strategy, search
from nas.searching.arrays import evolve
from nas.searching.strategies.acquisition import acquire, log_improvement
from nas.searching.strategies.bananas import Bananas
from nas.searching.strategies.gain import by_gain
from nas.searching.strategies.guided import encoding_of, read_settings
from nas.searching.strategies.linas import Linas
from nas.searching.strategies.mutants import best_mutants
from nas.searching.strategies.npenas import Npenas
from nas.searching.strategies.predictor import PredictorGuided, listed

SPACE = decisions(genes=6, options=3)
FREE = Problem(SPACE)
EVERYTHING = np.asfortranarray(list(itertools.product(range(3), repeat=6)), dtype=np.uint8)
QUICK_ENSEMBLE = "epochs=3,folds=2,layers=2"
QUICK_GIN = "epochs=3,held_out=0"
CHEAP = Objective("sum", "minimize", lambda rows: rows.sum(axis=1).astype(float))


def hamming(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    found: np.ndarray = (others != one).sum(axis=1)
    return found


def known(count: int, seed: int = 0) -> ArrayHistory:
    """A history of distinct random rows with their linear scores."""
    rows = EVERYTHING[np.random.default_rng(seed).permutation(len(EVERYTHING))[:count]]
    return told(rows, linear(rows))


# Acquisition.


def test_the_expected_improvement_is_the_integral_and_keeps_its_order_far_below_the_best() -> None:
    for away in (-8.0, -1.001, -0.999, 0.0, 2.5):
        density = lambda u, away=away: u * np.exp(-0.5 * (u - away) ** 2) / np.sqrt(2 * np.pi)  # noqa: E731
        expected = np.log(quad(density, 0, 30, epsabs=0, points=[max(away, 0.01)])[0])
        assert log_improvement(np.array([away]))[0] == pytest.approx(expected, abs=1e-6)
    assert (np.diff(log_improvement(-np.geomspace(1e6, 1e-3, 2000))) > 0).all()


def test_a_higher_mean_is_better_in_every_acquisition_and_doubt_in_those_that_explore() -> None:
    rng = np.random.default_rng(0)
    mean = np.array([0.0, 0.5])
    for kind in ("ei", "ucb", "pi", "mean"):
        low, high = acquire(kind, mean, np.ones(2), 1.0, rng)
        assert high > low, kind
    for kind in ("ei", "ucb", "pi"):
        sure, unsure = acquire(kind, np.zeros(2), np.array([0.1, 1.0]), 1.0, rng)
        assert unsure > sure, kind
    drawn = acquire("its", np.full(4000, 2.0), np.full(4000, 3.0), 0.0, rng)
    assert drawn.mean() == pytest.approx(2.0, abs=0.3)
    assert drawn.std() == pytest.approx(3.0, rel=0.1)


def test_a_search_on_a_heavy_lower_tail_asks_the_same_as_on_ranks() -> None:
    """What is proposed depends on the order of the values alone."""
    history = known(14)
    steep = told(history.rows(), -np.exp(-3 * history.scores()))
    first, second = (PredictorGuided(FREE, 0, beginnings=14, batch=5).ask(one) for one in (history, steep))
    np.testing.assert_array_equal(first, second)


# The evolution on a predictor.


def test_children_of_the_evolution_descend_from_the_best_quarter() -> None:
    start = EVERYTHING[np.random.default_rng(1).permutation(len(EVERYTHING))[:40]]
    found, values = evolve(SPACE, linear, start, np.random.default_rng(0), generations=1, mutants=0.0)
    parents = start[np.argsort(-linear(start))[:10]]
    fresh = [row for row in found if not (row == start).all(axis=1).any()]
    assert len(fresh) > 5
    for row in fresh:
        assert any(((row == one) | (row == other)).all() for one, other in itertools.product(parents, parents))
    np.testing.assert_allclose(values, linear(found))
    assert (np.diff(values) <= 0).all()
    assert len(np.unique(found, axis=0)) == len(found)


def test_the_evolution_keeps_the_bounds_and_nears_the_best() -> None:
    wide = decisions(genes=12, options=4)
    bound = at_most(14)
    start = Problem(wide, (bound,)).sample(np.random.default_rng(0), 40)
    found, values = evolve(wide, linear, start, np.random.default_rng(0), generations=40, legal=bound.keeps)
    assert (found.sum(axis=1) <= 14).all()
    random = linear(Problem(wide, (bound,)).sample(np.random.default_rng(5), 40 * 41))
    assert values[0] > random.max()


def test_the_evolution_scores_each_architecture_once() -> None:
    asked: list[bytes] = []

    def measure(rows: np.ndarray) -> np.ndarray:
        asked.extend(row.tobytes() for row in rows)
        return linear(rows)

    found, _ = evolve(SPACE, measure, SPACE.sample(np.random.default_rng(0), 40), np.random.default_rng(0), generations=60)
    assert len(asked) == len(set(asked)) == len(found) < 60 * 40


def test_a_small_space_is_listed_and_a_large_one_is_not() -> None:
    rows = listed(conditional_decisions(), 100)
    assert rows is not None
    assert len(rows) == 40
    np.testing.assert_array_equal(conditional_decisions().canonical(rows), rows)
    assert listed(SPACE, 728) is None


# Predictor-guided evolution.


def test_a_batch_is_what_the_predictor_expects_most_of_in_a_listed_space() -> None:
    history = known(12)
    strategy = PredictorGuided(FREE, 0, beginnings=12, batch=4)
    found = strategy.ask(history)
    targets = norm.ppf((rankdata(history.scores()) - 0.5) / 12)
    predictor = strategy.unfitted(12)
    predictor.fit(history.rows(), targets)
    score = acquire("ei", *predictor.predict(EVERYTHING), targets.max(), np.random.default_rng(0))
    score[[int(np.flatnonzero((row == EVERYTHING).all(axis=1))[0]) for row in history.rows()]] = -np.inf
    np.testing.assert_array_equal(found, EVERYTHING[np.argsort(-score, kind="stable")[:4]])


def test_the_predictor_finds_the_best_of_729_in_few_evaluations() -> None:
    history = ArrayHistory(6)
    search(PredictorGuided(FREE, 0, batch=5), history, lambda row: {"top1": float(linear(row[None])[0])}, 35)
    assert history.scores().max() == pytest.approx(linear(EVERYTHING).max())


def test_in_a_large_space_the_evolution_proposes_and_the_bounds_hold() -> None:
    problem = Problem(decisions(genes=20, options=4), (at_most(25),))
    rows = problem.sample(np.random.default_rng(0), 60)
    history = told(rows, linear(rows))
    strategy = PredictorGuided(
        problem, 0, beginnings=60, batch=5, predictor="ridge-svr", settings="largest=2", population=30, generations=15, trust=-1
    )
    found = strategy.ask(history)
    assert problem.legal(found).all()
    assert linear(found).mean() > np.quantile(linear(problem.sample(np.random.default_rng(1), 2000)), 0.95)


def test_the_resolution_of_a_mutant_is_drawn_anew_half_of_the_time() -> None:
    dimensions = {name: "resolution" if name == "gene02" else "kernel" for name in SPACE.names}
    strategy = PredictorGuided(Problem(SPACE, dimensions=dimensions), 0)
    rows = np.zeros((6000, 6), dtype=np.uint8, order="F")
    changed = (strategy._mutate()(rows, np.random.default_rng(0)) != 0).mean(axis=0)
    # Of three options one is the old one.
    assert changed[2] == pytest.approx(0.5 * 2 / 3, abs=0.03)
    assert np.delete(changed, 2) == pytest.approx(0.1 * 2 / 3, abs=0.015)


@pytest.mark.parametrize("genes", [6, 12])
def test_several_objectives_propose_a_spread_of_what_is_predicted_best(genes: int) -> None:
    problem = Problem(decisions(genes, 3), (), (Objective("top1"), CHEAP))
    rows = problem.sample(np.random.default_rng(0), 40)
    history = ArrayHistory(genes, problem.objectives)
    history.extend(rows, np.stack([linear(rows), -rows.sum(axis=1)], axis=1))
    options = {"settings": "largest=2", "predictor": "ridge-svr", "population": 20, "generations": 10}
    found = PredictorGuided(problem, 0, beginnings=40, batch=8, trust=-1, **options).ask(history)
    assert len(found) == 8
    ratio = linear(found) - 0.4 * found.sum(axis=1)
    drawn = problem.sample(np.random.default_rng(1), 500)
    assert ratio.mean() > (linear(drawn) - 0.4 * drawn.sum(axis=1)).mean()
    assert np.ptp(found.sum(axis=1)) > 1


# When a predictor is not followed.


class Heard(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_a_predictor_of_noise_is_left_and_the_user_told() -> None:
    noise = lambda row: {"top1": float(generator(int.from_bytes(row.tobytes(), "big") % 2**32).random())}  # noqa: E731
    history, heard = ArrayHistory(6), Heard()
    strategy = PredictorGuided(FREE, 0, beginnings=40, batch=6, predictor="ridge-svr", settings="largest=1", trust=0.9)
    search(strategy, history, noise, 52, heard)
    assert len(heard.lines) == 1
    assert "Kendall tau" in heard.lines[0]
    assert "below 0.9" in heard.lines[0]
    best = history.rows()[np.argsort(-history.scores()[:40], kind="stable")[:10]]
    for row in history.rows()[40:46]:
        close = hamming(row, best).min() <= 2
        crossed = any(((row == one) | (row == other)).all() for one, other in itertools.product(best, best))
        assert close or crossed


def test_a_good_predictor_is_followed_without_a_word() -> None:
    strategy = PredictorGuided(FREE, 0, beginnings=40, batch=6)
    strategy.ask(known(40))
    assert strategy.remark() is None


def test_failures_are_left_out_and_too_few_successes_mean_random_ones() -> None:
    rows = EVERYTHING[np.random.default_rng(0).permutation(len(EVERYTHING))[:10]]
    scores = linear(rows)
    scores[:3] = -np.inf
    assert len(PredictorGuided(FREE, 0).ask(told(rows, scores))) == 2
    scores[:6] = -np.inf
    assert len(PredictorGuided(FREE, 0).ask(told(rows, scores))) == 2


# BANANAS, NPENAS and LINAS.


def test_candidates_are_mutants_of_the_best_and_of_the_next_where_those_run_out() -> None:
    history = known(30)
    strategy = Npenas(FREE, 0)
    ordered = history.rows()[np.argsort(-history.scores(), kind="stable")]
    few = best_mutants(strategy, history, 30, np.random.default_rng(0), 6, 1, 1.0)
    assert len(few) == 6
    assert hamming(ordered[0], few).mean() < 2.5
    many = best_mutants(strategy, history, 30, np.random.default_rng(0), 100, 10, 1.0)
    assert len(np.unique(many, axis=0)) == len(many) > 60
    known_keys = {row.tobytes() for row in history.rows()}
    assert not known_keys & {row.tobytes() for row in np.ascontiguousarray(many)}


def test_a_mutant_has_as_many_other_options_as_asked_for() -> None:
    """What is drawn anew may be the old option; the rate makes up for that."""
    rows = EVERYTHING[:1]
    found = np.concatenate(
        [
            best_mutants(Npenas(FREE, 0), told(rows, linear(rows)), 1, np.random.default_rng(seed), 40, 1, 1.5)
            for seed in range(40)
        ]
    )
    changes = hamming(rows[0], found)
    # The parent itself, a child in twelve at this rate, is no candidate; nor is a repeated one.
    assert 1.5 < changes.mean() < 2.2


def test_several_objectives_are_asked_for_all_along_the_front() -> None:
    """Not at its two ends, which crowding puts first."""
    problem = Problem(SPACE, (), (Objective("top1"), CHEAP))
    strategy = PredictorGuided(problem, 0)
    history = ArrayHistory(len(SPACE), problem.objectives)
    while len(history) < 40:
        rows = strategy.ask(history)
        history.extend(rows, np.stack([linear(rows) ** 0.5, -rows.sum(axis=1).astype(float)], axis=1))
    asked = history.rows(strategy.beginnings).sum(axis=1)
    ends = np.isin(asked, (0, 2 * len(SPACE)))
    assert ends.sum() <= 4
    assert len(np.unique(asked)) >= 8


def test_what_adds_most_to_a_front_is_chosen_first_and_once() -> None:
    known = np.array([[0.0, 10.0], [10.0, 0.0]])
    predicted = np.array([[1.0, 9.0], [6.0, 6.0], [6.1, 5.9], [3.0, 7.5], [0.0, 0.0]])
    assert by_gain(known, predicted, 2).tolist() == [1, 3]
    assert sorted(by_gain(known, predicted, 9).tolist()) == [0, 1, 2, 3, 4]


def test_bananas_evaluates_mutants_of_its_five_best_and_reads_paths() -> None:
    problem = Problem(SPACE, encoding=Encoding(SPACE, variants={"paths": lambda rows: rows.astype(float) ** 2}))
    strategy = Bananas(problem, 0, batch=4, settings=QUICK_ENSEMBLE)
    np.testing.assert_array_equal(strategy.encoding.features(EVERYTHING[:5]), EVERYTHING[:5].astype(float) ** 2)
    history = known(10)
    best = history.rows()[np.argsort(-history.scores())[:5]]
    assert np.mean([hamming(row, best).min() for row in strategy.ask(history)]) < 2.5
    assert encoding_of(FREE, "paths").variants == ("one-hot",)


def test_npenas_takes_the_candidates_that_are_predicted_best() -> None:
    history = known(20)
    strategy = Npenas(FREE, 0, batch=5, settings=QUICK_GIN)
    found = strategy.ask(history)
    again = Npenas(FREE, 0, batch=20, settings=QUICK_GIN)
    rng = generator(0, "npenas", 20)
    rows = best_mutants(again, history, 20, rng, 100, 10, again.changes)
    mean = strategy.fit(history, 20).predict(rows)[0]
    np.testing.assert_array_equal(found, rows[np.argsort(-mean, kind="stable")[:5]])


@pytest.mark.parametrize("several", [False, True])
def test_linas_evaluates_whole_populations_that_improve(several: bool) -> None:
    problem = Problem(decisions(10, 3), (), (Objective("top1"), CHEAP) if several else (Objective("top1"),))
    history = ArrayHistory(10, problem.objectives)
    strategy = Linas(problem, 0, population=20, inner=400, settings="largest=2")
    search(strategy, history, lambda row: {"top1": float(linear(row[None])[0])}, 60)
    sums = history.rows().sum(axis=1)
    worth = history.scores() - (0.4 * sums if several else 0.0)
    assert worth[40:].mean() > worth[:20].mean() + worth[:20].std()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("predictor", {"beginnings": 8, "batch": 5}),
        ("bananas", {"beginnings": 8, "batch": 5, "settings": QUICK_ENSEMBLE}),
        ("npenas", {"beginnings": 8, "batch": 5, "settings": QUICK_GIN}),
        ("linas", {"population": 8, "inner": 40, "settings": "largest=2"}),
    ],
)
def test_a_fresh_object_in_the_middle_of_a_batch_proposes_the_rest_of_it(name: str, options: dict[str, int]) -> None:
    def made() -> Strategy:
        return make_strategy(name, open_strategy(name), FREE, 0, options)

    history = known(8)
    batch = made().ask(history)
    assert len(batch) == (8 if name == "linas" else 5)
    history.extend(batch[:2], linear(batch[:2]))
    np.testing.assert_array_equal(made().ask(history), batch[2:])


def test_options_of_predictors_are_pairs() -> None:
    assert read_settings("folds=0, kernel=rbf") == {"folds": "0", "kernel": "rbf"}
    with pytest.raises(NasError, match=r"written NAME=VALUE,NAME=VALUE; given 'folds'"):
        read_settings("folds")
    with pytest.raises(NasError, match=r"unknown option of predictor 'gp'"):
        PredictorGuided(FREE, 0, settings="fold=0")
    with pytest.raises(NasError, match=r"unknown predictor 'oracle'"):
        PredictorGuided(FREE, 0, predictor="oracle")
