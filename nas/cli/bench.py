"""`nas bench`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Optional

import typer

from nas.base.errors import NasError
from nas.cli import options
from nas.cli.guard import guarded, print_json

bench_app = typer.Typer()


@bench_app.command()
def bench(
    space: options.Space = "mbconv",
    table: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--table",
            metavar="FILE.csv[:COLUMN[:min]]",
            help="Results that are looked up, as --evaluate of 'nas search' takes them, and the column that is searched for. "
            "Larger is better unless ':min' is written, or the column is 'loss'. Repeatable.",
        ),
    ] = None,
    strategies: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            metavar="NAME[:OPTION=VALUE],...",
            help="What is compared: random,aging:population=20,optuna:tpe. [default: random,evolution,aging,local,predictor]",
        ),
    ] = None,
    target: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--target", metavar="METRIC=LIMIT", help="Upper bound on what may be proposed: macs<=100M. Repeatable."),
    ] = None,
    evaluations: Annotated[int, typer.Option(help="Of each search.")] = 200,
    seeds: Annotated[int, typer.Option(help="Searches of each strategy on each table.")] = 20,
    at: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="N,N", help="Tell the best after so many evaluations. [default: a quarter, half, all]"),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes that search side by side.")] = 1,
    out: Annotated[str, typer.Option("--out", "-o", help="Folder of searches, figures and plot.")] = "bench",
    json: options.Json = False,
) -> None:
    """Compare search strategies on tables of results: every strategy on every table with many seeds.

    Stopped at any moment, the same command goes on where it was.
    """
    with guarded(json, again=True):
        from nas.cli.progress import TerminalReporter
        from nas.jobs.benching import STRATEGIES
        from nas.jobs.benching import bench as compare

        found = compare(
            space,
            table or [],
            strategies or STRATEGIES,
            evaluations,
            seeds,
            out,
            target or [],
            _numbers(at),
            jobs,
            TerminalReporter(),
        )
        if json:
            print_json(found)
        else:
            _print(found)


def _numbers(text: str | None) -> list[int]:
    try:
        return [int(word) for word in (text or "").split(",") if word.strip()]
    except ValueError as error:
        raise NasError(f"--at takes numbers of evaluations, such as 50,100,200; given {text}") from error


def _print(found: Mapping[str, Any]) -> None:
    """A table for each table of results."""
    from nas.cli.tables import new_table, open_console

    console = open_console()
    for name, best in found["best"].items():
        contests = [one for one in found["contests"] if one["table"] == name]
        marks = [after["evaluations"] for after in contests[0]["after"]]
        regret = ("regret", "middle half", "found the best") if best is not None else ("middle half",)
        table = new_table("strategy", *(f"after {mark}" for mark in marks), *regret, "ms an evaluation")
        for one in contests:
            last = one["after"][-1]
            cells = [_mean(after) for after in one["after"]]
            half = "" if last["q25"] is None else f"{last['q25']:.5g} to {last['q75']:.5g}"
            if best is not None:
                cells += [
                    "" if last["mean_regret"] is None else f"{last['mean_regret']:.4g}",
                    half,
                    f"{100 * one['found']:.0f} %",
                ]
            else:
                cells.append(half)
            table.add_row(one["strategy"], *cells, f"{one['ms_an_evaluation']:.2f}")
        told = "" if best is None else f", its best {best:.6g}"
        console.print(f"{name} ({found['space']}){told}: the best so far, mean of {found['seeds']} searches and its error")
        console.print(table)
    console.print(f"Every number of evaluations: {found['csv']}" + (f"; drawn: {found['plot']}" if found["plot"] else ""))
    if found["note"]:
        console.print(found["note"], style="dim")


def _mean(after: Mapping[str, Any]) -> str:
    if after["mean"] is None:
        return "nothing yet"
    error = after["standard_error"]
    return f"{after['mean']:.5g}" + ("" if error is None else f" ± {error:.2g}")
