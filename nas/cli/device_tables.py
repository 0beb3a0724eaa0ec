"""Devices and their latency tables on standard output."""

from __future__ import annotations

from collections.abc import Sequence

from nas.cli.tables import new_table, open_console
from nas.costs import LatencyTable
from nas.jobs.coverage import Covered


def print_devices(tables: Sequence[LatencyTable]) -> None:
    """One line for each device: what was measured and how, and the spaces it was made for; then the sources."""
    console = open_console()
    if not tables:
        console.print("none is installed")
        return
    titles = ("name", "device", "runtime", "measured in", "px", "operators", "complete for", "licence")
    listed = new_table(*titles)
    for table in tables:
        listed.add_row(
            table.name,
            table.device,
            table.runtime or "not stated",
            _how(table),
            ", ".join(map(str, table.resolutions)),
            str(len(table.operators) + sum(len(joint.keys) for joint in table.joint)),
            ", ".join(table.spaces),
            table.licence,
        )
    console.print(listed)
    for source in dict.fromkeys(table.source for table in tables):
        names = ", ".join(table.name for table in tables if table.source == source)
        console.print(f"{names}: {source}", style="dim", soft_wrap=True)
    console.print("\nnas devices NAME, nas search --space SPACE --target NAME-latency=80ms", style="dim")


def _how(table: LatencyTable) -> str:
    """The type of numbers, the threads where they are known, and the batch."""
    threads = [] if table.threads is None else [f"{table.threads} thread{'s' * (table.threads != 1)}"]
    return ", ".join([table.dtype or "dtype not stated", *threads, f"batch {table.batch}"])


def print_device(table: LatencyTable, complete: Sequence[Covered]) -> None:
    """A device's table with where it comes from."""
    console = open_console()
    facts = {
        "device": table.device,
        "runtime": table.runtime,
        "dtype": table.dtype,
        "threads": table.threads,
        "batch": table.batch,
        "resolution": f"{table.sides}, {table.channels} channels, {table.classes} classes",
        "figures": table.method,
        "source": table.source,
        "licence": table.licence,
        "note": table.note,
        "aliases": ", ".join(table.aliases),
        "complete for": ", ".join(map(str, complete)) or "no installed space",
    }
    for name, value in facts.items():
        console.print(f"{name:<13} {'not stated by the source' if value is None else value}", soft_wrap=True)
    listed = new_table("operator", "where", "ms", "spread")
    for entry in table.operators:
        where = entry.position or ("" if entry.resolution is None else f"{entry.resolution} px")
        listed.add_row(entry.key, where, f"{entry.ms:.4f}", "" if entry.spread is None else f"{entry.spread:.4f}")
    for joint in table.joint:
        where = "constant" if joint is table.constant else "together"
        listed.add_row("\n".join(joint.keys), where, f"{joint.ms:.4f}", "")
    console.print(listed)
