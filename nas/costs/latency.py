"""The latency of a network as the sum of a device's table over its operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nas.base.errors import NasError
from nas.costs.compiled import Term
from nas.costs.places import Place, grid, places
from nas.costs.table import LatencyTable
from nas.elastic import Walk


def required_keys(walk: Walk) -> dict[str, list[str]]:
    """Every operator key that networks of the space can need, with the places that need it."""
    needed: dict[str, list[str]] = {}
    for place in places(walk, None):
        codes, count = grid(place.choices)
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
    for place in places(walk, table.kinds):
        codes, count = grid(place.choices)
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
    for place in places(walk, table.kinds):
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


def _lookup_term(place: Place, values: np.ndarray) -> Term:
    """The values depend on the codes through the keys, which are found again for whatever codes are asked for."""
    codes, count = grid(place.choices)
    _, index = place.keys(codes, count)
    table = values[index]
    sizes = [len(choice.options) for choice in place.choices]
    names = [choice.name for choice in place.choices]

    def measure(asked: Mapping[str, Any]) -> Any:
        if not names:
            return table[0]
        return table[np.ravel_multi_index([np.asarray(asked[name], dtype=np.int64) for name in names], sizes)]

    return Term(place.choices, measure)
