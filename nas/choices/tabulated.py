"""Values of many parts as one table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nas.choices.choice import Choice
from nas.choices.expression import SETTLING_LIMIT, Codes, Expression, Value, assignments

KEPT = 16
"""Results that one value keeps."""


class Tabulated(Expression):
    """The value of another expression, looked up in a table over the joint options of its choices."""

    def __init__(self, source: Expression) -> None:
        self.source: Expression = source
        sizes = [len(choice.options) for choice in source.choices]
        values = np.asarray(source.evaluate(assignments(source.choices)))
        self._hold(source.choices, np.broadcast_to(values, (math.prod(sizes),)).copy())

    @classmethod
    def of(cls, choices: tuple[Choice, ...], table: np.ndarray) -> Tabulated:
        """A value that is given as a table over the joint options of its choices, in the order of `assignments`."""
        found = cls.__new__(cls)
        found.source = found
        found._hold(choices, table)
        return found

    def _hold(self, choices: tuple[Choice, ...], table: np.ndarray) -> None:
        self.choices = choices
        self._table = table
        sizes = [len(choice.options) for choice in choices]
        self._kept: dict[tuple[int, ...], tuple[list[Any], np.ndarray]] = {}
        self._strides = [math.prod(sizes[axis + 1 :]) for axis in range(len(sizes))]

    def evaluate(self, codes: Codes) -> Any:
        """One look-up, whatever the expression is made of.

        On the read-only grids of `assignments` the result is kept: a space's values are examined on the same few grids
        thousands of times.
        """
        given = [codes[choice.name] for choice in self.choices]
        if not all(isinstance(code, np.ndarray) and not code.flags.writeable for code in given):
            return self._look_up(given)
        key = tuple(map(id, given))
        kept = self._kept.get(key)
        if kept is None:
            result = self._look_up(given)
            result.flags.writeable = False
            if len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept)))
            kept = self._kept[key] = (given, result)  # the grid too, so that its identity is not given to another
        return kept[1]

    def _look_up(self, given: list[Any]) -> Any:
        index: Any = 0
        for code, stride in zip(given, self._strides, strict=True):
            index = index + (np.asarray(code, dtype=np.int64) if isinstance(code, np.ndarray) else int(code)) * stride
        found = self._table[index]
        return found if isinstance(index, np.ndarray) else found.item()

    def __repr__(self) -> str:
        return (
            repr(self.source)
            if self.source is not self
            else f"a table over {', '.join(choice.name for choice in self.choices)}"
        )


def tabulated(value: Value) -> Value:
    """The same value as a table, where it depends on more than one choice and the table is not too large.

    Worth it for a value that many others are made of: they then evaluate it in one step.
    """
    if not isinstance(value, Expression) or isinstance(value, Tabulated) or len(value.choices) < 2:
        return value
    if math.prod(len(choice.options) for choice in value.choices) > SETTLING_LIMIT:
        return value
    return Tabulated(value)
