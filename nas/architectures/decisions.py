"""Decisions as integer rows: every operation of a search on many architectures at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from nas.base.errors import NasError
from nas.choices import Choice, Expression, Value, assignments, evaluate, free_choices

Rows: TypeAlias = npt.NDArray[np.uint8]
"""(N, D) option indices, one architecture a row, one decision a column; stored column by column (Fortran order), because
every cost and every condition reads whole columns."""


class Decisions:
    """The choices of a space in order, and for each the condition under which it matters.

    Args:
        choices: in the order in which the network meets them, so that a condition only reads earlier choices.
        conditions: choice name -> symbolic truth value; a choice without one always matters.
        isomorphism: maps rows (N, D), whose idle decisions are 0, to one representative of the architectures that are the
            same but for their names (cells whose nodes are numbered otherwise); vectorised, and twice is the same as once.
        size: how many architectures there are, where `isomorphism` leaves fewer than the decisions have assignments; without
            it every assignment counts, as papers count cells.
    """

    typical = 2000
    """How many random architectures stand for all where a message says what the space has."""

    def __init__(
        self,
        choices: Sequence[Choice],
        conditions: Mapping[str, Value] | None = None,
        isomorphism: Callable[[Rows], Rows] | None = None,
        size: int | None = None,
    ) -> None:
        if not choices:
            raise NasError("a search space needs at least one choice")
        names = [choice.name for choice in choices]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise NasError(f"choice name used twice: {', '.join(repeated)}; give each choice a name of its own")
        self.isomorphism = isomorphism
        self._given_size = size
        self.choices = tuple(choices)
        self.names = tuple(names)
        self.cardinalities = np.array([len(choice.options) for choice in choices])
        self.column = {name: index for index, name in enumerate(names)}
        self.conditions: dict[str, Expression] = {}
        for name, condition in (conditions or {}).items():
            if isinstance(condition, Expression):
                late = [c.name for c in condition.choices if self.column[c.name] >= self.column[name]]
                if late:
                    raise NasError(f"choice '{name}' depends on {', '.join(late)}, which the network meets only later")
                self.conditions[name] = condition

    def __len__(self) -> int:
        return len(self.choices)

    def codes(self, rows: Rows) -> dict[str, npt.NDArray[np.uint8]]:
        """Columns by name, the form in which expressions read them."""
        return {name: rows[:, index] for index, name in enumerate(self.names)}

    def check(self, rows: npt.ArrayLike) -> Rows:
        """Integer rows of the right shape and range as canonical rows. Raises NasError naming the first bad decision."""
        given = np.asarray(rows)
        if given.ndim != 2 or given.shape[1] != len(self) or not np.issubdtype(given.dtype, np.integer):
            raise NasError(f"architectures as rows are integers of shape (N, {len(self)}); given {given.dtype} {given.shape}")
        bad = (given < 0) | (given >= self.cardinalities)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise NasError(
                f"row {row} has code {given[row, column]} for decision '{self.names[column]}'; "
                f"legal: 0 to {self.cardinalities[column] - 1}"
            )
        return self.canonical(np.asfortranarray(given, dtype=np.uint8))

    def contains(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """(N,): which canonical rows of the space's decisions are architectures of it; all, unless some are excluded."""
        return np.ones(len(rows), dtype=bool)

    def active(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """(N, D): which decisions matter in which canonical row."""
        mask = np.ones(rows.shape, dtype=bool, order="F")
        codes = self.codes(rows)
        for name, condition in self.conditions.items():
            mask[:, self.column[name]] = evaluate(condition, codes)
        return mask

    def canonical(self, rows: Rows) -> Rows:
        """The rows with option 0 wherever a decision does not matter, and the representative of isomorphic ones."""
        if self.isomorphism is not None:
            return np.asfortranarray(self.isomorphism(self._idle_zero(rows)))
        return self._idle_zero(rows)

    def _idle_zero(self, rows: Rows) -> Rows:
        if not self.conditions:
            return rows
        result = np.array(rows, order="F")
        codes = self.codes(result)
        for name in self.names:
            if name in self.conditions:
                idle = ~np.asarray(evaluate(self.conditions[name], codes), dtype=bool)
                result[idle, self.column[name]] = 0
        return result

    def sample(self, rng: np.random.Generator, count: int) -> Rows:
        """`count` canonical rows, each decision uniform over its options and independent of the others."""
        drawn = rng.random((len(self), count)) * self.cardinalities[:, None]
        return self.canonical(drawn.astype(np.uint8).T)

    def filled(self, rows: Rows, rng: np.random.Generator) -> Rows:
        """The rows with an option drawn uniformly wherever a decision does not matter; not canonical.

        An operator that makes a decision matter starts from these. From canonical rows every layer that a search adds would
        have its first option, and evolution would drift towards it.
        """
        if not self.conditions:
            return rows
        drawn = (rng.random(rows.shape) * self.cardinalities).astype(np.uint8)
        return _pick(self.active(rows), rows, drawn)

    def mutate(self, rows: Rows, rng: np.random.Generator, probability: float | npt.NDArray[np.float64] = 0.1) -> Rows:
        """Each decision is drawn anew with the given probability, or one of its own (D,), so that the option drawn may be the
        old one; a decision that did not matter and now does is always drawn."""
        drawn = (rng.random(rows.shape) * self.cardinalities).astype(np.uint8)
        changed = rng.random(rows.shape) < probability
        if self.conditions:
            changed |= ~self.active(rows)
        return self.canonical(_pick(changed, drawn, rows))

    def crossover(self, first: Rows, second: Rows, rng: np.random.Generator) -> Rows:
        """Each decision from either parent with equal probability (uniform crossover); see `mix`."""
        return self.mix(rng.random(first.shape) < 0.5, first, second, rng)

    def mix(self, mask: npt.NDArray[np.bool_], first: Rows, second: Rows, rng: np.random.Generator) -> Rows:
        """Decisions (N, D) of the first parent where the mask says so, else of the second; one that matters in a single parent
        comes from that one, and one that matters in neither is drawn."""
        if self.conditions:
            ours, theirs = self.active(first), self.active(second)
            mask = (mask & ours & theirs) | (ours & ~theirs)
            drawn = (rng.random(first.shape) * self.cardinalities).astype(np.uint8)
            second = _pick(ours | theirs, second, drawn)
        return self.canonical(_pick(mask, first, second))

    def neighbours(self, row: npt.ArrayLike) -> Rows:
        """Every distinct architecture that differs from this one in a single decision; decisions that come to matter by that
        have their first option."""
        origin = self.check(np.asarray(row).reshape(1, -1))
        active = self.active(origin)[0]
        variants = []
        for column in np.flatnonzero(active):
            for code in range(self.cardinalities[column]):
                if code != origin[0, column]:
                    variant = origin[0].copy()
                    variant[column] = code
                    variants.append(variant)
        if not variants:
            return np.empty((0, len(self)), dtype=np.uint8, order="F")
        return np.asfortranarray(np.unique(self.canonical(np.asfortranarray(variants)), axis=0))

    def one_hot(self, rows: Rows) -> npt.NDArray[np.float32]:
        """(N, sum of cardinalities): a one for each chosen option, nothing for decisions that do not matter."""
        offsets = np.concatenate([[0], np.cumsum(self.cardinalities)[:-1]])
        encoded = np.zeros((len(rows), int(self.cardinalities.sum())), dtype=np.float32)
        row, column = np.nonzero(self.active(rows))
        encoded[row, offsets[column] + rows[row, column]] = 1.0
        return encoded

    def from_one_hot(self, encoded: npt.ArrayLike) -> Rows:
        """The inverse of `one_hot`; a decision without a one takes its first option."""
        given = np.asarray(encoded)
        if given.ndim != 2 or given.shape[1] != int(self.cardinalities.sum()):
            raise NasError(f"a one-hot encoding has shape (N, {int(self.cardinalities.sum())}); given {given.shape}")
        parts = np.split(given, np.cumsum(self.cardinalities)[:-1], axis=1)
        return self.check(np.stack([part.argmax(axis=1) for part in parts], axis=1))

    def smallest(self) -> Rows:
        """(1, D): every decision at its first option."""
        return self.canonical(np.zeros((1, len(self)), dtype=np.uint8, order="F"))

    def largest(self) -> Rows:
        """(1, D): every decision at its last option."""
        return self.canonical(np.asfortranarray((self.cardinalities - 1).reshape(1, -1), dtype=np.uint8))

    def moves(self, rng: np.random.Generator) -> Iterator[Callable[[Rows], Rows]]:
        """The small changes that one sweep of a descent tries: every option of every decision, decisions in random order."""
        for column in rng.permutation(len(self)).tolist():
            for code in range(self.cardinalities[column]):
                yield partial(self._assigned, column, code)

    def _assigned(self, column: int, code: int, rows: Rows) -> Rows:
        changed = np.array(rows, order="F")
        changed[:, column] = code
        return self.canonical(changed)

    @cached_property
    def size(self) -> int:
        """How many different architectures there are, exactly."""
        if self._given_size is not None:
            return self._given_size
        total = 1
        for names in self._components():
            choices = [self.choices[self.column[name]] for name in names]
            guards = free_choices(*(self.conditions[name] for name in names if name in self.conditions))
            guard_names = {choice.name for choice in guards}
            leaves = [choice for choice in choices if choice.name not in guard_names]
            total *= self._count(guards, leaves)
        return total

    def _count(self, guards: tuple[Choice, ...], leaves: list[Choice]) -> int:
        """Sum over the distinct settings of the guards of the product of what is left free under each."""
        if not guards:
            return math.prod(len(choice.options) for choice in leaves)
        ordered = sorted(guards, key=lambda choice: self.column[choice.name])
        grid = assignments(ordered)
        for choice in ordered:
            if choice.name in self.conditions:
                idle = ~np.asarray(evaluate(self.conditions[choice.name], grid), dtype=bool)
                grid[choice.name] = np.where(idle, 0, grid[choice.name])
        settings = np.unique(np.stack([grid[choice.name] for choice in ordered], axis=1), axis=0)
        codes = {choice.name: settings[:, index] for index, choice in enumerate(ordered)}
        free = np.ones(len(settings), dtype=object)
        for choice in leaves:
            used = np.asarray(evaluate(self.conditions[choice.name], codes), dtype=bool)
            free = free * np.where(used, len(choice.options), 1).astype(object)
        return int(free.sum())

    def _components(self) -> list[list[str]]:
        """Groups of choices that conditions tie together."""
        group = {name: {name} for name in self.names}
        for name, condition in self.conditions.items():
            joined = group[name].union(*(group[choice.name] for choice in condition.choices))
            for member in joined:
                group[member] = joined
        unique = {id(members): members for members in group.values()}
        return [sorted(members, key=lambda name: self.column[name]) for members in unique.values()]


def _pick(mask: npt.NDArray[np.bool_], yes: Rows, no: Rows) -> Rows:
    """`np.where` for small unsigned integers, several times faster: three operations on whole machine words."""
    bits = np.negative(mask.view(np.uint8))
    picked: Rows = np.asfortranarray(no ^ ((no ^ yes) & bits))
    return picked
