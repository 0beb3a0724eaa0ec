"""Splits are disjoint, complete, stratified and seeded; the fixed order is balanced in every prefix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.base.errors import NasError
from nas.data.splits import balanced_order, stratified


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(3, 40), min_size=2, max_size=6),
    first=st.floats(0.01, 0.6),
    second=st.floats(0.01, 0.39),
    seed=st.integers(0, 5),
)
def test_every_image_is_in_one_part_and_every_class_in_all(counts: list[int], first: float, second: float, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    classes = [f"class{number}" for number in range(len(counts))]
    parts = stratified(labels, classes, [first, second], seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    for part, share in zip(parts, (1 - first - second, first, second), strict=True):
        assert (np.diff(part) > 0).all()
        held = np.bincount(labels[part], minlength=len(counts))
        assert (held >= 1).all()
        assert (np.abs(held - share * np.array(counts)) <= 2).all()


def test_the_seed_decides_and_repeats() -> None:
    labels = np.repeat(np.arange(3), 50)
    one, same, other = (stratified(labels, "abc", [0.2], seed)[1].tolist() for seed in (1, 1, 2))
    assert one == same != other


def test_too_small_a_class_is_named_with_its_count() -> None:
    with pytest.raises(NasError, match=r"class 'rare' has 2 image\(s\), but each of the 3 splits needs one"):
        stratified(np.array([0, 0, 0, 1, 1]), ["common", "rare"], [0.2, 0.2], 0)


@settings(max_examples=60, deadline=None)
@given(counts=st.lists(st.integers(1, 30), min_size=1, max_size=6), share=st.floats(0, 1))
def test_every_prefix_of_the_fixed_order_is_in_proportion(counts: list[int], share: float) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    order = balanced_order(labels)
    assert sorted(order.tolist()) == list(range(len(labels)))
    limit = round(share * len(labels))
    held = np.bincount(labels[order[:limit]], minlength=len(counts))
    assert (np.abs(held - limit * np.array(counts) / len(labels)) <= 1.0 + len(counts) / 2).all()


def test_prefixes_of_equal_classes_are_exactly_balanced() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 30))
    order = balanced_order(labels)
    for rounds in (1, 7, 30):
        assert (np.bincount(labels[order[: 10 * rounds]]) == rounds).all()
