"""A choice together with what each of its options stands for, or the one option where nothing is chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nas.choices import Choice, Value


@dataclass(frozen=True)
class Chosen:
    """A number for each option of a choice.

    Attributes:
        choice: None where there is but one option.
        numbers: in the order of the choice's options.
    """

    choice: Choice | None
    numbers: tuple[Any, ...]

    @property
    def options(self) -> tuple[Any, ...]:
        """The different numbers, in order."""
        return tuple(dict.fromkeys(self.numbers))

    @property
    def value(self) -> Value:
        """The number as a value: plain where all options agree."""
        if self.choice is None or len(self.options) == 1:
            return self.numbers[0]  # type: ignore[no-any-return]
        return self.choice.map(dict(zip(self.choice.options, self.numbers, strict=True)))

    def map(self, function: Callable[[Any], Any]) -> Chosen:
        """The function of each number."""
        return Chosen(self.choice, tuple(function(number) for number in self.numbers))
