"""A new device from a few measurements: which networks to measure, and the table that follows from them."""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from nas.architectures.decisions import Rows
from nas.base.errors import NasError, unknown
from nas.base.files import write_text
from nas.base.seeds import generator
from nas.costs import LatencyTable, install_table
from nas.costs.table_transfer import TableTransfer, TransferredEntries
from nas.costs.transfer import require_enough
from nas.jobs.known_devices import known_devices
from nas.runs.config import illegal
from nas.searching.tables import read_table
from nas.supernet import Space

POOL = 2000
"""Random architectures by which devices are compared, and among which those to measure are chosen."""

METRIC = "ms"


def propose_networks(space: Space, networks: int, out: str | Path, known: Sequence[str] = (), seed: int = 0) -> dict[str, Any]:
    """Choose networks that say most about a new device, and write them to a CSV file with an empty column of milliseconds.

    Returns:
        {"space", "task", "known", "file", "architectures", "next"}.

    Raises:
        NasError: no device is known for the space, or the file is there or cannot be written.
    """
    path = Path(out)
    if path.exists():
        raise NasError(f"{path} is there already, and may hold measurements; give another --out")
    tables = known_devices(space, known)
    transfer, rows, counts = _opened(space, tables, seed)
    chosen = space.decode(rows[transfer.choose(counts, networks)])
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\n")
    lines.writerow(["architecture", METRIC])
    lines.writerows([json.dumps(one.to_json()), ""] for one in chosen)
    write_text(path, written.getvalue())
    return {
        "space": space.name,
        "task": str(space.task_for(tables[0])),
        "known": [table.name for table in tables],
        "file": str(path),
        "architectures": [one.to_json() for one in chosen],
        "next": [
            f"nas devices transfer --space {shlex.quote(space.name)} --measured {shlex.quote(str(path))} --name MY-DEVICE"
        ],
    }


def transfer_device(
    space: Space,
    measured: str | Path,
    name: str,
    known: Sequence[str] = (),
    device: str | None = None,
    runtime: str | None = None,
    dtype: str = "float32",
    threads: int | None = None,
    replace: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Estimate a table for a new device, and install it among the user's own.

    Args:
        measured: CSV file of architectures and their milliseconds on the device, as whole networks at the task of the known
            tables.
        known: names of tables to transfer from; by default all that are complete for the space.
        device, runtime, dtype, threads: what was measured and how, for whoever reads the table.
        replace: take the place of a table of that name that the user added.

    Returns:
        {"name", "space", "task", "known", "networks", "error", "within_10", "spearman", "operators", "floored", "file",
        "next"}; errors in percent are those of measured networks that were left out.

    Raises:
        NasError: whatever is wrong with the file, the name or the devices; nothing is installed then.
    """
    rows, milliseconds = _measured(measured, space)
    require_enough(len(rows) - 1)
    tables = known_devices(space, known, but=name)
    transfer, _, _ = _opened(space, tables, seed)
    found = transfer.fit(transfer.counts(_codes(space, rows), len(rows)), milliseconds)
    errors = np.abs(found.left_out / milliseconds - 1.0)
    spearman = _spearman(found.left_out, milliseconds)
    names, first = [one.name for one in tables], tables[0]
    estimated = (
        f"by transfer from {len(rows)} networks measured on the device and from {', '.join(names)}; "
        f"measured networks that were left out are {100 * errors.mean():.1f} % off (Spearman {spearman:.2f})"
    )
    stated = {"name": name, "device": device or name, "runtime": runtime, "dtype": dtype, "threads": threads}
    source = f"networks measured by the user ({Path(measured).name})"
    table = _table(space, tables, found, {**stated, "estimated": estimated}, source)
    path = install_table(table, replace)
    return {
        "name": name,
        "space": space.name,
        "task": str(space.task_for(first)),
        "known": names,
        "networks": len(rows),
        "error": float(100 * errors.mean()),
        "within_10": float(np.mean(errors <= 0.1)),
        "spearman": spearman,
        "operators": len(table.operators),
        "floored": found.floored,
        "file": str(path),
        "next": [
            f"nas search --space {shlex.quote(space.name)} --target {name}-latency={np.median(milliseconds):.3g}ms",
            f"nas devices {name}",
        ],
    }


def _table(
    space: Space, tables: Sequence[LatencyTable], found: TransferredEntries, stated: Mapping[str, Any], source: str
) -> LatencyTable:
    """The entries as a table, at the task of the known ones.

    Args:
        stated: what the user said of the device, and how the entries were estimated.
    """
    first = tables[0]
    constant = None if first.constant is None else {"keys": first.constant.keys, "ms": found.constant}
    return _checked(
        {
            "schema": first.schema_,
            **stated,
            "batch": first.batch,
            "resolution": space.task_for(first).resolution,
            "channels": first.channels,
            "classes": first.classes,
            "source": "; ".join(dict.fromkeys([source, *(table.source for table in tables)])),
            "licence": "; ".join(dict.fromkeys(table.licence for table in tables)),
            "spaces": [space.name],
            "operators": [entry.model_dump() for entry in found.listed()],
            "constant": constant,
        }
    )


def _opened(space: Space, tables: Sequence[LatencyTable], seed: int) -> tuple[TableTransfer, Rows, np.ndarray]:
    """The transfer, and random architectures with their counts of entries."""
    rows = np.unique(space.decisions.sample(generator(seed, "transfer"), POOL), axis=0)
    transfer = TableTransfer(space.walk(space.task_for(tables[0])), tables, _codes(space, rows), len(rows))
    return transfer, np.asfortranarray(rows), transfer.counts(_codes(space, rows), len(rows))


def _codes(space: Space, rows: Rows) -> dict[str, np.ndarray]:
    return {name: rows[:, column].astype(np.int64) for name, column in space.decisions.column.items()}


def _measured(path: str | Path, space: Space) -> tuple[Rows, np.ndarray]:
    """Architectures and what was measured of them; those without a figure are left out."""
    table = read_table(path, space)
    metric = METRIC if METRIC in table.metrics or len(table.metrics) > 1 else table.metrics[0]
    if metric not in table.metrics:
        raise unknown(f"column of {path}", METRIC, table.metrics, "Milliseconds stand in a column called 'ms'.")
    rows, figures = table.known(metric)
    if not np.all(figures > 0):
        raise NasError(f"{path}: milliseconds are above zero; given {figures.min():g}")
    return rows, figures


def _spearman(predicted: np.ndarray, measured: np.ndarray) -> float:
    from scipy.stats import spearmanr

    constant = bool(np.ptp(predicted) == 0 or np.ptp(measured) == 0)
    return 0.0 if constant else float(spearmanr(predicted, measured).statistic)


def _checked(content: dict[str, Any]) -> LatencyTable:
    try:
        return LatencyTable.model_validate(content)
    except ValidationError as error:
        raise illegal(error) from error
