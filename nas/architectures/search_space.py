"""A search space without its networks: decisions, known architectures, and the border between objects and rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from nas.architectures.architecture import Architecture
from nas.architectures.decisions import Decisions, Rows
from nas.architectures.sampling import Bound, sample_bounded
from nas.base.errors import NasError, unknown
from nas.choices import Option


class SearchSpace:
    """What a search needs to know of a space. Free of torch; `nas.Space` adds the networks and their costs.

    Args:
        name: as the user types it, such as 'mbconv:single-path'.
        decisions: the choices and when they matter.
        known: published architectures by name, as decisions.
    """

    def __init__(self, name: str, decisions: Decisions, known: Mapping[str, Mapping[str, Option]] | None = None) -> None:
        self.name = name
        self.decisions = decisions
        self._known = dict(known or {})

    @cached_property
    def known(self) -> Mapping[str, Architecture]:
        """Published architectures by name; an unknown name raises NasError that lists them."""
        return _Known(self.name, {name: self.validate(given) for name, given in self._known.items()})

    @property
    def size(self) -> int:
        """How many different architectures there are."""
        return self.decisions.size

    @cached_property
    def smallest(self) -> Architecture:
        """Every decision at its first option."""
        return self.decode(self.decisions.smallest())[0]

    @cached_property
    def largest(self) -> Architecture:
        """Every decision at its last option."""
        return self.decode(self.decisions.largest())[0]

    def validate(self, given: Mapping[str, Any] | str) -> Architecture:
        """An architecture of this space from a mapping, an `Architecture`, or JSON text.

        Decisions that do not matter may be given and are dropped.

        Raises:
            NasError: names the offending decision and its legal options.
        """
        chosen = self._decisions_of(given)
        extra = [name for name in chosen if name not in self.decisions.column]
        if extra:
            raise unknown(f"decision of space '{self.name}'", extra[0], self.decisions.names)
        row = np.zeros((1, len(self.decisions)), dtype=np.uint8, order="F")
        for column, choice in enumerate(self.decisions.choices):
            if choice.name in chosen:
                row[0, column] = choice.index(chosen[choice.name])
        row = self.decisions.canonical(row)
        for name, matters in zip(self.decisions.names, self.decisions.active(row)[0], strict=True):
            if matters and name not in chosen:
                legal = ", ".join(map(str, self.decisions.choices[self.decisions.column[name]].options))
                raise NasError(f"decision '{name}' is missing; legal: {legal}")
        return self.decode(row)[0]

    def _decisions_of(self, given: Mapping[str, Any] | str) -> Mapping[str, Any]:
        if isinstance(given, Architecture):
            space, chosen = given.space, dict(given.decisions)
        elif isinstance(given, str) or "decisions" in given:
            space, chosen = Architecture.parse(given)
        else:
            return given
        if space and space != self.name:
            raise NasError(f"this architecture belongs to space '{space}', not to '{self.name}'")
        return chosen

    def encode(self, architectures: Iterable[Architecture | Mapping[str, Any]]) -> Rows:
        """Integer rows (N, D) of the architectures. Raises NasError, as `validate` does, for one that is none."""
        found = [a if isinstance(a, Architecture) and a.space == self.name else self.validate(a) for a in architectures]
        codes = np.zeros((len(found), len(self.decisions)), dtype=np.int64)
        given = np.zeros(codes.shape, dtype=bool)
        for row, architecture in enumerate(found):
            for name, option in architecture.decisions:
                column = self.decisions.column.get(name)
                if column is None:
                    self.validate(architecture)
                else:
                    codes[row, column] = self.decisions.choices[column].index(option)
                    given[row, column] = True
        rows = self.decisions.check(codes)
        for incomplete in np.flatnonzero((self.decisions.active(rows) & ~given).any(axis=1)):
            self.validate(found[incomplete])
        return rows

    def decode(self, rows: Any) -> list[Architecture]:
        """The architectures of integer rows (N, D). Raises NasError for codes out of range."""
        checked = self.decisions.check(rows)
        active = self.decisions.active(checked)
        result = []
        for row, used in zip(checked.tolist(), active.tolist(), strict=True):
            pairs = zip(self.decisions.choices, row, used, strict=True)
            result.append(Architecture(self.name, tuple((c.name, c.options[code]) for c, code, on in pairs if on)))
        return result

    def one_hot(self, architectures: Iterable[Architecture]) -> np.ndarray:
        """(N, sum of options) float32; nothing is set for a decision that does not matter."""
        return self.decisions.one_hot(self.encode(architectures))

    def from_one_hot(self, encoded: Any) -> list[Architecture]:
        """The inverse of `one_hot`."""
        return self.decode(self.decisions.from_one_hot(encoded))

    def sample(self, rng: np.random.Generator, count: int = 1, bounds: Sequence[Bound] = ()) -> list[Architecture]:
        """`count` random architectures that keep the bounds, repetitions possible.

        Raises:
            NasError: nothing legal exists or was found; gives the space's minimum, median and maximum.
        """
        return self.decode(sample_bounded(self.decisions, rng, count, bounds))

    def mutate(self, architecture: Architecture, rng: np.random.Generator, probability: float = 0.1) -> Architecture:
        """Each decision drawn anew with the given probability."""
        return self.decode(self.decisions.mutate(self.encode([architecture]), rng, probability))[0]

    def crossover(self, first: Architecture, second: Architecture, rng: np.random.Generator) -> Architecture:
        """Each decision from either parent with equal probability."""
        return self.decode(self.decisions.crossover(self.encode([first]), self.encode([second]), rng))[0]

    def neighbours(self, architecture: Architecture) -> list[Architecture]:
        """Every distinct architecture that differs in one decision."""
        return self.decode(self.decisions.neighbours(self.encode([architecture])[0]))


class _Known(Mapping[str, Architecture]):
    """A mapping whose missing names are explained."""

    def __init__(self, space: str, architectures: Mapping[str, Architecture]) -> None:
        self._space = space
        self._architectures = dict(architectures)

    def __getitem__(self, name: str) -> Architecture:
        if name not in self._architectures:
            raise unknown(f"known network of space '{self._space}'", name, self._architectures)
        return self._architectures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._architectures)

    def __len__(self) -> int:
        return len(self._architectures)

    def __contains__(self, name: object) -> bool:
        return name in self._architectures
