"""A latency table for a new device, from tables of known devices and a few networks measured on the new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.costs.places import entries_needed, entry_counts
from nas.costs.table import LatencyTable, TableEntry
from nas.costs.transfer import FloatArray, Transfer, require_enough
from nas.elastic import Walk

FLOOR = 0.1
"""No operator is taken to cost less than this share of what the known devices, scaled to the new one, say of it."""

FOLDS = 20
"""Up to so many measured networks are left out one at a time, more of them in so many parts."""

ROUNDS = 20
"""Of holding operators at their floor and fitting the others again."""

Entry = tuple[str, str]

CONSTANT: Entry = ("constant", "")
"""What a linear model adds to every network."""


@dataclass(frozen=True)
class TransferredEntries:
    """Milliseconds of operators on the new device, by key and position.

    Attributes:
        constant: of a linear model, where the known devices' tables are such.
        left_out: (n,) milliseconds of each measured network as the others predict them.
        floored: how many operators are held at their floor.
    """

    milliseconds: Mapping[Entry, float]
    constant: float | None
    left_out: FloatArray
    floored: int

    def listed(self) -> tuple[TableEntry, ...]:
        """As a table lists them."""
        return tuple(
            TableEntry(key=key, position=position or None, ms=value) for (key, position), value in self.milliseconds.items()
        )


class TableTransfer:
    """Networks as sums of entries, on several known devices whose tables list the same units of a space.

    Where these are linear models of whole networks, the new device gets one, too; its weights may be below 0.

    Args:
        walk: of the space, at the tables' task.
        tables: of the known devices, each complete for the space.
        codes: option indices of every decision, (count,), of random architectures.
    """

    def __init__(self, walk: Walk, tables: Sequence[LatencyTable], codes: Mapping[str, np.ndarray], count: int) -> None:
        self._walk = walk
        self._table = tables[0]
        self._positions = {(entry.key, entry.position) for table in tables for entry in table.operators}
        self._constants = [table.constant for table in tables]
        held = frozenset() if self._constants[0] is None else frozenset(self._constants[0].keys)
        needed = (entry for entry in entries_needed(walk, self._table) if entry[0] not in held)
        self.entries = list(dict.fromkeys(map(self._listed, needed)))
        side = walk.image_side({})
        known = [[table.share(*entry, side) for table in tables] for entry in self.entries]
        if held:
            self.entries.append(CONSTANT)
            known.append([constant.ms for constant in self._constants if constant is not None])
        self._known = np.array(known, dtype=np.float64)
        counts = self.counts(codes, count)
        networks = counts @ self._known
        # What a mean device says of each entry, where a mean network takes one millisecond.
        self._typical = (self._known / networks.mean(axis=0)).mean(axis=1)
        self._transfer = Transfer(networks, counts * self._typical)

    def counts(self, codes: Mapping[str, np.ndarray], count: int) -> FloatArray:
        """How often architectures have each entry: (count, K)."""
        found = np.zeros((count, len(self.entries)))
        column = {entry: index for index, entry in enumerate(self.entries)}
        for entry, times in entry_counts(self._walk, self._table, codes, count).items():
            if self._listed(entry) in column:
                found[:, column[self._listed(entry)]] += times
        if CONSTANT in column:
            found[:, column[CONSTANT]] = 1.0
        return found

    def choose(self, counts: FloatArray, number: int) -> np.ndarray:
        """The architectures of a pool, (N, K) counts, that say most about a device: indices (number,)."""
        return self._transfer.choose(counts @ self._known, counts * self._typical, number)

    def fit(self, counts: FloatArray, milliseconds: FloatArray) -> TransferredEntries:
        """Entries whose sums are what was measured, (n,) milliseconds of networks with counts (n, K), and else like those of
        the known devices.

        Raises:
            NasError: too few networks were measured.
        """
        require_enough(len(milliseconds) - 1)
        scale = milliseconds.mean() / (counts @ self._typical).mean()
        linear = CONSTANT in self.entries
        floor = np.full(len(self.entries), -np.inf) if linear else FLOOR * scale * self._typical
        entries, held = self._fitted(counts, milliseconds, floor)
        left_out = np.empty(len(milliseconds))
        folds = np.arange(len(milliseconds)) % FOLDS
        for fold in np.unique(folds):
            rest = folds != fold
            others, _ = self._fitted(counts[rest], milliseconds[rest], floor)
            left_out[~rest] = counts[~rest] @ others
        found = dict(zip(self.entries, entries.tolist(), strict=True))
        return TransferredEntries(found, found.pop(CONSTANT, None), left_out, int(held.sum()))

    def _listed(self, entry: Entry) -> Entry:
        """The entry without its position, unless a known device was measured there by itself."""
        return entry if entry in self._positions else (entry[0], "")

    def _fitted(self, counts: FloatArray, milliseconds: FloatArray, floor: FloatArray) -> tuple[FloatArray, np.ndarray]:
        """Milliseconds of each entry, none below its floor, and which are held there."""
        held = np.zeros(len(self.entries), dtype=bool)
        for _ in range(ROUNDS):
            free = counts * ~held
            rest = milliseconds - counts @ np.where(held, floor, 0.0)
            found = self._transfer.fit(free @ self._known, free * self._typical, rest)
            entries = np.where(held, floor, self._known @ found.devices + self._typical * found.parts)
            below = entries < floor
            if not below.any():
                break
            held |= below
        return np.maximum(entries, floor), held
