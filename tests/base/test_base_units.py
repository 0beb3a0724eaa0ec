"""Quantities are read in every unit, printed with a fitting one, and survive both."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.base.errors import NasError
from nas.base.units import COUNT, LATENCY, MEMORY, Quantity

FACTORS = {
    "latency": {"ms": 1.0, "s": 1000.0, "us": 0.001, "µs": 0.001},
    "count": {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9},
    "memory": {
        "B": 1.0,
        "kB": 1e3,
        "KB": 1e3,
        "MB": 1e6,
        "GB": 1e9,
        "KiB": 1024.0,
        "MiB": 1048576.0,
        "GiB": 1073741824.0,
    },
}
QUANTITIES = {"latency": LATENCY, "count": COUNT, "memory": MEMORY}
EVERY_UNIT = [(kind, unit) for kind, units in FACTORS.items() for unit in units]


@pytest.mark.parametrize(("kind", "unit"), EVERY_UNIT)
@pytest.mark.parametrize("form", ["{number}{unit}", "{number} {unit}", "  {number}   {unit} "])
def test_every_unit_is_read(kind: str, unit: str, form: str) -> None:
    assert QUANTITIES[kind].parse(form.format(number="2.5", unit=unit)) == pytest.approx(2.5 * FACTORS[kind][unit])


def test_no_other_unit_exists() -> None:
    assert {kind: set(quantity.factors) for kind, quantity in QUANTITIES.items()} == {
        kind: set(units) for kind, units in FACTORS.items()
    }


@pytest.mark.parametrize(("text", "value"), [("5e6", 5e6), ("1.5E+3", 1500.0), (".5M", 5e5), ("007", 7.0), ("3e-1k", 300.0)])
def test_numbers_may_be_written_in_any_usual_way(text: str, value: float) -> None:
    assert COUNT.parse(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "M", "abc", "-5M", "5,000", "1 000", "5M5", "nan", "inf", "0x10", "5 M M", "1..5"])
def test_what_is_no_quantity_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(NasError, match=r"is not a count; write a number with a unit, such as 300M"):
        COUNT.parse(text)


@pytest.mark.parametrize(
    ("quantity", "text", "legal", "example"),
    [
        (LATENCY, "80", ("ms", "s", "us"), "80ms"),
        (LATENCY, "80M", ("ms", "s", "us"), "80ms"),
        (MEMORY, "2", ("B", "kB", "MB", "GB", "MiB"), "2MB"),
        (MEMORY, "2m", ("B", "kB", "MB", "GB", "MiB"), "2MB"),
        (COUNT, "300ms", ("k", "M", "G"), "300M"),
    ],
)
def test_a_missing_or_wrong_unit_is_answered_with_the_legal_ones(
    quantity: Quantity, text: str, legal: tuple[str, ...], example: str
) -> None:
    with pytest.raises(NasError, match="unknown unit of") as caught:
        quantity.parse(text)
    assert all(re.search(rf"\b{unit}\b", str(caught.value)) for unit in legal)
    assert example in str(caught.value)


@pytest.mark.parametrize(
    ("quantity", "value", "text"),
    [
        (LATENCY, 78.3, "78.30 ms"),
        (LATENCY, 1234.5, "1234.50 ms"),
        (COUNT, 301.4e6, "301.4 M"),
        (COUNT, 12, "12"),
        (COUNT, 5.29e6, "5.29 M"),
        (COUNT, 2e9, "2.00 G"),
        (COUNT, 1500, "1.50 k"),
        (MEMORY, 320, "320 B"),
        (MEMORY, 2e6, "2.00 MB"),
        (MEMORY, 320e3, "320.0 kB"),
        (MEMORY, 5e9, "5.00 GB"),
    ],
)
def test_a_figure_is_printed_with_a_fitting_unit(quantity: Quantity, value: float, text: str) -> None:
    assert quantity.format(value) == text


@given(value=st.floats(1e-2, 1e12))
@pytest.mark.parametrize("kind", ["count", "memory"])
def test_what_is_printed_is_read_back(kind: str, value: float) -> None:
    quantity = QUANTITIES[kind]
    # Three digits or more are shown, whole numbers below a thousand.
    assert quantity.parse(quantity.format(value)) == pytest.approx(value, rel=6e-3, abs=0.5)


@given(value=st.floats(0, 1e6))
def test_a_printed_latency_is_read_back_to_the_hundredth(value: float) -> None:
    assert LATENCY.parse(LATENCY.format(value)) == pytest.approx(value, abs=0.00501)


@given(number=st.floats(1e-6, 1e6), index=st.integers(0, len(EVERY_UNIT) - 1))
def test_a_number_with_a_unit_is_that_many_of_the_unit(number: float, index: int) -> None:
    kind, unit = EVERY_UNIT[index]
    assert QUANTITIES[kind].parse(f"{number!r}{unit}") == pytest.approx(number * FACTORS[kind][unit])
