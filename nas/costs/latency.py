"""The latency of a network as the sum of a device's table over its operators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.base.errors import NasError
from nas.choices import Choice
from nas.costs.compiled import Term
from nas.costs.estimates import Estimator
from nas.costs.measured import MeasuredOptions, measured_options
from nas.costs.places import Place, grid, places
from nas.costs.table import LatencyTable
from nas.elastic import Walk


def latency_terms(walk: Walk, table: LatencyTable, estimator: Estimator | None = None) -> list[Term]:
    """Milliseconds of one image on the table's device; infinite at resolutions that are searched and were not measured.

    Args:
        estimator: gives those of operators that the table lacks, where estimates are allowed.

    Raises:
        NasError: the table lacks an operator that some network of the space needs, of which the first are listed, or has too
            little to estimate one; or it is a linear model of other networks.
    """
    measured = measured_options(walk, table)
    missing = _missing_at_the_ends(walk, table, measured) if estimator is None else {}
    if missing:
        raise _lacking(table, missing, "at least ")
    seen: dict[str, int] = {}
    found: set[tuple[str, str]] = set()
    terms = []
    for place in places(walk, table):
        found.add((place.kind, place.position))
        needed = _needed(place, table, measured, walk)
        values = np.zeros(len(needed.entries) + 1)
        lacking = []
        for number, (key, resolution) in enumerate(needed.entries):
            milliseconds = table.lookup(key, place.position, resolution)
            if milliseconds is None and key in table.shared and needed.always_the_same:
                seen[key] = seen.get(key, 0) + 1
                milliseconds = 0.0
            if milliseconds is None:
                lacking.append(number)
                milliseconds = np.nan
            values[number] = milliseconds
        if lacking and estimator is not None:
            values[lacking] = estimator([needed.entries[number][0] for number in lacking])
        else:
            for number in lacking:
                missing.setdefault(needed.entries[number][0], place.path)
        terms.append(_lookup_term(needed.choices, values[needed.index]))
    if missing:
        raise _lacking(table, missing)
    _require_every_place(table, found)
    if measured is not None and not measured.legal.all():
        terms.append(Term((measured.choice,), measured.price))
    return terms + _joint_terms(table, seen)


@dataclass(frozen=True)
class _Needed:
    """What one place needs of a table.

    Attributes:
        choices: by which it differs.
        entries: keys, each with the resolution of the images, None where the table does not tell resolutions apart.
        index: (assignments of the choices,) the entry, or -1, which is none, where the place is not run or not measured.
        legal: (assignments,) where the resolution was measured.
    """

    choices: tuple[Choice, ...]
    entries: list[tuple[str, int | None]]
    index: npt.NDArray[np.intp]
    legal: npt.NDArray[np.bool_]

    @property
    def always_the_same(self) -> bool:
        """Whether every architecture runs the place, with the same key."""
        return len(self.entries) == 1 and int(self.index[self.legal].min()) == 0


def _needed(place: Place, table: LatencyTable, measured: MeasuredOptions | None, walk: Walk) -> _Needed:
    choices = place.choices
    if measured is not None and table.tells_resolutions:
        choices = (*(choice for choice in choices if choice.name != measured.choice.name), measured.choice)
    codes, count = grid(choices)
    legal = np.zeros(count, dtype=bool)
    index = np.full(count, -1)
    entries: list[tuple[str, int | None]] = []
    for resolution, rows in _parts(codes, count, table, measured, walk):
        legal[rows] = True
        keys, which = place.keys({name: column[rows] for name, column in codes.items()}, len(rows))
        index[rows] = np.where(which < 0, -1, which + len(entries))
        entries += [(key, resolution) for key in keys]
    return _Needed(choices, entries, index, legal)


def _parts(
    codes: Mapping[str, np.ndarray], count: int, table: LatencyTable, measured: MeasuredOptions | None, walk: Walk
) -> Iterator[tuple[int | None, np.ndarray]]:
    """The measured assignments, by the resolution of their images where the table tells these apart."""
    if measured is None:
        side = walk.image_side({}) if table.tells_resolutions else None
        yield side, np.arange(count)
    elif table.tells_resolutions:
        for code in measured.codes:
            yield int(measured.sides[code]), np.flatnonzero(codes[measured.choice.name] == code)
    elif measured.choice.name in codes:
        yield None, np.flatnonzero(measured.legal[codes[measured.choice.name]])
    else:
        yield None, np.arange(count)


def lacking_keys(walk: Walk, table: LatencyTable, codes: Mapping[str, int]) -> tuple[list[str], int]:
    """The operators of one architecture that a table lacks, as often as it has them, and how many operators it has.

    Args:
        codes: option index of every decision.
    """
    one = {name: np.array([code]) for name, code in codes.items()}
    lacking, count = [], 0
    for place in places(walk, table):
        for key in place.keys(one, 1)[0]:
            count += 1
            if table.lookup(key, place.position) is None and key not in table.shared:
                lacking.append(key)
    return lacking, count


def _missing_at_the_ends(walk: Walk, table: LatencyTable, measured: MeasuredOptions | None) -> dict[str, str]:
    """Keys that the table lacks for the architectures of all first and all last options, with the places that need them.

    It takes no time, and tells a space that the table was not made for before every key of it is spelt out.
    """
    missing: dict[str, str] = {}
    for place in places(walk, table):
        codes = {choice.name: np.array([0, len(choice.options) - 1]) for choice in place.choices}
        if measured is not None and measured.choice.name in codes:
            codes[measured.choice.name] = measured.codes[[0, -1]]
        for key in place.keys(codes, 2)[0]:
            if table.lookup(key, place.position) is None and key not in table.shared:
                missing.setdefault(key, place.path)
    return missing


def _lacking(table: LatencyTable, missing: Mapping[str, str], least: str = "") -> NasError:
    listed = "; ".join(f"{key} (at {path or 'the top'})" for key, path in list(missing.items())[:3])
    made = f"It was made for {' and '.join(table.spaces)}. " if table.spaces else ""
    return NasError(
        f"table '{table.name}' lacks {least}{len(missing)} operator{'s' * (len(missing) > 1)} that this space can need, the "
        f"first: {listed}. {made}Use a space or a device that fit together: 'nas devices {table.name}' says what it covers; or "
        "have what it lacks estimated from its entries: --allow-estimates"
    )


def _require_every_place(table: LatencyTable, found: set[tuple[str, str]]) -> None:
    """Refuse a network without some place of a linear model, whose constant would not hold for it."""
    if table.constant is None:
        return
    needed = {(entry.kind, entry.position): None for entry in table.operators if entry.position is not None}
    absent = [(kind, position) for kind, position in needed if (kind, position) not in found]
    if absent:
        kind, position = absent[0]
        raise NasError(
            f"table '{table.name}' is a linear model of networks that can have a '{kind}' at '{position}', and this space's "
            f"cannot; use a space that it was made for: {', '.join(table.spaces) or 'its source says which'}"
        )


def _joint_terms(table: LatencyTable, seen: Mapping[str, int]) -> list[Term]:
    """What stands for several operators at once: each group that is there, and the constant in any case."""
    terms = []
    for joint in table.joint:
        counts = [seen.get(key, 0) for key in joint.keys]
        if not any(counts) and joint is not table.constant:
            continue
        if set(counts) - {1}:
            wrong = next(key for key, n in zip(joint.keys, counts, strict=True) if n != 1)
            raise NasError(
                f"table '{table.name}' has one figure for {len(joint.keys)} operators together, so each must be in every "
                f"network exactly once; '{wrong}' is there {seen.get(wrong, 0)} times"
            )
        terms.append(_constant_term(joint.ms))
    return terms


def _constant_term(milliseconds: float) -> Term:
    return Term((), lambda codes: milliseconds)


def _lookup_term(choices: tuple[Choice, ...], table: np.ndarray) -> Term:
    """Milliseconds (assignments of the choices,) as a function of whatever codes are asked for."""
    sizes = [len(choice.options) for choice in choices]
    names = [choice.name for choice in choices]

    def measure(asked: Mapping[str, Any]) -> Any:
        if not names:
            return table[0]
        return table[np.ravel_multi_index([np.asarray(asked[name], dtype=np.int64) for name in names], sizes)]

    return Term(choices, measure)
