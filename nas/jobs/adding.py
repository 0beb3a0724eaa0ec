"""Installing a latency table of the user's own: a table's file, or what was measured with a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas.base import plugins
from nas.base.errors import NasError
from nas.base.files import read_json
from nas.costs import LatencyTable, added_tables, devices, install_table, load_table
from nas.jobs.measuring import require_name
from nas.measuring import merged, tabulate
from nas.measuring.results import LARGEST_FILE, Results, read_results, rebuild, timings_of
from nas.supernet import Space, open_space


def add_device(
    file: str | Path, name: str | None = None, space: str | Space | None = None, replace: bool = False
) -> dict[str, Any]:
    """Check a file and install the table that it is or makes.

    Args:
        file: a latency table, or `results.json` of a bundle's runner.
        name: of the table that results make; a table's file has its own.
        space: whose operators the results are of; by default the installed one that they name.
        replace: take the place of a table of that name that the user added.

    Returns:
        {"name", "file", "device", "operators", "accuracy", "warnings", "next"}.

    Raises:
        NasError: the file is neither, or the name is taken.
    """
    path = Path(file)
    if is_results(path):
        table, warnings = _from_results(path, name, space, replace)
        # Its operators are among these; a table of that name that was measured otherwise was refused.
        replace = True
    else:
        if name is not None or space is not None:
            given = "--name" if name is not None else "--space"
            raise NasError(f'{given} is for the results.json of a bundle; a latency table says its own "name" in the file')
        table, warnings = load_table(path), []
    installed = install_table(table, replace)
    return {
        "name": table.name,
        "file": str(installed),
        "device": table.device,
        "operators": len(table.operators),
        "accuracy": [entry.model_dump() for entry in table.accuracy],
        "warnings": warnings,
        "next": [f"nas devices {table.name}", f"nas search --target {table.name}-latency=LIMIT"],
    }


def is_results(path: Path) -> bool:
    """Whether a JSON file was written by a runner, as far as its first level tells."""
    if path.is_file() and path.stat().st_size > LARGEST_FILE:
        raise NasError(
            f"{path} has {path.stat().st_size >> 20} MB; neither tables nor results have more than {LARGEST_FILE >> 20}"
        )
    content = read_json(path, "latency table")
    return isinstance(content, dict) and "results" in content and "plan" in content


def _from_results(path: Path, name: str | None, space: str | Space | None, replace: bool) -> tuple[LatencyTable, list[str]]:
    results = read_results(path)
    if name is None:
        raise NasError(f"give the table of {path} a --name, as it will stand in targets: --name board gives board-latency")
    known = devices()[name] if name in added_tables() and not replace else None
    require_name(name, {} if known is None else results.plan.conditions)
    timings = timings_of(results)
    table = tabulate(name, rebuild(results, _space(results, space)), results.plan, timings)
    if known is not None:
        if (known.device, known.runtime) != (table.device, table.runtime):
            raise NasError(
                f"the table '{name}' that you added is of {known.device}, {known.runtime}, and {path} is of {table.device}, "
                f"{table.runtime}; choose another --name, or replace it: --replace"
            )
        table = merged(known, table)
    return table, timings.warnings()


def _space(results: Results, given: str | Space | None) -> Space:
    """The space that the results name. No file is run because a stranger's results name it."""
    if given is not None:
        return open_space(given) if isinstance(given, str) else given
    name = results.plan.space
    if name.partition(":")[0] not in plugins.installed("spaces"):
        raise NasError(
            f"these are results of the space '{name}', which no installed package has; name the file that you measured: "
            "--space path/to/file.py:NAME"
        )
    return open_space(name)
