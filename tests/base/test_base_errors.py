"""Errors for mistyped names list what is legal and suggest the nearest."""

from __future__ import annotations

from nas.base.errors import NasError, nearest, unknown


def test_an_unknown_name_is_answered_with_the_legal_ones_and_the_nearest() -> None:
    error = unknown("strategy", "evolutoin", ["evolution", "random"], "See the list.")
    assert isinstance(error, NasError)
    assert str(error) == ("unknown strategy 'evolutoin'; legal: evolution, random. Did you mean 'evolution'? See the list.")


def test_nothing_is_suggested_where_nothing_is_near() -> None:
    assert str(unknown("unit", "xyz", ["ms", "s"])) == "unknown unit 'xyz'; legal: ms, s."


def test_an_empty_list_is_said_to_be_empty() -> None:
    assert "none is installed" in str(unknown("space", "mbconv", []))


def test_names_that_are_no_texts_are_listed_too() -> None:
    assert str(unknown("kernel", 4, [3, 5])) == "unknown kernel '4'; legal: 3, 5."


def test_the_nearest_name_is_found_whatever_its_case() -> None:
    assert nearest("MBCONV", ["darts", "MbConv"]) == "MbConv"
    assert nearest("zzz", ["darts", "MbConv"]) is None
