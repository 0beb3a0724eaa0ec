"""Sampling under bounds ends: in networks that keep them, or in an error that says what the space has."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.architectures import Bound, Decisions, sample_bounded
from nas.base.errors import NasError
from nas.choices import Choice
from nas.supernet import Space

WEIGHTS = np.array([1.0, 10.0, 100.0])
DECISIONS = Decisions([Choice(f"digit{i}", tuple(range(10))) for i in range(3)])


def below(limit: float, metric: str = "number") -> Bound:
    return Bound(metric, limit, lambda rows: rows @ WEIGHTS, lambda value: f"{value:.0f} units")


@given(st.integers(0, 999), st.integers(0, 100))
def test_samples_keep_the_bound(limit: int, seed: int) -> None:
    rows = sample_bounded(DECISIONS, np.random.default_rng(seed), 20, [below(limit)])
    assert rows.shape == (20, 3)
    assert (rows @ WEIGHTS <= limit).all()


def test_a_loose_bound_leaves_sampling_uniform() -> None:
    rows = sample_bounded(DECISIONS, np.random.default_rng(0), 4000, [below(499)])
    hundreds = np.bincount(rows[:, 2], minlength=5) / len(rows)
    assert len(hundreds) == 5 and np.abs(hundreds - 0.2).max() < 0.03


def test_an_impossible_bound_says_what_the_space_has() -> None:
    with pytest.raises(NasError) as caught:
        sample_bounded(DECISIONS, np.random.default_rng(0), 2, [below(-1)])
    told = str(caught.value)
    assert re.search(r"number <= -1 units", told)
    assert re.search(r"minimum 0 units, median \d+ units, maximum \d+ units", told)


def test_bounds_that_exclude_each_other_are_both_told() -> None:
    large = Bound("smallness", 99.0, lambda rows: 999 - rows @ WEIGHTS, str)
    with pytest.raises(NasError, match=r"all bounds at once.*number <= 99 units.*smallness <= 99"):
        sample_bounded(DECISIONS, np.random.default_rng(0), 2, [below(99), large])


def test_of_several_bounds_the_impossible_one_is_told() -> None:
    with pytest.raises(NasError) as caught:
        sample_bounded(DECISIONS, np.random.default_rng(0), 2, [below(500), below(-5, "debt")])
    assert "debt" in str(caught.value) and "number" not in str(caught.value)


def test_the_same_seed_gives_the_same_rows() -> None:
    once, again = (sample_bounded(DECISIONS, np.random.default_rng(3), 9, [below(5)]) for _ in range(2))
    assert (once == again).all()


@pytest.mark.parametrize("limit", [30.7, 32.0, 45.0, 80.0, 200.0])
def test_latency_bounds_on_a_real_space(mbconv: Space, limit: float) -> None:
    bound = Bound("pixel-latency", limit, mbconv.compiled("pixel-latency"), lambda ms: f"{ms:.2f} ms")
    found = mbconv.sample(np.random.default_rng(1), 5, [bound])
    assert len(found) == 5
    assert (mbconv.cost("pixel-latency", found) <= limit).all()


def test_an_impossible_latency_names_the_minimum(mbconv: Space) -> None:
    bound = Bound("pixel-latency", 30.0, mbconv.compiled("pixel-latency"), lambda ms: f"{ms:.2f} ms")
    with pytest.raises(NasError, match=r"pixel-latency <= 30\.00 ms.*minimum 30\.63 ms, median \d+\.\d\d ms, maximum"):
        mbconv.sample(np.random.default_rng(1), 5, [bound])


def test_no_rows_asked_for_are_none(mbconv: Space) -> None:
    assert mbconv.sample(np.random.default_rng(0), 0) == []
