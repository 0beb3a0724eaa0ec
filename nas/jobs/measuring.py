"""Measuring a latency table on a device."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.base.files import write_json
from nas.base.progress import Reporter, Silent
from nas.costs import LatencyTable, added_tables, devices, install_table
from nas.costs.table import NAME
from nas.jobs.typical import typical_cost
from nas.measuring import Measurement, Request, claim, merged, open_connection, read_plan, read_timings, tabulate
from nas.measuring.bundle import require_bundle, write_bundle
from nas.supernet import Space, open_space

MACS_A_SECOND = 1e10
"""Assumed of one thread before anything was timed."""

SECONDS_A_MODEL = 0.05
"""Assumed for loading a model once."""


@dataclass(frozen=True)
class Listing:
    """What would be measured.

    Attributes:
        blocks: key, how many places of the network need it, multiply-adds.
        networks: whole networks beside them.
        minutes: a guess at the time that measuring takes.
    """

    blocks: list[dict[str, Any]]
    networks: int
    minutes: float


def list_operators(space: str | Space, request: Request) -> Listing:
    """The distinct operators and units of a space, and about how long it takes to time them."""
    measurement = Measurement(_opened(space), request)
    rows = [{"key": block.key, "places": block.places} for block in measurement.blocks.all]
    return Listing(rows, len(measurement.networks), _minutes(measurement))


def measure(
    space: str | Space,
    device: str,
    request: Request,
    folder: str | Path | None = None,
    name: str | None = None,
    reporter: Reporter | None = None,
    python: str | None = None,
) -> dict[str, Any]:
    """Time every operator and unit that networks of a space can need, and write the table.

    Stopped at any moment, the same call goes on where it was.

    Args:
        space: its name, or the space.
        device: this machine under a name for its table, or an address such as ssh://user@board.
        folder: for models and timings; measurements/NAME by default.
        name: of the table; the device's by default.
        python: path of the Python on a device that has an address; python3 by default.

    Returns:
        {"table": path, "name", "operators", "accuracy", "warnings", "device", "next"}.

    Raises:
        NasError: see `Measurement`; or the device cannot be reached.
    """
    reporter = reporter or Silent()
    connection = open_connection(device, python)
    called = name or device
    if connection.remote and name is None:
        raise NasError(f"give the table of {device} a --name, as it will stand in targets: --name board gives board-latency")
    measurement = Measurement(_opened(space), request)
    require_name(called, measurement.conditions)
    if connection.remote and not measurement.runtime.remote:
        raise NasError(f"runtime '{request.runtime}' runs on this machine alone; use onnxruntime on {device}")
    place = Path(folder) if folder is not None else Path("measurements") / called
    if not finished(place):
        connection.require(measurement.plan(), measurement.runtime.loader)
    plan = measurement.prepare(place, reporter)
    claim(place, connection)
    connection.run(place, plan, reporter)
    return finish(place, called, measurement, space if isinstance(space, str) else None)


def bundle(
    space: str | Space, path: str | Path, request: Request, folder: str | Path | None = None, reporter: Reporter | None = None
) -> dict[str, Any]:
    """Write what `measure` would run as one zip file, to be run by hand on a machine that is not reached from here.

    Args:
        path: of the file, ending with .zip.
        folder: for the models; measurements/NAME by default, with the name of the file.

    Returns:
        {"bundle": path, "models", "megabytes", "next"}.

    Raises:
        NasError: see `Measurement`; or the runtime runs on this machine alone.
    """
    target = Path(path)
    require_bundle(target)
    measurement = Measurement(_opened(space), request)
    if not measurement.runtime.remote:
        raise NasError(f"runtime '{request.runtime}' runs on this machine alone; use onnxruntime in a bundle")
    place = Path(folder) if folder is not None else Path("measurements") / target.stem
    plan = measurement.prepare(place, reporter or Silent())
    write_bundle(place, plan, target)
    return {
        "bundle": str(target),
        "models": len(plan.models),
        "megabytes": round(target.stat().st_size / 1e6, 1),
        "next": [
            f"on the device: unzip {target.name}, go into its folder, python3 runner.py .",
            "nas devices add results.json --name NAME",
        ],
    }


def require_name(name: str, conditions: Mapping[str, Any]) -> None:
    """Raise NasError where a table of that name is another's, or was measured otherwise than under these conditions."""
    if not re.fullmatch(NAME, name):
        raise NasError(f"a table cannot be called '{name}': lower-case letters, digits, dots and dashes; choose a --name")
    if name not in devices():
        return
    if name not in added_tables():
        raise NasError(f"'{name}' is a table that ships; choose another --name")
    known = devices()[name]
    if known.estimated is not None:
        raise NasError(
            f"the table '{name}' that you added is an estimate; choose another --name, or remove it: nas devices remove {name}"
        )
    for what, value in conditions.items():
        if getattr(known, what) != value:
            raise NasError(
                f"the table '{name}' that you added has {what}={getattr(known, what)}, not {value}; choose another --name, or "
                f"remove it: nas devices remove {name}"
            )


def finished(folder: Path) -> bool:
    """Whether everything in a folder has been timed."""
    return (folder / "plan.json").exists() and read_timings(folder, read_plan(folder)).finished


def finish(folder: Path, name: str, measurement: Measurement, space: str | None = None) -> dict[str, Any]:
    """Write the table of a folder in which everything has been timed, and install it.

    Args:
        space: how it was named, for the commands that may come next; None for an object.
    """
    plan = read_plan(folder)
    timings = read_timings(folder, plan)
    table = tabulate(name, measurement, plan, timings)
    if name in added_tables():
        table = merged(devices()[name], table)
    path = folder / f"{name}.json"
    write_table(table, path)
    installed = install_table(table, replace=True)
    return {
        "table": str(path),
        "installed": str(installed),
        "name": name,
        "space": plan.space,
        "device": table.device,
        "runtime": table.runtime,
        "operators": len(table.operators),
        "accuracy": [entry.model_dump() for entry in table.accuracy],
        "warnings": timings.warnings(),
        "next": [_search_next(measurement.space, space, table.metric), f"nas devices {name}"],
    }


def write_table(table: LatencyTable, path: Path) -> None:
    """Write a table in its documented schema."""
    write_json(path, table.model_dump(mode="json", by_alias=True))


def _search_next(space: Space, named: str | None, metric: str) -> str:
    """The command that searches what was measured."""
    target = f"{metric}={typical_cost(space, metric):.3g}ms"
    if named is None:
        return f"nas.search(space=SPACE, targets=[{target!r}])  # in Python, with the same object"
    return f"nas search --space {shlex.quote(named)} --target {target}"


def _opened(space: str | Space) -> Space:
    return open_space(space) if isinstance(space, str) else space


def _minutes(measurement: Measurement) -> float:
    """Loading and calls of every model, in every round; networks are taken as large as the largest."""
    space, request = measurement.space, measurement.request
    models = len(measurement.blocks.all) + len(measurement.networks)
    largest = float(space.compiled("macs", measurement.task)(space.decisions.largest())[0])
    # Together the blocks are a few networks' worth.
    macs = largest * (len(measurement.networks) + 5) * request.batch
    seconds = request.rounds * (models * SECONDS_A_MODEL + 10 * macs / (MACS_A_SECOND * request.threads)) + 0.5 * models
    return seconds / 60
