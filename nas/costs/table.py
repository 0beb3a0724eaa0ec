"""Latency tables: a device's milliseconds for each operator, in a documented schema.

A table is one JSON file, checked when it is read (see docs/tables.md):

    schema       1
    name         as typed in a target: 'pixel1' gives 'pixel1-latency'
    aliases      other names for it
    device, runtime, dtype, threads, batch, resolution, channels, classes
                 what was measured, on what; null where the source does not say
    source, licence, note
    operators    [{"key": ..., "ms": ..., "spread": ..., "count": ..., "position": ...}, ...]
    groups       [{"keys": [...], "ms": ...}, ...]   operators that were only measured together
    accuracy     [...]   how well sums told the time of whole networks, see `TableAccuracy`

An operator's key is text made by `operator_key`. `position` names one place of the network that was measured by itself;
in other networks the mean over all positions of the same key is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nas.base.errors import NasError, unknown
from nas.base.files import read_json

NAME = r"^[a-z0-9][a-z0-9.-]*$"
"""What a table may be called."""

Milliseconds = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TableEntry(_Strict):
    """One operator: its key, milliseconds, and what is known of their spread.

    Attributes:
        alone: what it took by itself, where `ms` was corrected by whole networks.
        position: see above.
    """

    key: str
    ms: Milliseconds
    spread: Milliseconds | None = None
    count: int | None = None
    alone: Milliseconds | None = None
    position: str | None = None


class TableGroup(_Strict):
    """Operators that were only measured together; each must be in the network exactly once."""

    keys: tuple[str, ...]
    ms: Milliseconds


class TableAccuracy(_Strict):
    """How well sums over the table told the time of whole networks that were measured beside it.

    Attributes:
        space: whose networks.
        fitted_on: networks that the figures of the table were corrected by.
        uncorrected_mape: mean absolute error without the correction.
        networks: other networks, on which the rest is: mean absolute error and bias in percent, root mean square error in
            milliseconds, percent of the networks within 5 and 10 percent, rank correlations.
    """

    space: str
    fitted_on: int
    uncorrected_mape: float
    networks: int
    mape: float
    bias: float
    rmse: float
    within_5: float
    within_10: float
    spearman: float | None
    kendall_tau: float | None


class LatencyTable(_Strict):
    """The latency of a device's operators; the figure of a network is the sum over its operators."""

    schema_: Literal[1] = Field(alias="schema")
    name: str = Field(pattern=NAME)
    aliases: tuple[str, ...] = ()
    device: str
    runtime: str | None
    dtype: str
    threads: int | None
    batch: int = Field(gt=0)
    resolution: int = Field(gt=0)
    channels: int = Field(gt=0)
    classes: int = Field(gt=0)
    source: str
    licence: str
    note: str = ""
    operators: tuple[TableEntry, ...]
    groups: tuple[TableGroup, ...] = ()
    accuracy: tuple[TableAccuracy, ...] = ()

    @cached_property
    def _by_place(self) -> dict[tuple[str, str | None], float]:
        places: dict[tuple[str, str | None], float] = {}
        sums: dict[str, list[float]] = {}
        for entry in self.operators:
            if (entry.key, entry.position) in places:
                where = f" at position '{entry.position}'" if entry.position else ""
                raise NasError(f"table '{self.name}' lists '{entry.key}' twice{where}")
            places[entry.key, entry.position] = entry.ms
            sums.setdefault(entry.key, []).append(entry.ms)
        for key, values in sums.items():
            places.setdefault((key, None), sum(values) / len(values))
        return places

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of operators or units that have entries, alone or in groups."""
        keys = [entry.key for entry in self.operators] + [key for group in self.groups for key in group.keys]
        return frozenset(key.split(" ", 1)[0] for key in keys)

    def lookup(self, key: str, position: str = "") -> float | None:
        """Milliseconds of an operator, at a position of the network where that was measured; None where it is missing."""
        found = self._by_place.get((key, position or None))
        return self._by_place.get((key, None)) if found is None else found


def operator_key(kind: str, inputs: Iterable[object], output: Iterable[object], attributes: Mapping[str, object]) -> str:
    """The key of an operator: kind, shapes without the batch dimension, attributes in alphabetical order.

    >>> operator_key("conv", (3, 224, 224), (32, 112, 112), {"kernel": 3, "act": "relu"})
    'conv 3x224x224->32x112x112 act=relu kernel=3'
    """
    shapes = "x".join(map(str, inputs)) + "->" + "x".join(map(str, output))
    return " ".join([kind, shapes, *(f"{name}={attributes[name]}" for name in sorted(attributes))])


def load_table(path: Path) -> LatencyTable:
    """Read and check a table. Raises NasError with the file, the field and what is wrong with it."""
    content = read_json(path, "latency table")
    try:
        table = LatencyTable.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise NasError(f"latency table {path} is not valid: {place}: {first['msg']}") from error
    try:
        _ = table._by_place
    except NasError as error:
        raise NasError(f"latency table {path} is not valid: operators: {error}") from error
    return table


class Devices(Mapping[str, LatencyTable]):
    """Installed tables by name; aliases and unknown names are resolved by look-up."""

    def __init__(self, tables: Iterable[LatencyTable]) -> None:
        self._tables: dict[str, LatencyTable] = {}
        self._aliases: dict[str, str] = {}
        for table in tables:
            names = (table.name, *table.aliases)
            if len(set(names)) < len(names):
                raise NasError(f"latency table '{table.name}' is called by one of its names twice: {', '.join(names)}")
            for name in names:
                if name in self._tables or name in self._aliases:
                    raise NasError(f"two latency tables are both called '{name}'")
            self._tables[table.name] = table
            self._aliases.update(dict.fromkeys(table.aliases, table.name))

    def __getitem__(self, name: str) -> LatencyTable:
        resolved = self._aliases.get(name, name)
        if resolved not in self._tables:
            raise unknown("device", name, [*self._tables, *self._aliases], "'nas devices' describes each.")
        return self._tables[resolved]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __contains__(self, name: object) -> bool:
        return name in self._tables or name in self._aliases
