"""What makes each strategy the method whose name it bears."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from tiny_search import at_most, conditional_decisions, copied, decisions, linear, run, told

from nas.architectures import Decisions
from nas.base.errors import NasError
from nas.choices import Choice
from nas.searching import ArrayHistory, Objective, Problem, search
from nas.searching.arrays import best
from nas.searching.strategies.aging import Aging
from nas.searching.strategies.coarse_to_fine import CoarseToFine, coarse_grid
from nas.searching.strategies.early_exit import EarlyExit
from nas.searching.strategies.genes import genes, swap_genes
from nas.searching.strategies.hyperband import Hyperband, brackets
from nas.searching.strategies.local import Local
from nas.searching.strategies.nsga2 import Nsga2
from nas.searching.strategies.nsga3 import Nsga3, reference_directions

SPACE = decisions(genes=8, options=4)
FREE = Problem(SPACE)
TWO = Problem(SPACE, (), (Objective("top1"), Objective("sum", "minimize", lambda rows: rows.sum(axis=1).astype(float))))


def hamming(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    found: np.ndarray = (others != one).sum(axis=1)
    return found


# Aging evolution.


def test_every_child_of_aging_evolution_changes_one_decision_of_a_member_of_the_queue() -> None:
    history = run(Aging(FREE, 0, population=20, sample=5), 120)
    for place in range(20, 120):
        queue = history.rows()[place - 20 : place]
        assert (hamming(history.rows()[place], queue) == 1).any()


def test_the_oldest_leaves_and_not_the_worst() -> None:
    """The best of all time is the oldest; once it has left the queue nobody descends from it any more."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 2, (40, 8)).astype(np.uint8) + 2
    rows[0] = 0
    scores = rng.random(40)
    scores[0] = 100.0
    young = told(rows[:20], scores[:20])
    old = told(rows[:21], scores[:21])
    everyone = {"population": 20, "sample": 20}
    for seed in range(5):
        assert hamming(Aging(FREE, seed, **everyone).ask(young)[0], rows[:1])[0] == 1
        assert hamming(Aging(FREE, seed, **everyone).ask(old)[0], rows[:1])[0] > 1


def test_the_best_of_the_sample_breeds_and_the_sample_is_uniform() -> None:
    rows = SPACE.sample(np.random.default_rng(1), 20)
    history = told(rows, np.arange(20.0))
    parents = []
    for seed in range(300):
        child = Aging(FREE, seed, population=20, sample=5).ask(history)[0]
        parents.append(int(hamming(child, rows).argmin()))
    # The best of 5 of 20 without replacement is at least the fifth worst, and the best of all in a quarter of the draws; four
    # standard deviations are 0.1.
    assert min(parents) >= 4
    assert 0.15 < np.mean(np.array(parents) == 19) < 0.35


def test_a_sample_larger_than_the_population_is_refused() -> None:
    with pytest.raises(NasError, match=r"draws 9 of a population of 5; set sample to at most 5"):
        Aging(FREE, 0, population=5, sample=9)


# Local search.


def test_local_search_expands_the_best_of_its_beginnings_and_moves_to_the_first_improvement() -> None:
    history = run(Local(FREE, 0), 200)
    rows, scores = history.rows(), history.scores()
    current = int(scores[:10].argmax())
    neighbours = 0
    for place in range(10, 60):
        if hamming(rows[place], rows[current : current + 1])[0] != 1:
            break
        neighbours += 1
        if scores[place] > scores[current]:
            current = place
    assert neighbours > 15


def test_local_search_with_a_whole_neighbourhood_moves_to_the_best_neighbour() -> None:
    strategy = Local(FREE, 0, whole_neighbourhood=True)
    history = ArrayHistory(8)
    history.extend(rows := strategy.ask(history), linear(rows))
    start = rows[linear(rows).argmax()]
    history.extend(around := strategy.ask(history), linear(around))
    assert (hamming(start, around) == 1).all()
    assert len(around) == 8 * 3
    top = around[linear(around).argmax()]
    assert (hamming(top, strategy.ask(history)) == 1).all()


def test_local_search_begins_anew_at_an_optimum_or_goes_on_from_the_best_left() -> None:
    small = Problem(decisions(genes=4, options=3))
    for stop, expected in ((True, 10), (False, 1)):
        strategy, history = Local(small, 2, stop_at_minimum=stop), ArrayHistory(4)
        batches = []
        while len(history) < 60 and len(rows := strategy.ask(history)):
            batches.append(len(rows))
            history.extend(rows, linear(rows))
        assert batches[0] == 10
        assert max(batches[1:]) == expected


