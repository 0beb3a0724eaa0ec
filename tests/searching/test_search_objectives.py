"""Objectives as users name them, rewards, fronts and knees, and what a search hands back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tiny_search import decisions

from nas.base.errors import NasError
from nas.searching import Objective, Problem, Reward, Trial, front_of, knee, parse_objective, parse_reward, parse_target
from nas.searching.fidelity import affordable, part
from nas.searching.history import ArrayHistory
from nas.searching.objectives import limited
from nas.searching.ranking import front, ranked
from nas.supernet import Space, Task

TOP1 = Objective("top1")
SUM = Objective("sum", "minimize", lambda rows: rows.sum(axis=1).astype(float))


def trial(codes: tuple[int, ...], top1: float, **given: Any) -> Trial:
    return Trial(np.array(codes, dtype=np.uint8), {"top1": top1, "loss": -top1}, **given)


@pytest.mark.parametrize(
    ("text", "name", "direction", "cheap"),
    [
        ("top1", "top1", "maximize", False),
        ("loss", "loss", "minimize", False),
        ("macs", "macs", "minimize", True),
        ("params:max", "params", "maximize", True),
        ("pixel-latency", "pixel1-latency", "minimize", True),
    ],
)
def test_an_objective_is_read(mbconv: Space, text: str, name: str, direction: str, cheap: bool) -> None:
    found = parse_objective(text, mbconv, None)
    assert (found.name, found.direction, found.cheap) == (name, direction, cheap)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("top-1", r"unknown objective 'top-1'; legal: top1, loss, macs.*mean 'top1'"),
        ("macs:down", r"unknown direction of an objective 'down'; legal: max, min"),
        ("energy", "unknown objective 'energy'"),
    ],
)
def test_what_is_no_objective_is_explained(mbconv: Space, text: str, message: str) -> None:
    with pytest.raises(NasError, match=message):
        parse_objective(text, mbconv, None)


def test_a_column_of_a_table_needs_a_direction(mbconv: Space) -> None:
    with pytest.raises(NasError, match=r"--objective energy:max, or --objective energy:min"):
        parse_objective("energy", mbconv, None, ("energy",))
    assert parse_objective("energy:min", mbconv, None, ("energy",)).direction == "minimize"


def test_costs_are_counted_at_the_deployment_task(mbconv: Space, mbconv_rows: np.ndarray) -> None:
    task = Task(3, 32, 10)
    found = parse_objective("macs", mbconv, task)
    assert found.measure is not None
    np.testing.assert_array_equal(found.measure(mbconv_rows), mbconv.cost("macs", mbconv_rows, task))


def test_a_target_on_a_cheap_objective_filters_before_anything_is_evaluated(mbconv: Space, mbconv_rows: np.ndarray) -> None:
    objectives = limited((TOP1, parse_objective("macs", mbconv, None)), (parse_target("macs<=300M", mbconv),))
    problem = Problem(mbconv.decisions, (), objectives)
    np.testing.assert_array_equal(problem.legal(mbconv_rows), mbconv.cost("macs", mbconv_rows) <= 300e6)
    assert (mbconv.cost("macs", problem.sample(np.random.default_rng(0), 50)) <= 300e6).all()


def test_a_lower_limit_on_a_cheap_objective_filters_too() -> None:
    problem = Problem(decisions(3, 3), (), (TOP1, Objective("sum", "maximize", SUM.measure, limit=4.0)))
    rows = np.array([[2, 2, 0], [1, 1, 1]], dtype=np.uint8)
    assert problem.legal(rows).tolist() == [True, False]


def test_histories_hold_every_objective_larger_is_better() -> None:
    history = ArrayHistory(2, (TOP1, SUM))
    history.add(trial((1, 2), 70.0))
    history.add(Trial(np.zeros(2, dtype=np.uint8), failure="it broke"))
    assert history.values().tolist() == [[70.0, -3.0], [-np.inf, -np.inf]]
    assert history.scores().tolist() == [70.0, -np.inf]


@pytest.mark.parametrize(
    ("name", "ratio", "expected"),
    [
        ("mnasnet-soft", 2.0, 70.0 * 2.0**-0.07),
        ("mnasnet-soft", 0.5, 70.0 * 0.5**-0.07),
        ("mnasnet-hard", 2.0, 35.0),
        ("mnasnet-hard", 0.5, 70.0),
        ("tunas", 1.5, 70.0 - 100 * 0.07 * 0.5),
        ("tunas", 0.5, 70.0 - 100 * 0.07 * 0.5),
        ("tunas-one-sided", 1.5, 70.0 - 100 * 0.07 * 0.5),
        ("tunas-one-sided", 0.5, 70.0),
    ],
)
def test_rewards_are_those_of_the_papers(mbconv: Space, name: str, ratio: float, expected: float) -> None:
    row = mbconv.encode([mbconv.smallest])
    macs = float(mbconv.cost("macs", row)[0])
    target = parse_target(f"macs={macs / ratio:.12g}", mbconv).bound(mbconv, None)
    found = Reward(*(parse_reward(name)[0], target, parse_reward(name)[1]))(row[0], {"top1": 70.0, "loss": 1.0})
    assert found[name] == pytest.approx(expected)
    assert found["top1"] == 70.0


@pytest.mark.parametrize("text", ["mnasnet", "tunas:", "tunas:0.1", "tunas:lots", "tunas:nan"])
def test_what_is_no_reward_is_explained(text: str) -> None:
    with pytest.raises(NasError, match=r"unknown reward 'mnasnet'|is a number below 0"):
        parse_reward(text)
    assert parse_reward("tunas:-0.2") == ("tunas", -0.2)


def test_the_front_holds_what_nothing_dominates_once() -> None:
    values = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0], [1.0, 1.0], [0.5, 0.5], [-np.inf, -np.inf], [2.0, -1.0]])
    assert front_of(values).tolist() == [1, 0, 2]


def test_the_knee_bulges_most_beyond_the_line_between_the_ends() -> None:
    assert knee(np.array([[10.0, 0.0], [9.0, 8.0], [5.0, 9.0], [0.0, 10.0]])) == 1
    # On a straight line no point stands out, and the first objective decides.
    assert knee(np.array([[0.0, 2.0], [2.0, 0.0], [1.0, 1.0]])) == 1
    assert knee(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.8, 0.8, 0.8]])) == 3


def test_with_one_objective_the_best_comes_first_and_equals_by_their_loss() -> None:
    trials = [trial((0, 0), 50.0), trial((1, 0), 70.0), Trial(np.array([2, 2]), failure="broken"), trial((0, 1), 60.0)]
    assert [one.metrics["top1"] for one in ranked(trials, (TOP1,))] == [70.0, 60.0, 50.0]
    equal = [Trial(np.array([i, 0]), {"top1": 1.0, "loss": loss}) for i, loss in enumerate((3.0, 1.0, 2.0))]
    assert [int(one.row[0]) for one in ranked(equal, (TOP1,))] == [1, 2, 0]


def test_with_several_the_knee_comes_first_or_what_the_target_picks() -> None:
    trials = [trial((5, 5), 100.0), trial((1, 1), 90.0), trial((0, 0), 0.0), trial((4, 4), 50.0)]
    found = ranked(trials, (TOP1, SUM))
    assert [one.metrics["top1"] for one in found] == [90.0, 100.0, 0.0, 50.0]
    assert ranked(trials, (TOP1, SUM), chosen_by_target=True)[0].metrics["top1"] == 100.0
    assert [int(one.row.sum()) for one in front(trials, (TOP1, SUM))] == [0, 2, 10]


def test_what_was_scored_with_less_never_beats_what_was_scored_in_full() -> None:
    trials = [trial((0, 0), 99.0, fidelity=0.1), trial((1, 0), 60.0), trial((2, 0), 50.0)]
    assert [one.metrics["top1"] for one in ranked(trials, (TOP1,))] == [60.0, 50.0]
    assert ranked(trials[:1], (TOP1,)) == trials[:1]


def test_what_is_beyond_an_expensive_limit_comes_last() -> None:
    measured = Objective("energy", "minimize", limit=2.0)
    trials = [Trial(np.array([i]), {"top1": top1, "energy": energy}) for i, (top1, energy) in enumerate([(90, 3), (80, 1)])]
    assert [int(one.row[0]) for one in ranked(trials, (TOP1, measured))] == [1, 0]


def test_fidelities_are_shares() -> None:
    assert part(2000, 1 / 81) == 25
    assert part(2, 1 / 81) == 1
    with pytest.raises(NasError, match="share of a full evaluation"):
        part(10, 0.0)
    history = ArrayHistory(1)
    history.extend(np.zeros((3, 1), dtype=np.uint8), np.zeros(3), 1 / 3)
    assert affordable(history, 2, 1.0) == 1
    assert affordable(history, 1, 1.0) == 0
