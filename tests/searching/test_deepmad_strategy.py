"""DeepMAD's search: its mutations, its bounds, and what it finds."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from nas.architectures import Bound, Decisions
from nas.base.errors import NasError
from nas.choices import Choice
from nas.searching import ArrayHistory, Problem, make_strategy, open_strategy, search
from nas.searching.entropy import read_chain
from nas.searching.strategies.deepmad import DeepMad, Designs
from nas.searching.strategies.mad_mutation import MadMutation
from nas.supernet import Space, open_space

R18_ENTROPY = 32_120.2


def within(space: Space, **limits: float) -> Problem:
    bounds = [Bound(name, limit, space.compiled(name), "{:g}".format) for name, limit in limits.items()]
    return Problem(space.decisions, bounds, operators=space.counting_walk)


def resnet18_budget() -> Problem:
    return within(open_space("mad:bottleneck"), params=11.69e6, macs=1.82e9)


@cache
def designed(candidates: int = 3000) -> Designs:
    return DeepMad(resnet18_budget(), 0, candidates=candidates).design()


def values(space: Space, rows: np.ndarray) -> dict[str, np.ndarray]:
    return {choice.name: np.array(choice.options)[rows[:, column]] for column, choice in enumerate(space.decisions.choices)}


def test_designs_keep_every_budget_and_come_in_order() -> None:
    problem, found = resnet18_budget(), designed()
    assert found.candidates == 3000
    assert problem.legal(found.rows).all()
    assert (found.figures.effectiveness <= 0.3).all()
    assert (np.diff(found.figures.score) <= 0).all()
    assert len(np.unique(found.rows, axis=0)) == len(found.rows) == 256


def test_the_search_gets_better_with_more_candidates() -> None:
    few, many = (designed(count).figures.score[0] for count in (256, 3000))
    assert many > 1.1 * few


@pytest.mark.slow
def test_a_design_under_the_budget_of_resnet18_beats_the_published_network() -> None:
    assert DeepMad(resnet18_budget(), 0).design().figures.entropy[0] >= R18_ENTROPY


def test_the_same_seed_gives_the_same_design_and_a_killed_search_goes_on() -> None:
    options: dict[str, Any] = {"candidates": 400, "designs": 4}
    problem = resnet18_budget()
    whole, cut = ArrayHistory(21), ArrayHistory(21)
    search(make_strategy("deepmad", DeepMad, problem, 7, options), whole, lambda row: {"top1": 1.0}, 10)
    for evaluations in (1, 3, 10):
        search(make_strategy("deepmad", DeepMad, problem, 7, options), cut, lambda row: {"top1": 1.0}, evaluations)
    assert len(whole) == 4
    assert np.array_equal(whole.rows(), cut.rows())
    other = DeepMad(problem, 8, candidates=400).ask(ArrayHistory(21))
    assert not np.array_equal(other, whole.rows()[:1])


@pytest.mark.parametrize("preset", ["bottleneck", "depthwise"])
def test_a_mutation_changes_one_block_by_the_rules(preset: str) -> None:
    space = open_space(f"mad:{preset}")
    mutate = MadMutation(space.decisions, read_chain(space.counting_walk()))
    rows = space.decisions.sample(np.random.default_rng(0), 3000)
    children = mutate(rows, np.random.default_rng(1), 1)
    before, after = values(space, rows), values(space, children)
    blocks = [f"block{number}" for number in range(1, 6)]
    changed = np.stack(
        [(rows[:, [0]] != children[:, [0]]).any(axis=1)]
        + [
            (rows[:, 1 + 4 * index : 5 + 4 * index] != children[:, 1 + 4 * index : 5 + 4 * index]).any(axis=1)
            for index in range(5)
        ]
    )
    assert (changed.sum(axis=0) <= 1).all()
    assert changed.any(axis=1).all()
    widths_before = [before["stem.width"], *(before[f"{block}.width"] for block in blocks)]
    for index, block in enumerate(blocks):
        moved = after[f"{block}.depth"] - before[f"{block}.depth"]
        assert set(np.unique(moved).tolist()) == {-2, -1, 0, 1, 2}
        width, old = after[f"{block}.width"], before[f"{block}.width"]
        new = width != old
        assert new.any()
        assert (width[new] >= widths_before[index][new]).all()
        if index < 4:
            assert (width[new] <= widths_before[index + 2][new]).all()
        middle = after[f"{block}.middle"]
        if preset == "bottleneck":
            assert (width[new] <= 4 * widths_before[index][new]).all()
            touched = changed[index + 1]
            assert (middle[touched] >= width[touched] / 10 - 4).all()
            assert (middle[touched] <= np.maximum(width, before[f"{block}.middle"])[touched]).all()
        else:
            touched = new | (middle != before[f"{block}.middle"])
            ratio = middle[touched] / width[touched]
            slack = 132 / width[touched]
            assert (ratio >= 1.5 - slack).all()
            assert (ratio <= 6.0 + slack).all()
    kernels = after["block3.kernel"] != before["block3.kernel"]
    assert kernels.any()


def test_two_mutations_change_two_blocks_at_most() -> None:
    space = open_space("mad:bottleneck")
    mutate = MadMutation(space.decisions, read_chain(space.counting_walk()))
    rows = space.decisions.sample(np.random.default_rng(0), 500)
    children = mutate(rows, np.random.default_rng(1), 2)
    places = (np.arange(21) + 3) // 4
    blocks = [len(set(places[row != child].tolist())) for row, child in zip(rows, children, strict=True)]
    assert set(blocks) <= {0, 1, 2}
    assert np.mean(np.array(blocks) == 2) > 0.5


@pytest.mark.parametrize(("name", "macs", "papers"), [("mbconv:single-path", 250e6, False), ("mbconv:ofa-resnet50", 2e9, True)])
def test_it_designs_in_spaces_of_other_papers(name: str, macs: float, papers: bool) -> None:
    """No network of MobileNet's kind is as wide for its depth as the paper asks; the bound is then the space's own."""
    space = open_space(name)
    problem = within(space, macs=macs)
    strategy = DeepMad(problem, 0, candidates=1500)
    assert strategy.effectiveness == 0.3 if papers else strategy.effectiveness > 0.5
    assert (strategy.remark() is None) == papers
    found = strategy.design()
    drawn = problem.sample(np.random.default_rng(5), 500)
    rivals = strategy.entropy(drawn)
    assert problem.legal(found.rows).all()
    assert (found.figures.effectiveness <= strategy.effectiveness).all()
    assert found.figures.score[0] > rivals.score[rivals.effectiveness <= strategy.effectiveness].max()


@pytest.mark.parametrize("name", ["cells:nas-bench-201", "vit:autoformer-t", "einspace"])
def test_other_spaces_are_refused_with_strategies_that_fit(name: str) -> None:
    space = open_space(name)
    with pytest.raises(NasError, match=r"deepmad cannot design.*--strategy evolution"):
        DeepMad(Problem(space.decisions, operators=space.counting_walk), 0)


def test_a_problem_without_operators_is_refused() -> None:
    with pytest.raises(NasError, match="operators"):
        DeepMad(Problem(Decisions([Choice("x", (1, 2))])), 0)


def test_a_bound_that_no_network_keeps_says_what_there_is() -> None:
    problem = within(open_space("mbconv:single-path"), macs=250e6)
    with pytest.raises(NasError, match=r"effectiveness.*minimum"):
        DeepMad(problem, 0, effectiveness=0.01)


def test_the_strategy_is_found_by_its_name() -> None:
    assert open_strategy("deepmad") is DeepMad
