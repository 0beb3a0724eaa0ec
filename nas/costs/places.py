"""The places of a network that need an entry of a latency table, and the keys by which it is found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.choices import Choice, Value, assignments, evaluate, free_choices
from nas.costs.fusions import fusions_of
from nas.costs.table import SAVINGS, LatencyTable, operator_key
from nas.elastic import Operator, Walk

COSTLESS = frozenset({"fork", "reshape", "slice"})
"""Kinds that move no data at all."""


@dataclass(frozen=True)
class Place:
    """One entry that a network needs: a unit, or an operator outside the units that the table lists.

    Attributes:
        input, output: shapes without the batch; of an operator's first input.
        attributes: what the key holds beside them.
        position: of a unit, where tables may list each place by itself.
        guard: in which architectures it is run.
        path: of the unit's module, or the module that ran the operator.
        operator: None for a unit.
    """

    kind: str
    input: tuple[Value, ...]
    output: tuple[Value, ...]
    attributes: Mapping[str, Value | str]
    position: str
    guard: Value
    path: str
    operator: Operator | None = None

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What its key depends on, and whether it is run."""
        symbolic = [value for value in self.attributes.values() if not isinstance(value, str)]
        return free_choices(self.guard, *self.input, *self.output, *symbolic)

    def shape_at(self, shape: tuple[Value, ...], codes: Mapping[str, int]) -> tuple[int, ...]:
        """A shape of this place in one architecture."""
        return tuple(int(evaluate(size, codes)) for size in shape)

    def attributes_at(self, codes: Mapping[str, int]) -> dict[str, Any]:
        """The attributes in one architecture."""
        return {name: value if isinstance(value, str) else evaluate(value, codes) for name, value in self.attributes.items()}

    def keys(self, codes: Mapping[str, np.ndarray], count: int) -> tuple[list[str], np.ndarray]:
        """The distinct keys over the given codes, and for each assignment its index, or -1 where it is not run."""
        columns = {
            name: np.broadcast_to(np.asarray(value if isinstance(value, str) else evaluate(value, codes)), (count,))
            for name, value in self.attributes.items()
        }
        shapes = [
            [np.broadcast_to(np.asarray(evaluate(size, codes)), (count,)) for size in shape]
            for shape in (self.input, self.output)
        ]
        run = np.broadcast_to(np.asarray(evaluate(self.guard, codes), dtype=bool), (count,))
        index = np.full(count, -1)
        rows = np.flatnonzero(run)
        if not len(rows):
            return [], index
        every = [*columns.values(), *shapes[0], *shapes[1]]
        # What the key is made of, as small integers, so that each distinct key is spelt out once.
        numbered = np.stack([np.unique(column[rows], return_inverse=True)[1] for column in every], axis=1)
        _, first, which = np.unique(numbered, axis=0, return_index=True, return_inverse=True)
        found: dict[str, int] = {}
        places = []
        for row in rows[first]:
            inputs, output = ([size[row] for size in shape] for shape in shapes)
            attributes = {name: column[row] for name, column in columns.items() if name not in SAVINGS or column[row]}
            key = operator_key(self.kind, inputs, output, attributes)
            places.append(found.setdefault(key, len(found)))
        index[rows] = np.array(places)[which.reshape(-1)]
        return list(found), index


def places(walk: Walk, table: LatencyTable | None) -> Iterator[Place]:
    """The outermost units of kinds that the table lists, and every operator that is in none of them.

    Without a table: the outermost units, whatever they are, but for those without operators, which cost nothing by themselves.
    The resize of the images to a resolution that is searched is no part of the network on the device.
    """
    filled = {index for operator in walk.operators for index in operator.units}
    fusions = fusions_of(walk) if table is None or table.tells_fusions else None
    table_kinds = None if table is None else table.kinds
    taken: set[int] = set()
    for index, use in enumerate(walk.units):
        inside = use.parent is not None and use.parent in taken
        if inside or (index in filled if table_kinds is None else use.unit.kind in table_kinds):
            taken.add(index)
            if not inside:
                attributes = {**use.unit.attributes, **(fusions.of_unit(index) if fusions is not None else {})}
                yield Place(use.unit.kind, use.input, use.output, attributes, use.unit.position, use.guard, use.path)
    for step, operator in enumerate(walk.operators):
        if operator is walk.image_resize or operator.kind in COSTLESS or any(unit in taken for unit in operator.units):
            continue
        yield Place(
            operator.kind,
            operator.inputs[0].shape[1:],
            operator.output.shape[1:],
            {**operator.attributes, **(fusions.of(step) if fusions is not None else {})},
            "",
            operator.guard,
            operator.path,
            operator,
        )


def required_keys(walk: Walk) -> dict[str, list[str]]:
    """Every operator key that networks of the space can need, with the places that need it."""
    needed: dict[str, list[str]] = {}
    for place in places(walk, None):
        codes, count = grid(place.choices)
        for key in place.keys(codes, count)[0]:
            needed.setdefault(key, []).append(place.path)
    return needed


def entries_needed(walk: Walk, table: LatencyTable) -> list[tuple[str, str]]:
    """Every entry, as key and position, that networks can need of a table."""
    found: dict[tuple[str, str], None] = {}
    for place in places(walk, table):
        for key in place.keys(*grid(place.choices))[0]:
            found[key, place.position] = None
    return list(found)


def entry_counts(
    walk: Walk, table: LatencyTable, codes: Mapping[str, np.ndarray], count: int
) -> dict[tuple[str, str], np.ndarray]:
    """How often each of `count` architectures has each entry, (count,), by key and position.

    Args:
        codes: (count,) option indices of every decision.
    """
    found: dict[tuple[str, str], np.ndarray] = {}
    for place in places(walk, table):
        keys, index = place.keys(codes, count)
        for number, key in enumerate(keys):
            entry = key, place.position
            found[entry] = found.get(entry, np.zeros(count)) + (index == number)
    return found


def listed_places(walk: Walk, table: LatencyTable) -> tuple[str, ...]:
    """The units and operators, by their paths, of which networks need an entry in a table."""
    return tuple(place.path for place in places(walk, table))


def grid(choices: tuple[Choice, ...]) -> tuple[dict[str, np.ndarray], int]:
    """The codes of all joint options, and how many these are."""
    if not choices:
        return {}, 1
    codes = assignments(choices)
    return codes, len(next(iter(codes.values())))
