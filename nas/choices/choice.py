"""A choice: a name and an ordered tuple of options."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from nas.base.errors import NasError
from nas.choices.expression import Codes, Expression, Value

Option: TypeAlias = int | float | str | bool
"""What may be chosen: plain values, so that an architecture is JSON."""


class Choice(Expression):
    """One decision of a search space; as a value, the chosen option.

    Options are ordered from the smallest network to the largest. Two choices are the same when name and options are.

    Args:
        name: unique within a space.
        options: at least one, without repetition.
    """

    def __init__(self, name: str, options: tuple[Option, ...]) -> None:
        if not name or not isinstance(name, str):
            raise NasError(f"a choice needs a name, a text that is not empty; given: {name!r}")
        if not options or len(set(options)) != len(options):
            raise NasError(f"choice '{name}' needs at least one option and none twice; given: {options}")
        if len(options) > 256:
            raise NasError(f"choice '{name}' has {len(options)} options; a row stores at most 256 a decision")
        self.name = name
        self.options = tuple(options)
        self.choices = (self,)

    @cached_property
    def _values(self) -> np.ndarray:
        texts = {isinstance(option, str) for option in self.options}
        return np.array(self.options, dtype=object if len(texts) > 1 else None)

    def evaluate(self, codes: Codes) -> Any:
        """The chosen option, or an array of them."""
        code = codes[self.name]
        return self._values[code] if isinstance(code, np.ndarray) else self.options[int(code)]

    def index(self, option: Option) -> int:
        """The code of an option. Raises NasError naming this choice and its legal options."""
        for code, legal in enumerate(self.options):
            if legal == option and isinstance(legal, bool) == isinstance(option, bool):
                return code
        legal_options = ", ".join(map(str, self.options))
        raise NasError(f"decision '{self.name}' cannot be {option!r}; legal: {legal_options}")

    def map(self, values: Mapping[Any, int | float | bool]) -> Value:
        """A value for each option: `op.map({"k3": 3, "k5": 5})`. Every option must be given one."""
        missing = [option for option in self.options if option not in values]
        if missing:
            raise NasError(f"choice '{self.name}' is mapped without a value for {missing}")
        return Lookup(self, tuple(values[option] for option in self.options))

    def equals(self, option: Option) -> Value:
        """True where this option is chosen."""
        chosen = self.index(option)
        return Lookup(self, tuple(code == chosen for code in range(len(self.options))))

    def differs(self, option: Option) -> Value:
        """True where another option is chosen."""
        rejected = self.index(option)
        return Lookup(self, tuple(code != rejected for code in range(len(self.options))))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Choice) and (self.name, self.options) == (other.name, other.options)

    def __hash__(self) -> int:
        return hash((self.name, self.options))

    def __repr__(self) -> str:
        return f"Choice({self.name!r}, {self.options!r})"


class Lookup(Expression):
    """A value for each option of one choice."""

    def __init__(self, choice: Choice, values: tuple[int | float | bool, ...]) -> None:
        self.choice = choice
        self.values = values
        self.choices = (choice,)
        self._array = np.array(values)

    def evaluate(self, codes: Codes) -> Any:
        """The value of the chosen option, or an array of them."""
        code = codes[self.choice.name]
        return self._array[code] if isinstance(code, np.ndarray) else self.values[int(code)]

    def __repr__(self) -> str:
        return f"{self.choice.name}.map({dict(zip(self.choice.options, self.values, strict=True))})"
