"""Devices and their latency tables on standard output."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from nas.cli.tables import new_table, open_console
from nas.costs import KindQuality, LatencyTable
from nas.costs.table import TableAccuracy
from nas.jobs.coverage import Covered


def print_devices(tables: Sequence[LatencyTable], mine: Collection[str]) -> None:
    """One line for each device: what was measured and how, and the spaces it was made for; then the sources.

    Args:
        mine: names of those that the user added.
    """
    console = open_console()
    if not tables:
        console.print("none is installed")
        return
    titles = ("name", "device", "runtime", "measured in", "px", "operators", "complete for", "licence")
    listed = new_table(*titles)
    for table in tables:
        listed.add_row(
            f"{table.name} (yours)" if table.name in mine else table.name,
            table.device,
            table.runtime or "not stated",
            _how(table),
            ", ".join(map(str, table.resolutions)),
            str(len(table.operators) + sum(len(joint.keys) for joint in table.joint))
            + ("" if table.estimated is None else " (estimated)"),
            ", ".join(table.spaces),
            table.licence,
        )
    console.print(listed)
    for source in dict.fromkeys(table.source for table in tables):
        names = ", ".join(table.name for table in tables if table.source == source)
        console.print(f"{names}: {source}", style="dim", soft_wrap=True)
    console.print("\nnas devices NAME, nas devices add FILE, nas search --space SPACE --target NAME-latency=80ms", style="dim")


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
    for accuracy in table.accuracy:
        console.print(accuracy_text(accuracy), soft_wrap=True)
    energy = ["mJ"] if table.energy is not None else []
    listed = new_table("operator", "where", "ms", "spread", *energy)
    for entry in table.operators:
        where = entry.position or ("" if entry.resolution is None else f"{entry.resolution} px")
        spread = "" if entry.spread is None else f"{entry.spread:.4f}"
        listed.add_row(entry.key, where, f"{entry.ms:.4f}", spread, *(f"{entry.mj:.4f}" for _ in energy))
    for joint in table.joint:
        where = "constant" if joint is table.constant else "together"
        listed.add_row("\n".join(joint.keys), where, f"{joint.ms:.4f}", "", *(f"{joint.mj:.4f}" for _ in energy))
    console.print(listed)


def accuracy_text(accuracy: TableAccuracy) -> str:
    """How well a table tells the time of whole networks, in a sentence."""
    rank = "" if accuracy.spearman is None else f", Spearman {accuracy.spearman:.3f}"
    return (
        f"{'accuracy':<13} {accuracy.space}: mean error {accuracy.mape:.2f} % on {accuracy.networks} whole networks, "
        f"{accuracy.within_5:.0f} % of them within 5 %{rank} (without the correction {accuracy.uncorrected_mape:.1f} %)"
    )


def print_qualities(table: LatencyTable, found: Sequence[KindQuality]) -> None:
    """What estimates of operators that a table lacks are worth."""
    console = open_console()
    listed = new_table("kind", "attributes", "operators", "error", "within 5 %", "within 10 %", "error, shapes unseen")
    for kind in found:
        quality = kind.quality
        if quality is None:
            cells = ["too few", "", "", ""]
        else:
            unseen = "" if quality.unseen_error is None else f"{quality.unseen_error:.1f} %"
            cells = [f"{quality.error:.1f} %", f"{100 * quality.within_5:.0f} %", f"{100 * quality.within_10:.0f} %", unseen]
        listed.add_row(kind.kind, " ".join(kind.attributes), str(kind.operators), *cells)
    console.print(listed)
    console.print(
        "Errors are those of operators that were left out: a tenth at a time, in the last column with all of their shapes.",
        style="dim",
    )
    console.print(f"nas search --target {table.name}-latency=LIMIT --allow-estimates", style="dim")
