"""`nas proxy` and `nas proxies`."""

from __future__ import annotations

import shlex
from typing import Annotated, Any, Optional

import typer

from nas.cli import options
from nas.cli.guard import guarded, print_json
from nas.cli.listing import print_rows

proxy_app = typer.Typer()


@proxy_app.command()
def proxies(json: options.Json = False) -> None:
    """List the zero-cost proxies."""
    with guarded(json):
        from nas.predicting.proxy import open_proxy, proxy_names

        found = {name: open_proxy(name) for name in proxy_names()}
        rows = [{"name": name, "summary": p.summary, "source": p.source} for name, p in found.items()]
        print_rows("proxies", rows, json, "nas proxy SPACE --proxy NAME")


@proxy_app.command()
def proxy(
    space: Annotated[
        str, typer.Argument(metavar="SPACE", help="Search space, as 'nas spaces' lists them, a file's, or RUN:top3.")
    ],
    arch: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="ARCH",
            help="A known network, 'smallest', 'largest', a JSON object of decisions, or @FILE with one. [default: the space's "
            "first known network, else the largest]",
        ),
    ] = None,
    names: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--proxy", metavar="NAME", help="Repeatable; 'nas proxies' lists them. [default: all that apply]"),
    ] = None,
    data: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="'digits', or a folder: class folders or Parquet files. [default: digits]"),
    ] = None,
    batch: Annotated[int, typer.Option(help="How many training images a proxy sees.")] = 64,
    seed: options.Seed = 0,
    resolution: options.Resolution = None,
    json: options.Json = False,
) -> None:
    """Score one untrained network of a space by zero-cost proxies."""
    with guarded(json):
        from nas.cli.progress import TerminalReporter
        from nas.jobs.proxies import proxy_table

        result = proxy_table(space, arch, names, data, batch, seed, resolution, TerminalReporter())
        if json:
            print_json(result)
        else:
            _print(result, space)


def _print(result: dict[str, Any], space: str) -> None:
    """Scores and seconds, what was left out, and what to type next."""
    from nas.cli.tables import new_table, open_console, print_next

    console = open_console()
    console.print(
        f"{result['name']} of {result['space']}, untrained, at {result['at']}; {result['batch']} images of {result['data']}"
    )
    table = new_table("proxy", "score", "seconds", "what it is")
    for row in result["proxies"]:
        score = "-inf" if row["score"] is None else f"{row['score']:.6g}"
        table.add_row(row["name"], score, f"{row['seconds']:.2f}", row["summary"])
    console.print(table)
    for name, reason in result["left_out"].items():
        console.print(f"- {name} is not defined here: {reason}", style="dim", soft_wrap=True)
    console.print("Scores rank networks of one space; compare them with params and macs before trusting them.")
    print_next(console, {"next": [f"nas search --space {shlex.quote(space)}"]})
