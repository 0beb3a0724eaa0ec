"""The latency tables there are: those of installed packages, and those that the user added.

What a user measured lies in a folder of the user's own, one file a table, named after it: `$NAS_HOME/devices`, else
`$XDG_DATA_HOME/nas/devices`, else where the platform keeps such files.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

from nas.base import plugins
from nas.base.errors import NasError, unknown
from nas.base.files import write_error, write_json
from nas.costs.devices import Devices
from nas.costs.table import LatencyTable, load_table

RESERVED = frozenset({"add", "of", "propose", "remove", "transfer"})
"""Words after 'nas devices' that are commands: a table of such a name could not be shown."""


def devices() -> Devices:
    """The tables of every installed package that declares an entry point in `nas.devices`, and those the user added.

    Such an entry point is a function without arguments that returns tables.

    Raises:
        NasError: a file of the user's folder is no table, or has a name that is taken.
    """
    return _devices(user_folder())


def user_folder() -> Path:
    """Where tables that the user adds lie; the folder need not be there."""
    given = os.environ.get("NAS_HOME")
    if given:
        return Path(given).expanduser().resolve() / "devices"
    data = Path(os.environ.get("XDG_DATA_HOME", ""))
    if not data.is_absolute():  # the convention: a relative path there is ignored
        data = _platform_folder()
    return data / "nas" / "devices"


def added_tables() -> dict[str, Path]:
    """The files in the user's folder by the name of their table."""
    return {path.stem: path for path in sorted(user_folder().glob("*.json"))}


def install_table(table: LatencyTable, replace: bool = False) -> Path:
    """Put a table beside those that ship, and return its file: from now on `devices()` has it.

    Args:
        replace: take the place of a table of that name that the user added before.

    Raises:
        NasError: a name or alias of it is taken, or its file cannot be written.
    """
    mine = added_tables()
    if table.name in mine and not replace:
        raise NasError(
            f"you added a table called '{table.name}' before ({mine[table.name]}); replace it with --replace, or remove it "
            f"first: nas devices remove {table.name}"
        )
    others = [_read_added(name, path) for name, path in mine.items() if name != table.name]
    taken = Devices([*_shipped(), *others])
    for name in (table.name, *table.aliases):
        if name in taken or name in RESERVED:
            by = f"that of device '{taken[name].device}'" if name in taken else "a command of 'nas devices'"
            raise NasError(f'a table cannot be called \'{name}\': that name is {by}; change "name" or "aliases" in its file')
    Devices([table])  # refuses a name that it gives itself twice
    path = user_folder() / f"{table.name}.json"
    write_json(path, table.model_dump(mode="json", by_alias=True))
    _devices.cache_clear()
    return path


def remove_table(name: str) -> Path:
    """Delete a table that the user added, readable or not, and return where it was.

    Raises:
        NasError: there is none of that name, or it is one that ships.
    """
    mine = added_tables()
    if name not in mine:
        shipped = Devices(_shipped())
        if name in shipped:
            raise NasError(f"table '{name}' ships with a package and stays; yours are: {', '.join(mine) or 'none'}")
        raise unknown("table of yours", name, mine, "'nas devices' lists all.")
    try:
        mine[name].unlink(missing_ok=True)
    except OSError as error:
        raise write_error(mine[name], error) from error
    _devices.cache_clear()
    return mine[name]


@cache
def _devices(folder: Path) -> Devices:
    """All tables, read once for a folder of the user's and again after a change to it."""
    shipped = _shipped()
    taken = Devices(shipped)
    mine = []
    for name, path in added_tables().items():
        table = _read_added(name, path)
        clash = next((one for one in (table.name, *table.aliases) if one in taken), None)
        if clash is not None:
            raise NasError(f"{path} is called '{clash}' as a table that ships; rename the file and the table, or remove it")
        mine.append(table)
    return Devices(sorted([*shipped, *mine], key=lambda table: table.name))


@cache
def _shipped() -> tuple[LatencyTable, ...]:
    tables: list[LatencyTable] = []
    for name in plugins.installed("devices"):
        tables += plugins.load("devices", name, "device")()
    return tuple(tables)


def _read_added(name: str, path: Path) -> LatencyTable:
    try:
        table = load_table(path)
    except NasError as error:
        raise NasError(f"{error}; mend it, or remove it: nas devices remove {name}") from error
    if table.name != name:
        raise NasError(
            f"{path} holds a table called '{table.name}'; a file here has its table's name: call it {table.name}.json"
        )
    return table


def _platform_folder() -> Path:
    """Where programs keep data of the user's."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path.home() / ".local" / "share"
