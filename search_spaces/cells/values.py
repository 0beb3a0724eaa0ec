"""Symbolic values of cells: tables over few choices, and which states a cell's blocks have used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.choices import Choice, Codes, Expression, Option


class OptionTable(Expression):
    """A value for every joint option of few choices.

    Args:
        choices: at most a few thousand joint options.
        function: options in the order of the choices -> value.
    """

    def __init__(self, choices: Sequence[Choice], function: Callable[..., int | bool]) -> None:
        self.choices = tuple(choices)
        shape = [len(choice.options) for choice in choices]
        values = [function(*self._options(place)) for place in np.ndindex(*shape)]
        self.table = np.array(values).reshape(shape)

    def _options(self, place: tuple[int, ...]) -> list[Option]:
        return [choice.options[code] for choice, code in zip(self.choices, place, strict=True)]

    def evaluate(self, codes: Codes) -> Any:
        """The value under the codes, or an array of them."""
        found = self.table[tuple(codes[choice.name] for choice in self.choices)]
        return found if np.ndim(found) else found.item()

    def __repr__(self) -> str:
        return f"table({', '.join(choice.name for choice in self.choices)})"


class StatesLeft(Expression):
    """Bit mask of the states of a cell that no block reads.

    Args:
        inputs: one choice for each operand of a block, whose options are the numbers of the states it may read.
        states: how many states there are.
        kept: states that count as left even where they are read.
    """

    def __init__(self, inputs: Sequence[Choice], states: int, kept: Sequence[int] = ()) -> None:
        self.choices = tuple(inputs)
        self.full = 2**states - 1
        self.kept = sum(2**state for state in set(kept))
        self._bits: npt.NDArray[np.int64] = 2 ** np.arange(states)

    def evaluate(self, codes: Codes) -> Any:
        """The mask under the codes, or an array of them."""
        used: Any = 0
        for choice in self.choices:
            used = used | self._bits[codes[choice.name]]
        left = (self.full & ~used) | self.kept
        return left if np.ndim(left) else int(left)

    def __repr__(self) -> str:
        return "states_left"
