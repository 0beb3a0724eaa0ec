"""Operator keys are read back exactly."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.base.errors import NasError
from nas.costs import devices, operator_key, parse_key, required_keys
from nas.supernet import Space

NAMES = st.text(st.characters(categories=("Ll", "Nd"), include_characters="_-"), min_size=1)
SIZES = st.lists(st.integers(1, 10_000), max_size=4).map(tuple)
VALUES = st.one_of(st.integers(), st.floats(allow_nan=False), st.text(st.characters(categories=("Ll",)), min_size=1))


@settings(max_examples=60)
@given(NAMES, SIZES, SIZES, st.dictionaries(NAMES, VALUES, max_size=4))
def test_what_is_written_is_read_and_what_is_read_is_written(kind, inputs, output, attributes) -> None:  # type: ignore[no-untyped-def]
    text = operator_key(kind, inputs, output, attributes)
    read = parse_key(text)
    assert str(read) == text
    assert (read.kind, read.inputs, read.output) == (kind, inputs, output)
    assert {name: str(value) for name, value in read.attributes.items()} == {n: str(v) for n, v in attributes.items()}
    assert {name for name, value in attributes.items() if isinstance(value, int)} <= {
        name for name, value in read.attributes.items() if isinstance(value, int)
    }


def test_numbers_are_numbers_and_words_are_words() -> None:
    key = parse_key("mbconv 16x112x112->24x56 act=relu expand=3 kernel=07 ratio=0.25 sign=-1 stride=1e3")
    assert key.attributes == {"act": "relu", "expand": 3, "kernel": "07", "ratio": 0.25, "sign": -1, "stride": "1e3"}
    assert (key.inputs, key.output) == ((16, 112, 112), (24, 56))


def test_every_key_of_a_space_and_of_a_table_is_read_back(mbconv: Space, small: Space) -> None:
    keys = [*required_keys(mbconv.walk()), *required_keys(small.walk()), *(e.key for e in devices()["pixel1"].operators)]
    assert [str(parse_key(key)) for key in keys] == keys


@pytest.mark.parametrize(
    "text",
    ["", "conv", "conv 3", "conv 3->", "conv 3->x5", "conv 3->5 kernel", "conv 3->5  kernel=3", "conv 3->5->7", " 3->5",
     "conv 3->5 stride=1 kernel=3", "conv 3->5 kernel=3 kernel=3", "conv 03->5", "conv 3->5 ", "conv 3 ->5"],
)  # fmt: skip
def test_what_is_no_key_is_told(text: str) -> None:
    if text == "conv 3->":  # an operator may return a single number
        assert parse_key(text).output == ()
        return
    with pytest.raises(NasError, match="no operator key"):
        parse_key(text)
