"""The latency of a network as the sum of a device's table over its operators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.base.errors import NasError
from nas.choices import Choice, Value, assignments, evaluate, free_choices
from nas.costs.compiled import Term
from nas.costs.table import LatencyTable, operator_key
from nas.elastic import Walk

COSTLESS = frozenset({"fork", "reshape", "slice"})
"""Kinds that move no data at all."""


@dataclass(frozen=True)
class _Place:
    """One entry that a network needs: a unit, or an operator outside the units that the table lists."""

    kind: str
    input: tuple[Value, ...]
    output: tuple[Value, ...]
    attributes: Mapping[str, Value | str]
    position: str
    guard: Value
    path: str

    @property
    def choices(self) -> tuple[Choice, ...]:
        symbolic = [value for value in self.attributes.values() if not isinstance(value, str)]
        return free_choices(self.guard, *self.input, *self.output, *symbolic)

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
            key = operator_key(self.kind, inputs, output, {name: column[row] for name, column in columns.items()})
            places.append(found.setdefault(key, len(found)))
        index[rows] = np.array(places)[which.reshape(-1)]
        return list(found), index


def _places(walk: Walk, table_kinds: frozenset[str] | None) -> Iterator[_Place]:
    """The outermost units of kinds that the table lists, and every operator that is in none of them.

    Without kinds: the outermost units, whatever they are.
    """
    taken: set[int] = set()
    for index, use in enumerate(walk.units):
        inside = use.parent is not None and use.parent in taken
        if inside or table_kinds is None or use.unit.kind in table_kinds:
            taken.add(index)
            if not inside:
                yield _Place(use.unit.kind, use.input, use.output, use.unit.attributes, use.unit.position, use.guard, use.path)
    for operator in walk.operators:
        if operator.kind in COSTLESS or any(unit in taken for unit in operator.units):
            continue
        yield _Place(
            operator.kind,
            operator.inputs[0].shape[1:],
            operator.output.shape[1:],
            operator.attributes,
            "",
            operator.guard,
            operator.path,
        )


def required_keys(walk: Walk) -> dict[str, list[str]]:
    """Every operator key that networks of the space can need, with the places that need it."""
    needed: dict[str, list[str]] = {}
    for place in _places(walk, None):
        codes, count = _grid(place.choices)
        for key in place.keys(codes, count)[0]:
            needed.setdefault(key, []).append(place.path)
    return needed


def latency_terms(walk: Walk, table: LatencyTable) -> list[Term]:
    """Milliseconds of one image on the table's device.

    Raises:
        NasError: the table lacks an operator that some network of the space needs; lists the first of them.
    """
    missing = _missing_at_the_ends(walk, table)
    if missing:
        raise _lacking(table, missing, "at least ")
    grouped = {key: group for group in table.groups for key in group.keys}
    seen: dict[str, int] = {}
    terms = []
    for place in _places(walk, table.kinds):
        codes, count = _grid(place.choices)
        keys, index = place.keys(codes, count)
        values = np.zeros(len(keys) + 1)
        for number, key in enumerate(keys):
            milliseconds = table.lookup(key, place.position)
            if milliseconds is None and key in grouped and len(keys) == 1 and index.min() == 0:
                seen[key] = seen.get(key, 0) + 1
                milliseconds = 0.0
            if milliseconds is None:
                missing.setdefault(key, place.path)
                milliseconds = np.nan
            values[number] = milliseconds
        terms.append(_lookup_term(place, values))
    if missing:
        raise _lacking(table, missing)
    for group in table.groups:
        counts = [seen.get(key, 0) for key in group.keys]
        if any(counts) and set(counts) != {1}:
            wrong = next(key for key, n in zip(group.keys, counts, strict=True) if n != 1)
            raise NasError(
                f"table '{table.name}' measured {len(group.keys)} operators only together, so each must be in every "
                f"network exactly once; '{wrong}' is there {seen.get(wrong, 0)} times"
            )
        if any(counts):
            terms.append(_constant_term(group.ms))
    return terms


def _missing_at_the_ends(walk: Walk, table: LatencyTable) -> dict[str, str]:
    """Keys that the table lacks for the architectures of all first and all last options, with the places that need them.

    It takes no time, and tells a space that the table was not made for before every key of it is spelt out.
    """
    grouped = {key for group in table.groups for key in group.keys}
    missing: dict[str, str] = {}
    for place in _places(walk, table.kinds):
        codes = {choice.name: np.array([0, len(choice.options) - 1]) for choice in place.choices}
        for key in place.keys(codes, 2)[0]:
            if table.lookup(key, place.position) is None and key not in grouped:
                missing.setdefault(key, place.path)
    return missing


def _lacking(table: LatencyTable, missing: Mapping[str, str], least: str = "") -> NasError:
    listed = "; ".join(f"{key} (at {path or 'the top'})" for key, path in list(missing.items())[:3])
    return NasError(
        f"table '{table.name}' lacks {least}{len(missing)} operator{'s' * (len(missing) > 1)} that this space can need, the "
        f"first: {listed}. Use a space or a device that fit together: 'nas devices {table.name}' says what it covers."
    )


def _constant_term(milliseconds: float) -> Term:
    return Term((), lambda codes: milliseconds)


def _grid(choices: tuple[Choice, ...]) -> tuple[dict[str, np.ndarray], int]:
    if not choices:
        return {}, 1
    codes = assignments(choices)
    return codes, len(next(iter(codes.values())))


def _lookup_term(place: _Place, values: np.ndarray) -> Term:
    """The values depend on the codes through the keys, which are found again for whatever codes are asked for."""
    codes, count = _grid(place.choices)
    _, index = place.keys(codes, count)
    table = values[index]
    sizes = [len(choice.options) for choice in place.choices]
    names = [choice.name for choice in place.choices]

    def measure(asked: Mapping[str, Any]) -> Any:
        if not names:
            return table[0]
        return table[np.ravel_multi_index([np.asarray(asked[name], dtype=np.int64) for name in names], sizes)]

    return Term(place.choices, measure)
