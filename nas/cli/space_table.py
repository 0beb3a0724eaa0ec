"""One search space on standard output."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from nas.base.units import COUNT
from nas.cli.tables import new_table, open_console

FEW = 6
"""So many options are listed; of more, the first and the last."""


def print_space(space: Mapping[str, Any], asked: str) -> None:
    """Stages, published networks, then size, source and task; `asked` is the name under which the space is found."""
    console = open_console()
    console.print(f"{space['name']}: {space['summary']}")
    if space["reduced"]:
        _print_units(console, space["reduced"])
    elif space["stages"]:
        stages = new_table("stage", "blocks", "kind", "settings", "decisions", "output", "multiply-adds")
        for stage in space["stages"]:
            stages.add_row(*_row(stage))
        console.print(stages)
        console.print("Multiply-adds are shares of the largest network's; outputs are ranges over all networks.", style="dim")
    else:
        console.print("\nEvery network is built and trained by itself: there are no stages that all of them share.")
    console.print()
    if space["known"]:
        networks = new_table("network", "multiply-adds", "parameters", "resolution")
        for network in space["known"]:
            counts = (COUNT.format(network[metric]) for metric in ("macs", "params"))
            networks.add_row(network["name"], *counts, f"{network['resolution']} px")
        console.print(networks)
    facts = {
        "networks": f"{space['networks']:.3g}, of {space['decisions']} decisions",
        "source": space["source"] or "not stated",
        "costs at": space["at"],
    }
    for name, fact in facts.items():
        console.print(f"{name:<9} {fact}", soft_wrap=True)
    console.print(f"\nnas draw {shlex.quote(asked)}, nas search --space {shlex.quote(asked)}", style="dim", soft_wrap=True)


def _print_units(console: Console, reduced: Mapping[str, Any]) -> None:
    """What is left of each unit."""
    units = new_table("unit", "kept modules")
    for unit in reduced["units"]:
        units.add_row(unit["name"], "\n".join(map(str, unit["modules"])))
    console.print(units)
    console.print(
        f"The best {reduced['top']} modules of each unit by {reduced['predictor']} on run {reduced['run']}, which orders "
        f"networks that it has not seen with a Kendall tau of {reduced['kendall_tau']:.2f}; of {reduced['of']:.3g} networks "
        "in all.",
        style="dim",
        soft_wrap=True,
    )


def _row(stage: Mapping[str, Any]) -> tuple[str, ...]:
    decisions = stage["decisions"]
    told = {(name.rpartition(".")[2], tuple(options)) for name, options in decisions.items()}
    settings = [f"{name} {_listed(values)}" for name, values in stage["settings"].items() if (name, tuple(values)) not in told]
    return (
        stage["path"],
        str(stage["blocks"]),
        stage["kind"],
        ", ".join(settings),
        "\n".join(f"{name}: {_listed(options)}" for name, options in decisions.items()),
        " x ".join(str(least) if least == most else f"{least}..{most}" for least, most in stage["output"]),
        f"{100 * stage['share']:.1f} %",
    )


def _listed(options: Sequence[Any]) -> str:
    if len(options) <= FEW:
        return "/".join(map(str, options))
    return f"{options[0]}..{options[-1]} ({len(options)})"
