"""Choices and the values derived from them."""

from __future__ import annotations

import math
import operator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.base.errors import NasError
from nas.choices import (
    Choice,
    Value,
    all_of,
    any_of,
    assignments,
    bounds,
    ceil_div,
    evaluate,
    free_choices,
    make_divisible,
    maximum,
    minimum,
    negation,
    settled,
    where,
)

WIDTH = Choice("width", (8, 12, 20, 36))
RATIO = Choice("ratio", (0.5, 1, 2.5))
SQUEEZE = Choice("squeeze", (False, True))
OPERATOR = Choice("operator", ("skip", "k3", "k5"))
CHOICES = (WIDTH, RATIO, SQUEEZE, OPERATOR)


JOINS = (
    operator.add,
    operator.sub,
    operator.mul,
    operator.lt,
    operator.ge,
    maximum,
    minimum,
    lambda a, b: (a + b) // 3,
    lambda a, b: ceil_div(a - b, 4),
    lambda a, b: make_divisible(maximum(maximum(a, b), 1), 8),
    lambda a, b: negation(a > b),
    lambda a, b: all_of([a <= b, SQUEEZE]),
    lambda a, b: any_of([a > 9, OPERATOR.differs("k3"), b > 9]),
    lambda a, b: where(OPERATOR.equals("skip"), a, b),
)
LEAVES = (-5, 0, 7, 40, WIDTH, RATIO, SQUEEZE, OPERATOR.map({"skip": 0, "k3": 3, "k5": 5}))


@st.composite
def numbers(draw: st.DrawFn) -> Value:
    """A value made from the choices in up to six steps."""
    values: list[Value] = [draw(st.sampled_from(LEAVES))]
    for _ in range(draw(st.integers(1, 6))):
        join = draw(st.sampled_from(JOINS))
        values.append(join(draw(st.sampled_from(values)), draw(st.sampled_from([*values, *LEAVES]))))
    return values[-1]


@given(numbers())
def test_an_expression_says_the_same_of_one_architecture_as_of_many(value: Value) -> None:
    codes = assignments(CHOICES)
    count = len(codes["width"])
    together = np.broadcast_to(evaluate(value, codes), (count,))
    for row in range(count):
        alone = evaluate(value, {name: int(column[row]) for name, column in codes.items()})
        assert np.isclose(float(together[row]), float(alone), rtol=1e-12, atol=0), row


def test_conditions_can_be_counted() -> None:
    count = OPERATOR.equals("k3") + SQUEEZE + (WIDTH > 10)
    every = {"operator": np.array([1, 1, 0]), "squeeze": np.array([1, 1, 0]), "width": np.array([3, 0, 1])}
    assert evaluate(count, every).tolist() == [3, 2, 1]


def test_options_of_several_types_keep_their_type_in_arrays() -> None:
    mixed = Choice("mixed", (4, "skip"))
    assert list(evaluate(mixed, {"mixed": np.array([0, 1])})) == [4, "skip"]


def divisible_by_the_book(value: Fraction, divisor: int) -> int:
    nearest = max(divisor, math.floor(value / divisor + Fraction(1, 2)) * divisor)
    return nearest + divisor if nearest < Fraction(9, 10) * value else nearest


@given(st.integers(1, 4000), st.sampled_from([1, 2, 4, 8, 16]))
def test_make_divisible_follows_its_specification(quarters: int, divisor: int) -> None:
    value = Fraction(quarters, 4)
    assert make_divisible(float(value), divisor) == divisible_by_the_book(value, divisor)


@pytest.mark.parametrize(
    ("value", "expected"), [(1, 8), (8, 8), (11, 16), (12, 16), (13, 16), (19, 24), (20, 24), (100, 104), (36.0, 40)]
)
def test_make_divisible_on_known_widths(value: float, expected: int) -> None:
    assert make_divisible(value) == expected
    assert make_divisible(value) >= 0.9 * value


def test_make_divisible_stays_symbolic_and_is_whole() -> None:
    made = make_divisible(WIDTH * RATIO, 8)
    assert evaluate(made, {"width": 3, "ratio": 2}) == 88
    assert evaluate(made, {"width": np.array([0, 3]), "ratio": np.array([0, 2])}).tolist() == [8, 88]
    assert bounds(made) == (8, 88)


@pytest.mark.parametrize("value", [WIDTH, WIDTH * 2, WIDTH > 8, OPERATOR.equals("k3"), where(SQUEEZE, WIDTH, 3)])
def test_a_symbolic_value_has_no_truth(value: Value) -> None:
    with pytest.raises(TypeError, match=r"Optional|Depth|OperatorChoice"):
        bool(value)
    with pytest.raises(TypeError, match="architecture is chosen"):
        range(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("", (1, 2), "name"),
        (3, (1, 2), "name"),
        ("kernel", (), "'kernel'.*at least one option"),
        ("kernel", (3, 5, 3), "'kernel'.*none twice"),
        ("kernel", tuple(range(257)), "'kernel' has 257 options"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(name: str, options: tuple[int, ...], words: str) -> None:
    with pytest.raises(NasError, match=words):
        Choice(name, options)


def test_an_illegal_option_is_told_with_the_legal_ones() -> None:
    with pytest.raises(NasError, match=r"'operator' cannot be 'k7'; legal: skip, k3, k5"):
        OPERATOR.index("k7")
    assert [OPERATOR.index(option) for option in OPERATOR.options] == [0, 1, 2]


def test_a_number_is_no_truth_value() -> None:
    with pytest.raises(NasError, match="squeeze"):
        SQUEEZE.index(1)
    with pytest.raises(NasError, match="depth"):
        Choice("depth", (0, 1)).index(True)


def test_a_map_must_cover_every_option() -> None:
    with pytest.raises(NasError, match=r"'operator'.*k5"):
        OPERATOR.map({"skip": 0, "k3": 3})


def test_choices_are_the_same_by_name_and_options() -> None:
    assert Choice("a", (1, 2)) == Choice("a", (1, 2))
    assert hash(Choice("a", (1, 2))) == hash(Choice("a", (1, 2)))
    assert Choice("a", (1, 2)) != Choice("a", (2, 1))
    with pytest.raises(NasError, match="'a'"):
        free_choices(Choice("a", (1, 2)) + Choice("a", (1, 3)))


def test_plain_numbers_stay_plain() -> None:
    assert make_divisible(19) == 24
    assert maximum(3, 5) == 5 and minimum(3, 5) == 3 and ceil_div(7, 2) == 4
    assert all_of([]) is True and any_of([]) is False and negation(True) is False
    assert where(True, WIDTH, 3) is WIDTH
    assert settled(WIDTH - WIDTH + 4) == 4 and settled(WIDTH) is WIDTH


def test_too_many_joint_options_are_refused_by_name() -> None:
    many = [Choice(f"c{index}", tuple(range(10))) for index in range(7)]
    with pytest.raises(NasError, match="c0, c1"):
        assignments(many)
