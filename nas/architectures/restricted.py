"""A part of a space: groups of decisions that may only take some of their joint options."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from nas.architectures.decisions import Decisions, Rows
from nas.architectures.groups import LISTED, Group, checked_group, hold_together
from nas.base.errors import NasError
from nas.choices import Choice, Option, Value

PROBES = 256
"""Random architectures on which it is tried that what is put together can be told apart again."""


class Restricted(Decisions):
    """The architectures whose groups of decisions have one of their kept joint options; other decisions stay free.

    Rows are those of the whole space, so that costs, networks and encodings are too. `units` are the same architectures with
    one decision for each group: what strategies work on, so that a mutation, a crossover or a neighbour exchanges whole joint
    options. `expand` and `contract` go from one form to the other.

    Args:
        whole: decisions of the space.
        groups: without a common decision.

    Raises:
        NasError: a group that is not one, decisions that follow a grammar, or architectures of several groups that only
            differ in names.
    """

    def __init__(self, whole: Decisions, groups: Sequence[Group]) -> None:
        if not groupable(whole):
            raise NasError("the architectures of this space are derived from a grammar: no decision has a place of its own")
        super().__init__(whole.choices, whole.conditions, whole.isomorphism)
        self.whole = whole
        self.groups = tuple(checked_group(whole, group) for group in groups)
        grouped = [column for group in self.groups for column in group.columns]
        if len(set(grouped)) != len(grouped):
            raise NasError("two groups hold the same decision; each decision belongs to one group at most")
        free = [Group(whole.names[column], (column,), _options(whole, column)) for column in set(range(len(self))) - {*grouped}]
        self._places = sorted([*self.groups, *free], key=lambda group: group.columns[0])
        choices = [self._choice(group) for group in self._places]
        conditions = self._unit_conditions({group.name for group in free}, choices)
        self._listed: dict[bytes, np.ndarray] | None = None
        if conditions is not None:
            self.units = Decisions(choices, conditions)
        else:
            self._listed = self._list(choices)
            known = None if self._listed is None else len(self._listed)
            self.units = Decisions(choices, None, self._representatives, known)
            self._require_told_apart()

    def expand(self, units: Rows) -> Rows:
        """Rows of `units` (N, U) -> canonical rows (N, D)."""
        rows = np.zeros((len(units), len(self)), dtype=np.uint8, order="F")
        for place, group in enumerate(self._places):
            rows[:, group.columns] = group.codes[units[:, place]]
        return self.whole.canonical(rows)

    def contract(self, rows: Rows) -> Rows:
        """Canonical rows (N, D) -> rows of `units` (N, U). Raises NasError for one outside, naming group and joint option."""
        units, outside = self._contracted(rows)
        if len(outside):
            row, place = outside[0]
            group = self._places[place]
            kept = "; ".join(str(option) for option in self.units.choices[place].options)
            given = self._described(group, rows[row])
            raise NasError(f"'{group.name}' cannot be {given} in the reduced space; kept: {kept}")
        return units

    def contains(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """See `Decisions`."""
        inside = np.ones(len(rows), dtype=bool)
        inside[[row for row, _ in self._contracted(rows)[1]]] = False
        return inside

    def check(self, rows: npt.ArrayLike) -> Rows:
        """See `Decisions`; also raises NasError for an architecture outside."""
        checked = self.whole.check(rows)
        self.contract(checked)
        return checked

    def sample(self, rng: np.random.Generator, count: int) -> Rows:
        """`count` rows, each group uniform over what it keeps and each free decision over its options."""
        return self.expand(self.units.sample(rng, count))

    def mutate(self, rows: Rows, rng: np.random.Generator, probability: float | npt.NDArray[np.float64] = 0.1) -> Rows:
        """Each group, and each free decision, is drawn anew with the given probability, or with the mean of those given."""
        return self.expand(self.units.mutate(self.contract(rows), rng, float(np.mean(probability))))

    def crossover(self, first: Rows, second: Rows, rng: np.random.Generator) -> Rows:
        """Each group, and each free decision, from either parent with equal probability."""
        return self.expand(self.units.crossover(self.contract(first), self.contract(second), rng))

    def neighbours(self, row: npt.ArrayLike) -> Rows:
        """Every distinct architecture that differs from this one in a single group or free decision."""
        return self.expand(self.units.neighbours(self.contract(self.check(np.asarray(row).reshape(1, -1)))[0]))

    def smallest(self) -> Rows:
        """(1, D): the first joint option of every group."""
        return self.expand(self.units.smallest())

    def largest(self) -> Rows:
        """(1, D): the last joint option of every group."""
        return self.expand(self.units.largest())

    def moves(self, rng: np.random.Generator) -> Iterator[Callable[[Rows], Rows]]:
        """See `Decisions`: every joint option of every group."""
        for move in self.units.moves(rng):
            yield partial(self._moved, move)

    @property
    def size(self) -> int:
        """How many different architectures are inside."""
        return self.units.size

    def _moved(self, move: Callable[[Rows], Rows], rows: Rows) -> Rows:
        return self.expand(move(self.contract(rows)))

    def _choice(self, group: Group) -> Choice:
        if len(group.columns) == 1:
            options: list[Option] = [self.choices[group.columns[0]].options[code] for code in group.codes[:, 0]]
            return Choice(group.name, tuple(options))
        rows = np.repeat(self.whole.largest(), len(group.codes), axis=0)
        rows[:, group.columns] = group.codes
        return Choice(group.name, tuple(self._described(group, row) for row in rows))

    def _described(self, group: Group, row: np.ndarray) -> str:
        """A joint option in words, such as 'depth=2 block1.kernel=3': what matters of it in an architecture (D,)."""
        if len(group.columns) == 1:
            return str(self.choices[group.columns[0]].options[row[group.columns[0]]])
        matters = self.whole.active(np.asfortranarray(row[None]))[0]
        names = {column: self.names[column].removeprefix(f"{group.name}.") for column in group.columns if matters[column]}
        return " ".join(f"{name}={self.choices[column].options[row[column]]}" for column, name in names.items())

    def _unit_conditions(self, free: set[str], choices: Sequence[Choice]) -> dict[str, Value] | None:
        """When a group matters, by name; None where that cannot be said by free decisions alone."""
        found: dict[str, Value] = {}
        if self.isomorphism is not None:
            return None
        for group, choice in zip(self._places, choices, strict=True):
            names = {self.names[column] for column in group.columns}
            conditions = [self.conditions.get(name) for name in names]
            read = {one.name for condition in conditions if condition is not None for one in condition.choices}
            if read <= names:
                continue
            outer = [condition for condition in conditions if condition is not None]
            if not read <= free or len(outer) < len(conditions) or not hold_together(outer):
                return None
            found[choice.name] = outer[0]
        return found

    def _representatives(self, units: Rows) -> Rows:
        """Of joint options that come to the same architecture, always the same ones."""
        return self.contract(self.expand(units))

    def _list(self, choices: Sequence[Choice]) -> dict[bytes, np.ndarray] | None:
        """Every architecture by its bytes, with its first row of `units`; None where there are too many."""
        sizes = [len(choice.options) for choice in choices]
        if math.prod(sizes) > LISTED:
            return None
        grid = np.indices(sizes, dtype=np.uint8).reshape(len(sizes), -1).T
        rows = np.ascontiguousarray(self.expand(np.asfortranarray(grid)))
        return {row.tobytes(): units for row, units in zip(rows[::-1], grid[::-1], strict=True)}

    def _require_told_apart(self) -> None:
        drawn = np.random.default_rng(0).random((PROBES, len(self.units))) * self.units.cardinalities
        try:
            self.contract(self.expand(np.asfortranarray(drawn, dtype=np.uint8)))
        except NasError as error:
            raise NasError(
                "architectures of this space are the same under other names, across groups of decisions, and "
                f"{self.units.size:.1e} are too many to list; keep fewer options of each group"
            ) from error

    def _contracted(self, rows: Rows) -> tuple[Rows, list[tuple[int, int]]]:
        """Rows of `units`, and the (row, place of a group) of what is outside."""
        if self._listed is None:
            return self._by_groups(rows)
        found = [self._listed.get(row.tobytes()) for row in np.ascontiguousarray(rows)]
        units = np.zeros((len(rows), len(self._places)), dtype=np.uint8, order="F")
        known = [place for place, row in enumerate(found) if row is not None]
        if known:
            units[known] = [row for row in found if row is not None]
        missing = [place for place, row in enumerate(found) if row is None]
        # Some group is to blame; where each by itself is inside, only their names across groups differ.
        blamed = dict(reversed(self._by_groups(np.asfortranarray(rows[missing]))[1])) if missing else {}
        return units, [(row, blamed.get(place, 0)) for place, row in enumerate(missing)]

    def _by_groups(self, rows: Rows) -> tuple[Rows, list[tuple[int, int]]]:
        active = self.whole.active(rows)
        units = np.zeros((len(rows), len(self._places)), dtype=np.uint8, order="F")
        outside = []
        for place, group in enumerate(self._places):
            equal = (rows[:, group.columns][:, None] == group.codes).all(axis=2)
            idle = ~active[:, group.columns].any(axis=1)
            units[:, place] = np.where(idle, 0, equal.argmax(axis=1))
            for row in np.flatnonzero(~idle & ~equal.any(axis=1)).tolist():
                code = self._in_context(rows[row], group)
                units[row, place] = code or 0
                outside += [(row, place)] * (code is None)
        return units, outside

    def _in_context(self, row: np.ndarray, group: Group) -> int | None:
        """The first joint option that is this row's where other decisions make some of its own idle."""
        trial = np.array(np.broadcast_to(row, (len(group.codes), len(row))), order="F")
        trial[:, group.columns] = group.codes
        same = (self.whole.canonical(trial) == row).all(axis=1)
        return int(same.argmax()) if same.any() else None


def groupable(decisions: Decisions) -> bool:
    """Whether an option of a decision means something by itself; not where a space says itself what a mutation is, as a grammar
    does, whose decisions have no places."""
    return isinstance(decisions, Restricted) or type(decisions).mutate is Decisions.mutate


def _options(whole: Decisions, column: int) -> Rows:
    return np.arange(whole.cardinalities[column], dtype=np.uint8)[:, None]
