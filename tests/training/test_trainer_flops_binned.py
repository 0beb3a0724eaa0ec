"""Paths whose multiply-adds are drawn evenly from bins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tiny_spaces import tiny_mobile
from tiny_training import NOBODY, TASK, stepper

from nas.architectures import Decisions
from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.supernet import Space
from nas.training import Recipe, StepContext
from nas.training.trainers.flops_binned import FlopsBinned, FlopsBinnedRecipe, bin_edges


@pytest.fixture(scope="module")
def space() -> Space:
    return tiny_mobile()


def figures(**changes: Any) -> FlopsBinnedRecipe:
    recipe = FlopsBinned.defaults.changed({"batch_size": 8, **changes})
    assert isinstance(recipe, FlopsBinnedRecipe)
    return recipe


def prepared(space: Space, recipe: Recipe, seed: int = 3) -> FlopsBinned:
    trainer = FlopsBinned()
    stepper(space.supernet(1, 16, 4), trainer, recipe, seed=seed)
    return trainer


def rows_of(trainer: FlopsBinned, space: Space, recipe: Recipe, count: int) -> np.ndarray:
    rows = []
    for step in range(count):
        context = StepContext(step, count, space.decisions, generator(3, "architectures", step), recipe, NOBODY)
        (asked,) = trainer.passes(context)
        rows.append(asked.row)
    return np.asfortranarray(rows)


def test_the_papers_bins_hold_where_most_networks_are_in_their_range() -> None:
    sizes = np.random.default_rng(0).normal(325e6, 15e6, 2000)
    edges = bin_edges(figures(), sizes)
    assert edges == pytest.approx(np.array([290, 300, 310, 320, 330, 340, 350, 360]) * 1e6)


def test_elsewhere_bins_are_spread_over_the_space() -> None:
    sizes = np.random.default_rng(0).uniform(1e6, 3e6, 2000)
    edges = bin_edges(figures(bins=4), sizes)
    assert len(edges) == 5
    assert np.diff(edges) == pytest.approx(np.full(4, edges[1] - edges[0]))
    assert np.mean(sizes < edges[0]) == pytest.approx(0.05, abs=0.002)
    assert np.mean(sizes < edges[-1]) == pytest.approx(0.95, abs=0.002)


@pytest.mark.parametrize("middle", [325e6, 1e6])
def test_given_bins_are_taken(middle: float) -> None:
    sizes = np.random.default_rng(0).normal(middle, 15e3, 2000)
    assert bin_edges(figures(bin_lowest=2, bin_width=0.5, bins=3), sizes) == pytest.approx(np.array([2, 2.5, 3, 3.5]) * 1e6)


def test_every_bin_is_trained_equally_often(space: Space) -> None:
    recipe = figures(bins=5)
    trainer = prepared(space, recipe)
    rows = rows_of(trainer, space, recipe, 600)
    sizes = space.compiled("macs", TASK)(rows)
    counts, _ = np.histogram(sizes, trainer.edges)
    assert counts.sum() == 600
    # 120 each; the standard deviation is below 10.
    assert np.abs(counts - 120).max() < 45
    plain, _ = np.histogram(space.compiled("macs", TASK)(space.decisions.sample(np.random.default_rng(0), 600)), trainer.edges)
    assert plain.min() < 60, "plain sampling does not do it"
    assert (space.decisions.check(rows) == rows).all()


def test_a_bin_that_is_not_hit_gives_the_last_random_path(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = figures(bins=1, tries=50)
    trainer = prepared(space, recipe)
    trainer.edges = np.array([1.0, 2.0])
    drawn: list[np.ndarray] = []
    sample = Decisions.sample

    def noting(*given: Any) -> np.ndarray:
        drawn.extend(sample(*given))
        return np.asfortranarray(drawn[-given[2] :])

    monkeypatch.setattr(Decisions, "sample", noting)
    (row,) = rows_of(trainer, space, recipe, 1)
    assert len(drawn) == 50
    assert (row == drawn[-1]).all()


def test_bins_without_any_network_are_refused_with_what_the_space_has(space: Space) -> None:
    with pytest.raises(NasError, match=r"no random network of space 'tiny-mobile' lies in the 2 bins from 5\.00 G to 7\.00 G"):
        prepared(space, figures(bin_lowest=5000, bin_width=1000, bins=2))


def test_the_user_is_told_the_bins(space: Space) -> None:
    recipe = figures(bin_lowest=0.05, bin_width=0.1, bins=3)
    (phase,) = prepared(space, recipe).phases(10, recipe)
    assert phase.start == 0
    assert phase.text == "3 bins from 50.00 k to 350.0 k multiply-adds"
    assert FlopsBinned().phases(10, recipe) == []
