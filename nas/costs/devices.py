"""Latency tables by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from nas.base.errors import NasError, unknown
from nas.costs.table import LatencyTable


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
