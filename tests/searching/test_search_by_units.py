"""Every strategy searches a restricted space by whole groups of decisions, and goes on after a kill."""

from __future__ import annotations

import numpy as np
import pytest
from strategy_options import SMALL
from tiny_search import at_most, linear

from nas.architectures import Decisions, Group, Restricted
from nas.base.errors import NasError
from nas.choices import Choice
from nas.searching import ArrayHistory, Objective, Problem, Strategy, make_strategy, open_strategy, search, strategy_names

LEFT_OUT = ("deepmad", "derived", "optuna:gp", "optuna:cmaes")
LONG = ("bananas", "linas", "optuna:nsga2", "optuna:nsga3", "optuna:random", "optuna:qmc")
"""Take some seconds, or are like others."""

NAMES = [
    pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in strategy_names() if name not in LEFT_OUT
]


def restricted() -> Restricted:
    """243 architectures of five units, each of two decisions of which the second is idle at the first option of the first."""
    choices, conditions = [], {}
    for unit in range(5):
        size = Choice(f"u{unit}.size", (0, 1, 2))
        choices += [size, Choice(f"u{unit}.kind", ("a", "b", "c"))]
        conditions[f"u{unit}.kind"] = size > 0
    codes = np.array([[0, 0], [1, 2], [2, 1]])
    return Restricted(Decisions(choices, conditions), [Group(f"u{unit}", (2 * unit, 2 * unit + 1), codes) for unit in range(5)])


def problem(*objectives: Objective) -> Problem:
    return Problem(restricted(), (at_most(13),), objectives or (Objective("top1"),))


def made(name: str, given: Problem) -> Strategy:
    return make_strategy(name, open_strategy(name), given, 3, SMALL.get(name))


def evaluate(row: np.ndarray, fidelity: float = 1.0) -> dict[str, float]:
    if int(row.sum()) % 7 == 6:
        raise RuntimeError("it broke")
    return {"top1": float(linear(row[None])[0]) + (1 - fidelity) * float(row[0])}


def run(name: str, evaluations: int, history: ArrayHistory | None = None, given: Problem | None = None) -> ArrayHistory:
    given = given or problem()
    history = history if history is not None else ArrayHistory(10, given.objectives)
    search(made(name, given), history, evaluate, evaluations)
    return history


@pytest.mark.parametrize("name", NAMES)
def test_a_search_stays_inside_and_goes_on_identically(name: str) -> None:
    whole = run(name, 18)
    rows = whole.rows()
    inside = restricted()
    assert inside.contains(rows).all()
    assert (rows.sum(axis=1) <= 13).all()
    pairs = np.column_stack([rows, np.round(whole.fidelities() * 1000)])
    assert len(np.unique(pairs, axis=0)) == len(whole)
    left = ArrayHistory(10, whole.objectives)
    for place in range(len(whole) // 2):
        left.extend(rows[[place]], whole.values(place)[:1], float(whole.fidelities(place)[0]))
    again = run(name, 18, left)
    np.testing.assert_array_equal(again.rows(), rows)
    np.testing.assert_array_equal(again.fidelities(), whole.fidelities())


@pytest.mark.parametrize("name", [name for name in NAMES if name != "hyperband"])
def test_a_restricted_space_is_exhausted(name: str) -> None:
    """27 architectures of three units of three modules."""
    three = Restricted(
        Decisions([Choice(f"u{unit}.{part}", (0, 1, 2)) for unit in range(3) for part in "xy"]),
        [Group(f"u{unit}", (2 * unit, 2 * unit + 1), np.array([[0, 0], [0, 2], [2, 1]])) for unit in range(3)],
    )
    history = ArrayHistory(6)
    strategy = made(name, Problem(three, (at_most(99),)))
    search(strategy, history, lambda row, fidelity=1.0: {"top1": float(row.sum())}, 60)
    assert len(np.unique(history.rows(), axis=0)) == len(history) == three.size == 27
    assert not len(strategy.ask(history))


def test_a_cheap_objective_is_computed_from_the_decisions_of_the_whole_space() -> None:
    seen = []

    def cost(rows: np.ndarray) -> np.ndarray:
        seen.append(rows.shape[1])
        return rows.sum(axis=1).astype(float)

    history = run("nsga2", 24, given=problem(Objective("top1"), Objective("sum", "minimize", cost)))
    assert set(seen) == {10}
    finite = np.isfinite(history.values()).all(axis=1)
    np.testing.assert_array_equal(-history.values()[finite, 1], history.rows()[finite].sum(axis=1))


def test_a_child_of_aging_differs_from_a_member_of_the_queue_in_one_unit() -> None:
    given = problem()
    history = run("aging", 20, given=given)
    units = restricted().contract(np.asfortranarray(history.rows()))
    for place in range(6, 20):
        assert (units[place] != units[place - 6 : place]).sum(axis=1).min() == 1


def test_an_architecture_that_a_training_derived_is_proposed_if_it_is_inside() -> None:
    inside = np.array([1, 2, 0, 0, 0, 0, 0, 0, 0, 0], dtype=np.uint8)
    for derived, message in ((inside, None), (np.array([1, 1] * 5, dtype=np.uint8), "needs a supernet whose trainer derives")):
        strategy = made("derived", Problem(restricted(), derived=derived))
        if message is None:
            np.testing.assert_array_equal(strategy.ask(ArrayHistory(10)), inside[None])
        else:
            with pytest.raises(NasError, match=message):
                strategy.ask(ArrayHistory(10))


def test_deepmad_says_that_it_needs_a_whole_space() -> None:
    with pytest.raises(NasError, match="give it a whole space"):
        made("deepmad", problem())