# NSGA-II and NSGA-III.


def test_parents_of_nsga2_come_from_the_survivors_of_fronts_and_crowding() -> None:
    """Without mutation every child is a cross of two of the 12 that survive 24."""
    strategy = Nsga2(TWO, 0, population=12, mutation=0.0)
    history = ArrayHistory(8, TWO.objectives)
    for _ in range(2):
        rows = strategy.ask(history)
        sums = TWO.objectives[1].measure
        assert sums is not None
        history.extend(rows, np.stack([linear(rows), -sums(rows)], axis=1))
    survivors = history.rows()[:24][best(history.values(), 12)]
    children = strategy.ask(history)
    pairs = list(itertools.product(survivors, survivors))
    explained = [any(((child == one) | (child == other)).all() for one, other in pairs) for child in children]
    assert sum(explained) >= 9


def test_children_that_break_a_bound_are_repaired() -> None:
    bounded = Problem(SPACE, (at_most(8),), TWO.objectives)
    history = ArrayHistory(8, bounded.objectives)
    strategy = Nsga2(bounded, 0, population=20)
    search(strategy, history, lambda row: {"top1": float(row.sum())}, 100)
    assert (history.rows().sum(axis=1) <= 8).all()
    # The reward of large sums drives the generations to the bound.
    assert (history.rows()[-20:].sum(axis=1) >= 6).mean() > 0.3


@pytest.mark.parametrize("kind", [Nsga2, Nsga3])
def test_genetic_algorithms_find_most_of_the_front(kind: type[Nsga2] | type[Nsga3]) -> None:
    everything = np.array(list(itertools.product(range(3), repeat=6)), dtype=np.uint8)
    small = Problem(decisions(genes=6, options=3), (), TWO.objectives)
    history = ArrayHistory(6, small.objectives)
    search(kind(small, 0, population=20, **({"partitions": 12} if kind is Nsga3 else {})), history, evaluate, 240)
    true = np.stack([linear(everything), -everything.sum(axis=1).astype(float)], axis=1)
    found, ideal = hypervolume(history.values()), hypervolume(true)
    random = hypervolume(true[np.random.default_rng(0).permutation(len(true))[:240]])
    assert found > random
    assert found > 0.97 * ideal


def evaluate(row: np.ndarray) -> dict[str, float]:
    return {"top1": float(linear(row[None])[0])}


def hypervolume(values: np.ndarray) -> float:
    """Of two objectives, larger better, above (0, -12)."""
    ordered = values[np.argsort(-values[:, 0])]
    area, top = 0.0, -12.0
    for first, second in ordered:
        area += max(0.0, first) * max(0.0, second - top)
        top = max(top, second)
    return area


def test_reference_directions_are_those_of_the_paper() -> None:
    assert len(reference_directions(3, 12)) == 91
    np.testing.assert_allclose(reference_directions(3, 12).sum(axis=1), 1.0)
    three = Problem(SPACE, (), (*TWO.objectives, Objective("loss", "minimize")))
    assert Nsga3(three, 0)._size == 92
    with pytest.raises(NasError, match=r"each of 91 directions; given population=10"):
        Nsga3(three, 0, population=10)


# Early exit.


def test_early_exit_needs_a_bound() -> None:
    with pytest.raises(NasError, match=r"there is none: give one, such as --target params<=5M"):
        EarlyExit(FREE, 0)


def test_children_beyond_the_bound_leave_their_generation_smaller() -> None:
    bounded = Problem(SPACE, (at_most(9),))
    history, strategy = ArrayHistory(8), EarlyExit(bounded, 0)
    assert strategy.surviving == 4
    sizes = []
    while len(history) < 150:
        rows = strategy.ask(history)
        sizes.append(len(rows))
        assert bounded.legal(rows).all()
        history.extend(rows, rows.sum(axis=1) + linear(rows) / 100)
    # A full first generation, then at most population minus survivors; high scores push beyond the bound.
    assert sizes[0] == 40
    assert max(sizes[1:]) <= 36
    assert min(sizes[1:]) < 36


