"""Tables on standard output, those of what is installed among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table


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


def print_next(console: Console, figures: Mapping[str, Any]) -> None:
    """The commands to use next."""
    console.print("Next:")
    for command in figures["next"]:
        console.print(f"    {command}", soft_wrap=True)


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
