"""The paths of the fabric are those of the paper."""

from __future__ import annotations

import itertools

import pytest

from nas.base.errors import NasError
from search_spaces.hytra.paths import FIRST, OPERATORS, count_paths, format_lists, parse_lists, paths, scale_sequences


def starts(remaining: int) -> tuple[int, ...]:
    return tuple(reversed(range(remaining)))


@pytest.mark.parametrize(
    ("remaining", "any_jump", "one_halving", "released"),
    [(4, 201, 131, 51), (3, 129, 115, 99), (2, 80, 80, 80), (1, 16, 16, 16)],
)
def test_blocks_have_the_published_numbers_of_paths(remaining: int, any_jump: int, one_halving: int, released: int) -> None:
    assert count_paths(4, starts(remaining), halvings_per_layer=3) == any_jump
    assert count_paths(4, starts(remaining)) == one_halving
    assert count_paths(4, FIRST[remaining]) == released


def test_the_whole_fabric_has_the_published_number_of_paths() -> None:
    assert count_paths(16, starts(4)) == 2_818_103


def test_counting_is_listing() -> None:
    for layers in (1, 2, 5):
        listed = list(paths(layers, starts(4)))
        assert len(listed) == len(set(listed)) == count_paths(layers, starts(4))
        for path in listed:
            assert all(operator in OPERATORS[scale] for scale, operator in path)
            assert all(0 <= above - below <= 1 for (above, _), (below, _) in itertools.pairwise(path))


def test_any_jump_contains_one_halving() -> None:
    assert set(scale_sequences(4, starts(4))) < set(scale_sequences(4, starts(4), halvings_per_layer=3))


def test_lists_are_read_and_written() -> None:
    for path in paths(4, starts(4)):
        assert parse_lists(format_lists(path)) == path


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (([1], [1]), "4 lists"),
        (([0], [1], [1], [1]), "no attention on the 56x56 map"),
        (([1], [], [1], [1]), "once at a time"),
        (([2], [1], [1], [1]), "1 \\(ResConv\\) or 0"),
        (([], [], [], []), "at least one layer"),
    ],
)
def test_wrong_lists_are_told(lists: tuple[list[int], ...], message: str) -> None:
    with pytest.raises(NasError, match=message):
        parse_lists(lists)
