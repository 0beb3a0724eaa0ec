"""Reading operator keys: the exact inverse of `operator_key`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nas.base.errors import NasError
from nas.costs.table import operator_key


@dataclass(frozen=True)
class OperatorKey:
    """What a key says: kind, shapes without the batch dimension, attributes."""

    kind: str
    inputs: tuple[int, ...]
    output: tuple[int, ...]
    attributes: Mapping[str, int | float | str]

    def __str__(self) -> str:
        return operator_key(self.kind, self.inputs, self.output, self.attributes)


def parse_key(text: str) -> OperatorKey:
    """The operator behind a key; a value that is written as a number is one.

    >>> parse_key("conv 3x224x224->32x112x112 act=relu kernel=3").attributes
    {'act': 'relu', 'kernel': 3}

    Raises:
        NasError: the text is no key as `operator_key` writes it.
    """
    kind, *words = text.split(" ")
    try:
        inputs, output = (_shape(part) for part in words[0].split("->"))
        pairs = [word.split("=", 1) for word in words[1:]]
        key = OperatorKey(kind, inputs, output, {name: _value(value) for name, value in pairs})
    except (ValueError, IndexError):
        key = None
    if key is None or not kind or str(key) != text:
        raise NasError(
            f"'{text}' is no operator key; one is written KIND INPUT->OUTPUT NAME=VALUE ..., single spaces between, names in "
            "alphabetical order, such as 'conv 3x224x224->32x112x112 act=relu kernel=3'"
        )
    return key


def _shape(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split("x")) if text else ()


def _value(text: str) -> int | float | str:
    """The number that is written exactly so, else the text."""
    for number in (int, float):
        try:
            value = number(text)
        except ValueError:
            continue
        if str(value) == text:
            return value
    return text
