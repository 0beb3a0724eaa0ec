"""Latency tables: a device's milliseconds for each operator, in a documented schema.

A table is one JSON file, checked when it is read (see docs/tables.md):

    schema       1
    name         as typed in a target: 'pixel1' gives 'pixel1-latency'
    aliases      other names for it
    device, runtime, dtype, threads, batch, resolution, channels, classes
                 what was measured, on what; null where the source does not say; a list of resolutions where there are several
    spaces       the spaces that it was made for, all of whose networks it can sum up
    source, licence, note
    operators    [{"key": ..., "ms": ..., "spread": ..., "count": ..., "position": ..., "resolution": ...}, ...]
    groups       [{"keys": [...], "ms": ...}, ...]   operators that were only measured together
    constant     {"keys": [...], "ms": ...}          of a linear model of whole networks
    (each of these may have "mj", too, millijoules: then all have it, and 'pixel1-energy' is a metric as well)
    estimated    how the entries were estimated; null where they were measured
    accuracy     [...]   how well sums told the time of whole networks, see `TableAccuracy`

An operator's key is text made by `operator_key`. `position` names one place of the network that was measured by itself;
in other networks the mean over all positions of the same key is used. `resolution` does the same for networks whose images had
that side, in a table of several resolutions: small maps have the same key in networks of different resolution.

A table with a constant is a linear model: a network's latency is the constant and one weight for each of its places. What a
weight is by itself depends on the constant, so it may be negative, holds at its own place alone, and every place must be there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nas.base.errors import NasError
from nas.base.files import read_json

NAME = r"^[a-z0-9][a-z0-9.-]*$"
"""What a table may be called."""

INTO_CONV, FREE_ACT, REPEATED = "into_conv", "free_act", "repeated"
"""Attributes of keys that say what a runtime can save (see `nas.costs.fusions`); left out of a key where they are 0."""

SAVINGS = frozenset({INTO_CONV, FREE_ACT, REPEATED})

Milliseconds = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Signed = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[int, Field(gt=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TableEntry(_Strict):
    """One operator: its key, milliseconds, and what is known of their spread. Below 0 only where the table has a
    constant.

    Attributes:
        alone: what it took by itself, where `ms` was corrected by whole networks.
        mj: millijoules.
        position: see above.
    """

    key: str
    ms: Signed
    spread: Milliseconds | None = None
    count: int | None = None
    alone: Milliseconds | None = None
    mj: Signed | None = None
    position: str | None = None
    resolution: int | None = None

    @property
    def kind(self) -> str:
        """The first word of the key."""
        return kind_of(self.key)


class TableGroup(_Strict):
    """Operators that were only measured together; each must be in the network exactly once."""

    keys: tuple[str, ...]
    ms: Milliseconds
    mj: Milliseconds | None = None


class TableConstant(_Strict):
    """What a linear model adds to every network, and the operators that it stands for; each must be there exactly once."""

    keys: tuple[str, ...]
    ms: Signed
    mj: Signed | None = None


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
    dtype: str | None
    threads: int | None
    batch: Positive
    resolution: Positive | Annotated[tuple[Positive, ...], Field(min_length=1)]
    channels: Positive
    classes: Positive
    spaces: tuple[str, ...] = ()
    source: str
    licence: str
    note: str = ""
    operators: tuple[TableEntry, ...]
    groups: tuple[TableGroup, ...] = ()
    accuracy: tuple[TableAccuracy, ...] = ()
    constant: TableConstant | None = None
    estimated: str | None = None

    @property
    def resolutions(self) -> tuple[int, ...]:
        """The sides of the images at which networks were measured, ascending."""
        return (self.resolution,) if isinstance(self.resolution, int) else tuple(sorted(set(self.resolution)))

    @property
    def sides(self) -> str:
        """The resolutions in words: '160, 176 and 224 px'."""
        *others, last = map(str, self.resolutions)
        return f"{', '.join(others)} and {last} px" if others else f"{last} px"

    def resolution_for(self, own: int) -> int:
        """The resolution at which networks are summed up whose space has a resolution of its own: that, or the largest."""
        return own if own in self.resolutions else self.resolutions[-1]

    @property
    def metric(self) -> str:
        """What targets call the sum of its figures."""
        return f"{self.name}-latency"

    @cached_property
    def energy(self) -> EnergyTable | None:
        """The same table with millijoules in place of milliseconds; None where it has none."""
        figures = [part.mj for part in (*self.operators, *self.joint)]
        if all(figure is None for figure in figures):
            return None
        lacking = next((number for number, figure in enumerate(figures) if figure is None), None)
        if lacking is not None:
            of = f"operators.{lacking}" if lacking < len(self.operators) else "a group or the constant"
            raise NasError(f"{of} has no mj, and others have; give the energy of all, or of none")
        fields = self.model_dump(by_alias=True) | {"accuracy": ()}
        for part in (*fields["operators"], *fields["groups"], *filter(None, [fields["constant"]])):
            part["ms"] = part.pop("mj")
        return EnergyTable.model_validate(fields)

    @property
    def method(self) -> str:
        """What a latency of this table is."""
        if self.estimated is not None:
            return f"estimated: {self.estimated}"
        return "summed from measured operators" if self.constant is None else "the sum of a linear model of whole networks"

    @cached_property
    def tells_resolutions(self) -> bool:
        """Whether the same operator has figures of its own in networks of different resolution."""
        return any(entry.resolution is not None for entry in self.operators)

    @cached_property
    def _figures(self) -> dict[tuple[str, str | None, int | None], float]:
        """Key, position and resolution -> milliseconds; None stands for the mean over all that are listed."""
        listed: dict[tuple[str, str | None, int | None], float] = {}
        alike: dict[tuple[str, str | None, int | None], list[float]] = {}
        for number, entry in enumerate(self.operators):
            if entry.ms < 0 and self.constant is None:
                raise NasError(
                    f"operators.{number}.ms is {entry.ms:g}; it may be below 0 only in a table with a constant, where it is "
                    "the weight of a linear model"
                )
            if entry.resolution is not None and entry.resolution not in self.resolutions:
                raise NasError(f"operators.{number}.resolution is {entry.resolution}; the table was measured at {self.sides}")
            place = entry.key, entry.position, entry.resolution
            if place in listed:
                at = f" at position '{entry.position}'" if entry.position else ""
                of = f" at {entry.resolution} px" if entry.resolution else ""
                raise NasError(f"operators.{number} lists '{entry.key}' twice{at}{of}")
            listed[place] = entry.ms
            for position in {entry.position, None}:
                for resolution in {entry.resolution, None}:
                    alike.setdefault((entry.key, position, resolution), []).append(entry.ms)
        means = {} if self.constant is not None else {place: sum(values) / len(values) for place, values in alike.items()}
        return {**means, **listed}

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of operators or units that have entries, alone or in groups."""
        keys = [entry.key for entry in self.operators] + [key for joint in self.joint for key in joint.keys]
        return frozenset(map(kind_of, keys))

    @cached_property
    def tells_fusions(self) -> bool:
        """Whether its keys tell places apart where a runtime saves an operator; see `nas.costs.fusions`."""
        return any(f" {name}=" in entry.key for entry in self.operators for name in SAVINGS)

    @property
    def joint(self) -> tuple[TableGroup | TableConstant, ...]:
        """What stands for several operators at once: the groups, and the constant."""
        return self.groups if self.constant is None else (*self.groups, self.constant)

    @cached_property
    def shared(self) -> frozenset[str]:
        """The keys of operators that one figure stands for together with others."""
        return frozenset(key for joint in self.joint for key in joint.keys)

    def share(self, key: str, position: str = "", resolution: int | None = None) -> float | None:
        """Milliseconds of an operator as `lookup` gives them; of one that was measured in a group, an equal part of that."""
        group = next((group for group in self.groups if key in group.keys), None)
        found = self.lookup(key, position, resolution)
        return found if found is not None or group is None else group.ms / len(group.keys)

    def lookup(self, key: str, position: str = "", resolution: int | None = None) -> float | None:
        """Milliseconds of an operator; None where it is missing.

        Args:
            position: the place of the network, for tables that measured each by itself.
            resolution: of the network's images, for tables that tell resolutions apart.
        """
        for at in (position or None, None):
            for side in (resolution, None):
                found = self._figures.get((key, at, side))
                if found is not None:
                    return found
        return None


class EnergyTable(LatencyTable):
    """The energy of a device's operators: wherever a table has milliseconds, these are millijoules."""

    @property
    def metric(self) -> str:
        """What targets call the sum of its figures."""
        return f"{self.name}-energy"


def kind_of(key: str) -> str:
    """The kind of an operator or unit, which its key begins with."""
    return key.split(" ", 1)[0]


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
        _ = table._figures, table.energy and table.energy._figures
    except NasError as error:
        raise NasError(f"latency table {path} is not valid: {error}") from error
    return table
