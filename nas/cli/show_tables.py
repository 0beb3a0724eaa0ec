"""What `nas show` prints: layers, schedules of patches, and the efficiency of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas.base.units import COUNT, MEMORY
from nas.cli.tables import new_table, open_console
from nas.jobs.latencies import latency_notes
from nas.jobs.layer_table import milliseconds_shown, settings_shown
from nas.jobs.readme import columns, heading, measured, measured_heading, measured_shown, shown, shown_cost

NOISY = 0.1
"""A spread above this share of the median is warned of."""


def print_show(result: Mapping[str, Any]) -> None:
    """The layers of the winner or of another network, what it costs, then the front of a run."""
    console = open_console()
    device = result["device"]
    name = f"Winner of {result['run']}" if "run" in result else f"{result['name']} of {result['space']}"
    console.print(f"{name} at {result['at']}")
    table = new_table(
        "layer",
        "kind",
        "input",
        "output",
        "settings",
        "multiply-adds",
        "parameters",
        *([f"{device} ms"] if device else []),
    )
    for layer in result["layers"]:
        row = [
            layer["path"],
            layer["kind"],
            _shape_text(layer["input"]),
            _shape_text(layer["output"]),
            settings_shown(layer),
            COUNT.format(layer["macs"]),
            COUNT.format(layer["params"]),
        ]
        if device:
            row.append(milliseconds_shown(layer))
        table.add_row(*row)
    console.print(table)
    for note in latency_notes(result.get("results", {})):
        console.print(f"- {note}", style="dim")
    if any(layer["estimated"] for layer in result["layers"]):
        console.print("Layers marked ~ are not in the table: their milliseconds are estimates.")
    if result["grouped_ms"]:
        together = {
            "groups": "The layers without a figure were measured together",
            "constant": "The others are what they add to the constant of a linear model, in which layers without a figure are",
        }
        console.print(f"{together[result['grouped_in']]}: {result['grouped_ms']:.3f} ms.")
    console.print(
        ", ".join(f"{heading(metric)} {shown(metric, cost)}" for metric, cost in result["costs"].items()), soft_wrap=True
    )
    if "front" not in result:
        return
    figures = result["results"]
    names = columns(figures)
    found = measured(figures)
    front = new_table(*map(heading, names), *(measured_heading(name, figures) for name in found))
    for network in result["front"]:
        costs = [shown_cost(metric, network) for metric in names]
        front.add_row(*costs, *(measured_shown(one, network) for one in found))
    console.print("\nPareto front of all evaluated networks")
    console.print(front)


def print_patches(found: Mapping[str, Any]) -> None:
    """One line for each schedule, then the best."""
    console = open_console()
    console.print(f"{found['name']} of {found['space']} at {found['at']}, {found['dtype']}")
    table = new_table(
        "blocks",
        "until",
        "grid",
        "patch",
        "stage overhead",
        "total overhead",
        "patches of one size",
        "stage memory",
        "rest",
        "peak",
    )
    for one in found["schedules"]:
        best = found["best"] is not None and (one["end"], one["grid"]) == (found["best"]["end"], found["best"]["grid"])
        table.add_row(
            str(one["blocks"]),
            one["block"],
            f"{one['grid']} x {one['grid']}",
            " x ".join(map(str, one["patch"])),
            _percent(one["stage_overhead"]),
            _percent(one["overhead"]),
            f"{_percent(one['whole_stage_overhead'])}, {_percent(one['whole_overhead'])}",
            *(MEMORY.format(one[name]) for name in ("stage_memory", "rest_memory", "memory")),
            style="bold" if best else None,
        )
    console.print(table)
    console.print(
        "Overheads are multiply-adds that patches repeat, over the stage's and over the network's; 'patches of one size' are "
        "both where patches at the borders are computed as large as the others.",
        style="dim",
        soft_wrap=True,
    )
    best = found["best"]
    console.print(f"Without patches: {MEMORY.format(found['memory'])}, {COUNT.format(found['macs'])} multiply-adds.")
    if best is None:
        console.print(f"That keeps {MEMORY.format(found['budget'])}: no patches are needed.")
        return
    under = (
        "of the least memory"
        if found["budget"] is None
        else f"of the fewest multiply-adds under {MEMORY.format(found['budget'])}"
    )
    console.print(
        f"The schedule {under}: {best['blocks']} blocks on {best['grid']} x {best['grid']} patches, "
        f"{MEMORY.format(best['memory'])} ({found['memory'] / best['memory']:.1f} x less), "
        f"{_percent(best['overhead'])} more multiply-adds.",
        soft_wrap=True,
    )


def print_efficiency(found: Mapping[str, Any]) -> None:
    """One line for each layer, then the waterline and the gap."""
    console = open_console()
    machine, latency = found["machine"], found["latency"]
    console.print(
        f"{found['name']} of {found['space']} at {found['at']}, {found['dtype']}, on {machine['name']}", soft_wrap=True
    )
    table = new_table("layer", "kind", "operations", "share", "bytes", "operations a byte", "attainable", "at best")
    for layer in found["layers"]:
        table.add_row(
            layer["path"],
            layer["kind"],
            COUNT.format(layer["operations"]),
            _percent(layer["share"]),
            MEMORY.format(layer["bytes"]),
            f"{layer['intensity']:.1f}",
            _percent(layer["attainable"]),
            f"{layer['least_ms']:.3f} ms",
        )
    console.print(table)
    measured = "measured" if machine["measured"] else "given"
    console.print(
        f"The machine ({measured}): {machine['gflops']:.3g} Gop/s, {machine['gbs']:.3g} GB/s, ridge point "
        f"{machine['ridge']:.3g} operations a byte. A multiply-add is two operations.",
        soft_wrap=True,
    )
    console.print(
        f"Ideal latency {found['ideal_ms']:.3g} ms; every layer at its best {found['least_ms']:.3g} ms, a waterline of "
        f"{_percent(found['waterline'])}; with fused blocks {found['fused_ms']:.3g} ms, {_percent(found['fused_waterline'])}.",
        soft_wrap=True,
    )
    if latency is None:
        console.print(
            "No latency: name a device with a table (--device NAME), or leave the machine's figures out to measure here."
        )
    else:
        spread = "" if "spread" not in latency else f" (spread {latency['spread']:.2g} ms, {latency['count']} repetitions)"
        console.print(
            f"Latency {latency['ms']:.3g} ms{spread}, {latency['what']}: {_percent(found['efficiency'])} of the peak, an "
            f"efficiency gap of {found['gap']:.2f}.",
            soft_wrap=True,
        )
    if latency is not None and latency.get("spread", 0.0) > NOISY * latency["ms"]:
        console.print(
            f"Warning: repetitions differ by more than {100 * NOISY:.0f} %, so other programs were running; measure again when "
            "the machine is idle.",
            style="bold",
            soft_wrap=True,
        )
    if found["plot"]:
        console.print(f"Drew {found['plot']}")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _shape_text(shape: Sequence[int]) -> str:
    """A shape as tables print it: 1x3x32x32."""
    return "x".join(map(str, shape))
