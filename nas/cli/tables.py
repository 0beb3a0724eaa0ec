"""Results as tables on standard output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from nas.base.units import COUNT
from nas.jobs.latencies import latency_notes
from nas.jobs.readme import (
    columns,
    effort,
    heading,
    measured,
    measured_heading,
    measured_shown,
    network_rows,
    notes,
    search_notes,
    shown,
    shown_cost,
    untrained_note,
    winner_line,
)
from nas.runs import RunFolder


def open_console() -> Console:
    """Standard output; 160 characters wide where it is no terminal."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 160
    return console


def new_table(*titles: str) -> Table:
    """A table without vertical lines."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def print_search(figures: Mapping[str, Any]) -> None:
    """Winner, runners-up, random search, test accuracy, and what to type next."""
    console = open_console()
    _print_networks(console, figures)
    console.print(winner_line(figures))
    onnx = figures["onnx"]
    console.print(
        f"ONNX agrees with PyTorch: largest difference {onnx['largest_difference']:.1e} (operator set {onnx['opset']})."
    )
    for note in notes(figures):
        console.print(f"- {note}", style="dim")
    _place(console, figures)
    print_next(console, figures)


def print_lookup(figures: Mapping[str, Any]) -> None:
    """Winner, runners-up and random search of a search without training."""
    console = open_console()
    _print_networks(console, figures)
    console.print(untrained_note(figures))
    for note in search_notes(figures):
        console.print(f"- {note}", style="dim")
    _place(console, figures)
    print_next(console, figures)


def _print_networks(console: Console, figures: Mapping[str, Any]) -> None:
    names, found = columns(figures), measured(figures)
    table = new_table("network", *map(heading, names), *(measured_heading(name, figures) for name in found))
    for name, network in network_rows(figures):
        costs = [shown_cost(metric, network) for metric in names]
        table.add_row(name, *costs, *(measured_shown(one, network) for one in found))
    console.print(table)
    console.print(effort(figures))


def print_training(figures: Mapping[str, Any]) -> None:
    """What training came to."""
    console = open_console()
    training = figures["training"]
    console.print(
        f"Trained {figures['space']} on {figures['data']['name']} ({figures['trained_at']}): {training['steps']:.0f} steps in "
        f"{training['seconds']:.0f} s, last loss {training['last_loss']:.3f}."
    )
    if figures["derived"]:
        console.print("The training arrived at an architecture; a search takes it unless another strategy is asked for.")
    _place(console, figures)
    print_next(console, figures)


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
        settings = " ".join(f"{name}={value}" for name, value in layer["attributes"].items() if value not in (0, ""))
        row = [
            layer["path"],
            layer["kind"],
            shape_text(layer["input"]),
            shape_text(layer["output"]),
            settings,
            COUNT.format(layer["macs"]),
            COUNT.format(layer["params"]),
        ]
        if device:
            mark = "~" if layer["estimated"] else ""
            row.append("" if layer["milliseconds"] is None else f"{mark}{layer['milliseconds']:.3f}")
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


def print_listing(rows: Sequence[Mapping[str, Any]], usage: str) -> None:
    """Installed things, one line each."""
    console = open_console()
    hidden = {"recipe", "known", "aliases"}
    if not rows:
        console.print("none is installed")
        return
    titles = [name for name in rows[0] if name not in hidden]
    table = new_table(*titles)
    for row in rows:
        table.add_row(*(_cell(row[title]) for title in titles))
    console.print(table)
    console.print(usage, style="dim")


def print_trainer(described: Mapping[str, Any]) -> None:
    """A trainer's recipe, figure by figure."""
    console = open_console()
    _print_figures(console, described, "figure")
    console.print(f"nas train --trainer {described['name']} --set FIGURE=VALUE", style="dim")


def print_strategy(described: Mapping[str, Any]) -> None:
    """A strategy's options, one by one."""
    console = open_console()
    _print_figures(console, described, "option")
    console.print(f"nas search --strategy {described['name']} --strategy-set OPTION=VALUE", style="dim")


def _print_figures(console: Console, described: Mapping[str, Any], title: str) -> None:
    """Summary and source, then a line for each figure: default, where it is from, what it means."""
    console.print(f"{described['name']}: {described['summary']}", soft_wrap=True)
    console.print(f"paper: {described['source']}", soft_wrap=True)
    table = new_table(title, "default", "from", "meaning")
    for figure in described["figures"]:
        legal = f" ({', '.join(figure['legal'])})" if figure["legal"] else ""
        table.add_row(figure["name"], _figure(figure["default"]), figure["origin"], figure["meaning"] + legal)
    console.print(table)


def _place(console: Console, figures: Mapping[str, Any]) -> None:
    run = figures["run"]
    console.print(f"\nEverything is in {run}; to look at: {RunFolder(Path(run)).report}", soft_wrap=True)


def print_next(console: Console, figures: Mapping[str, Any]) -> None:
    """The commands to use next."""
    console.print("Next:")
    for command in figures["next"]:
        console.print(f"    {command}", soft_wrap=True)


def shape_text(shape: Sequence[int]) -> str:
    """A shape as tables print it: 1x3x32x32."""
    return "x".join(map(str, shape))


def _figure(value: Any) -> str:
    """A figure of a recipe, as --set takes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cell(value: Any) -> str:
    if value is None:
        return "not stated"
    return f"{value:.1e}" if isinstance(value, float) else str(value)
