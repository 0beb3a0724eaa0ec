"""What a finished run came to, on standard output."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from nas.cli.tables import new_table, open_console, print_next
from nas.data.tasks import kind_in
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
    shown_cost,
    untrained_note,
    winner_line,
)
from nas.runs import RunFolder

Figures = Mapping[str, Any]


def print_run(figures: Figures) -> None:
    """The results of a run, whatever its kind is, and what to type next."""
    console = open_console()
    kinds = {"search": _print_search, "lookup": _print_lookup, "train": _print_training, "retrain": _print_retrained}
    kinds[figures["kind"]](console, figures)
    print_next(console, figures)


def _print_search(console: Console, figures: Figures) -> None:
    """Winner, runners-up, random search and test accuracy."""
    _print_networks(console, figures)
    console.print(winner_line(figures))
    onnx = figures["onnx"]
    console.print(
        f"ONNX agrees with PyTorch: largest difference {onnx['largest_difference']:.1e} (operator set {onnx['opset']})."
    )
    for note in notes(figures):
        console.print(f"- {note}", style="dim")
    _place(console, figures)


def _print_lookup(console: Console, figures: Figures) -> None:
    """Winner, runners-up and random search of a search without training."""
    _print_networks(console, figures)
    console.print(untrained_note(figures))
    for note in search_notes(figures):
        console.print(f"- {note}", style="dim")
    _place(console, figures)


def _print_training(console: Console, figures: Figures) -> None:
    """What training came to."""
    training = figures["training"]
    console.print(
        f"Trained {figures['space']} on {figures['data']['name']} ({figures['trained_at']}): {training['steps']:.0f} steps in "
        f"{training['seconds']:.0f} s, last loss {training['last_loss']:.3f}."
    )
    if figures["derived"]:
        console.print("The training arrived at an architecture; a search takes it unless another strategy is asked for.")
    _place(console, figures)


def _print_retrained(console: Console, figures: Figures) -> None:
    """How good the network was when it was found and is now."""
    headline, *others = kind_in(figures["data"]).metrics
    table = new_table("weights", *(f"validation {metric.title}" for metric in (headline, *others)), f"test {headline.title}")
    found, network = figures["found"], figures["winner"]
    rows = {"retrained": network}
    if headline.name in found.get("validation", {}) and figures["of"].get("trained"):
        rows = {"of the search": found, **rows}
    for name, scores in rows.items():
        shown = [metric.format(scores["validation"][metric.name]) for metric in (headline, *others)]
        table.add_row(name, *shown, headline.format(scores["test"][headline.name]) if "test" in scores else "")
    console.print(table)
    training = figures["training"]
    begun = "the weights of the search" if training["start"] == "inherit" else "fresh weights"
    taught = ", taught by the supernet's largest network" if training["distillation"] else ""
    console.print(
        f"The {figures['of']['network']} of {figures['of']['run']}, from {begun}{taught}: {training['steps']} steps in "
        f"{training['seconds']:.0f} s, last loss {training['last_loss']:.3f}.",
        soft_wrap=True,
    )
    console.print(f"The {figures['data']['images']['test']} test images were scored once, at the end.")
    console.print(f"\nEverything is in {figures['run']}")


def _print_networks(console: Console, figures: Figures) -> None:
    names, found = columns(figures), measured(figures)
    table = new_table("network", *map(heading, names), *(measured_heading(name, figures) for name in found))
    for name, network in network_rows(figures):
        costs = [shown_cost(metric, network) for metric in names]
        table.add_row(name, *costs, *(measured_shown(one, network) for one in found))
    console.print(table)
    console.print(effort(figures))


def _place(console: Console, figures: Figures) -> None:
    run = figures["run"]
    console.print(f"\nEverything is in {run}; to look at: {RunFolder(Path(run)).report}", soft_wrap=True)