def test_a_gene_is_a_place_and_neighbours_are_truly_exchanged() -> None:
    names = ("a.one.input", "a.one.operator", "a.two.input", "a.two.operator", "width")
    space = Decisions([Choice(name, tuple(range(4))) for name in names])
    assert genes(space) == [[0, 1], [2, 3], [4]]
    row = np.array([0, 1, 2, 3, 1], dtype=np.uint8)
    assert swap_genes(space, row, np.random.default_rng(0)).tolist() == [2, 3, 0, 1, 1]
    # An option that the neighbour's place does not have stays where it is.
    narrow = Decisions([Choice(name, tuple(range(2 if "one" in name else 4))) for name in names])
    assert swap_genes(narrow, row % np.array([2, 2, 4, 4, 4]), np.random.default_rng(0)).tolist() == [0, 1, 2, 3, 1]


# Coarse to fine.


def test_skeletons_have_one_setting_for_each_dimension() -> None:
    names = {"r": 9, "d1": 4, "d2": 4, "w1": 3, "w2": 5, "k1": 2, "k2": 2}
    space = Decisions([Choice(name, tuple(range(count))) for name, count in names.items()])
    kinds = {"r": "resolution", "d": "depth", "w": "width", "k": "kernel"}
    given = Problem(space, dimensions={name: kinds[name[0]] for name in names})
    grid = coarse_grid(given, np.random.default_rng(0))
    # Five resolutions, four depths, two widths, two kernels.
    assert len(grid) == 5 * 4 * 2 * 2
    assert set(grid[:, 0].tolist()) == {0, 2, 4, 6, 8}
    assert (grid[:, 1] == grid[:, 2]).all()
    assert {tuple(row) for row in grid[:, 3:5].tolist()} == {(0, 0), (2, 4)}
    assert (grid[:, 5] == grid[:, 6]).all()


def test_the_best_skeletons_are_refined() -> None:
    strategy, history = CoarseToFine(FREE, 0, skeletons=4, best=1, mutation=0.2), ArrayHistory(8)
    history.extend(rows := strategy.ask(history), linear(rows))
    assert sorted(rows[:, 0].tolist()) == [0, 1, 2, 3]
    assert (rows == rows[:, :1]).all()
    fine = strategy.ask(history)
    assert np.mean(hamming(rows[linear(rows).argmax()], fine)) < 3.5


def test_bounds_that_no_skeleton_keeps_are_told() -> None:
    space = conditional_decisions()
    with pytest.raises(NasError, match="no network whose stages are all alike"):
        CoarseToFine(Problem(space, (at_most(-1),)), 0).ask(ArrayHistory(4))


# Hyperband.

PUBLISHED = [
    [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
    [(34, 3), (11, 9), (3, 27), (1, 81)],
    [(15, 9), (5, 27), (1, 81)],
    [(8, 27), (2, 81)],
    [(5, 81)],
]
"""Table 1 of Li et al., 2018: architectures and resource of each rung, for R = 81 and eta = 3."""


def test_the_brackets_are_the_published_ones() -> None:
    found = [[(rung.architectures, rung.resource) for rung in bracket] for bracket in brackets(81, 3)]
    assert found == PUBLISHED
    assert len(brackets(243, 3)) == 6
    assert len(brackets(242, 3)) == 5


def test_rungs_follow_the_brackets_and_the_best_go_on() -> None:
    strategy, history = Hyperband(FREE, 0), ArrayHistory(8)
    for bracket in [*PUBLISHED, PUBLISHED[0]]:
        last = np.empty((0, 8))
        for count, resource in bracket:
            rows, fidelity = strategy.ask(history), strategy.fidelity(history)
            assert (len(rows), fidelity) == (count, resource / 81)
            if len(last):
                expected = last[np.argsort(-linear(last), kind="stable")[:count]]
                np.testing.assert_array_equal(rows, expected)
            history.extend(rows, linear(rows), fidelity)
            last = rows.copy()


def test_a_failure_does_not_go_on() -> None:
    strategy, history = Hyperband(FREE, 0, maximum=9), ArrayHistory(8)
    rows = strategy.ask(history)
    scores = np.full(9, -np.inf)
    scores[4] = 1.0
    history.extend(rows, scores, strategy.fidelity(history))
    np.testing.assert_array_equal(strategy.ask(history), rows[4:5])


def test_evaluations_are_counted_in_full_ones() -> None:
    history = ArrayHistory(8)
    calls: list[float] = []

    def evaluate(row: np.ndarray, fidelity: float = 1.0) -> dict[str, float]:
        calls.append(fidelity)
        return {"top1": float(linear(row[None])[0])}

    search(Hyperband(FREE, 0), history, evaluate, 20)
    # The rung that stands next when the budget ends needs a full evaluation each.
    assert 19 < sum(calls) <= 20 + 1e-9
    assert len(calls) > 150
    assert copied(history, 5).fidelities().tolist() == [1.0] * 5
