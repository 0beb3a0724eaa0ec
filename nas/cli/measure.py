"""`nas measure`."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from nas.base.errors import NasError
from nas.cli import options
from nas.cli.guard import guarded, print_json

measure_app = typer.Typer()


@measure_app.command()
def measure(
    device: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="NAME",
            help="A name for this machine's table, such as my-cpu; or ssh://user@host, adb:SERIAL. [default: cpu]",
        ),
    ] = None,
    space: options.Space = "mbconv",
    name: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Of the table: NAME gives the target NAME-latency. [default: the device's]"),
    ] = None,
    runtime: Annotated[str, typer.Option(help="What runs the models; 'nas runtimes' lists them.")] = "onnxruntime",
    dtype: Annotated[Optional[str], typer.Option(help="float32, int8 or what the runtime has. [default: its first]")] = None,  # noqa: UP045
    threads: Annotated[int, typer.Option(help="Of the runtime, each on a processor of its own.")] = 1,
    batch: Annotated[int, typer.Option(help="Images at a time.")] = 1,
    resolution: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Side of the images, in pixels. [default: the space's]"),
    ] = None,
    classes: Annotated[Optional[int], typer.Option(help="Of the classifier. [default: the space's]")] = None,  # noqa: UP045
    networks: Annotated[
        int, typer.Option(help="Whole random networks to time as well: half correct the table, half tell its error.")
    ] = 0,
    rounds: Annotated[int, typer.Option(help="Of timings, in random order; twice as many where a model still spreads.")] = 10,
    seed: options.Seed = 0,
    out: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Folder for models and timings. [default: measurements/NAME]"),
    ] = None,
    python: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Of a device with an address, such as ~/venv/bin/python there. [default: python3]"),
    ] = None,
    bundle: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="FILE.zip", help="Time nothing; write a zip to be run by hand on a machine not reached from here."
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List what would be timed, and how long it takes, and stop.")] = False,
    json: options.Json = False,
) -> None:
    """Measure a latency table on a device: every operator that networks of the space can need.

    Stopped at any moment, the same command goes on where it was.
    """
    with guarded(json, again=True):
        from nas.cli.progress import TerminalReporter
        from nas.jobs.measuring import bundle as write
        from nas.jobs.measuring import list_operators
        from nas.jobs.measuring import measure as run
        from nas.measuring import Request

        request = Request(runtime, dtype, threads, batch, resolution, classes, networks, seed, rounds)
        if list_:
            listing = list_operators(space, request)
            found = {"operators": listing.blocks, "networks": listing.networks, "minutes": round(listing.minutes, 2)}
            print_json(found) if json else _print_listing(found)
            return
        if bundle is not None:
            _refuse_beside_bundle({"--device": device, "--name": name, "--python": python})
            written = write(space, bundle, request, out, TerminalReporter())
            print_json(written) if json else _print_bundle(written)
            return
        result = run(space, device or "cpu", request, out, name, TerminalReporter(), python)
        print_json(result) if json else _print(result)


def _refuse_beside_bundle(given: dict[str, str | None]) -> None:
    """Raise NasError for an option that says where to measure."""
    for option, value in given.items():
        if value is not None:
            raise NasError(f"--bundle measures nothing here, so that {option} {value} has no meaning; leave one of them out")


def _print_bundle(written: dict[str, Any]) -> None:
    """Where it is, and what to do with it."""
    from nas.cli.tables import open_console, print_next

    print(f"{written['models']} models, {written['megabytes']} MB: {written['bundle']}")
    print_next(open_console(), written)


def _print_listing(found: dict[str, Any]) -> None:
    from nas.cli.tables import new_table, open_console

    console = open_console()
    table = new_table("operator", "places")
    for row in found["operators"]:
        table.add_row(row["key"], str(row["places"]))
    console.print(table)
    more = f" and {found['networks']} whole networks" if found["networks"] else ""
    console.print(f"{len(found['operators'])} operators{more}: about {_duration(found['minutes'])}")


def _print(result: dict[str, Any]) -> None:
    """The table, how good it is, and what to type next."""
    from nas.cli.tables import new_table, open_console, print_next

    console = open_console()
    console.print(
        f"{result['operators']} operators on {result['device']}, {result['runtime']}: {result['table']}", soft_wrap=True
    )
    for accuracy in result["accuracy"]:
        table = new_table("networks", "mean error", "bias", "within 5 %", "within 10 %", "Spearman", "as measured")
        rank = "-" if accuracy["spearman"] is None else f"{accuracy['spearman']:.3f}"
        table.add_row(
            str(accuracy["networks"]),
            f"{accuracy['mape']:.2f} %",
            f"{accuracy['bias']:+.2f} %",
            f"{accuracy['within_5']:.0f} %",
            f"{accuracy['within_10']:.0f} %",
            rank,
            f"{accuracy['uncorrected_mape']:.1f} %, corrected by {accuracy['fitted_on']} other networks",
        )
        console.print(table)
    for warning in result["warnings"]:
        console.print(f"Warning: {warning}.", style="bold red", soft_wrap=True)
    print_next(console, result)


def _duration(minutes: float) -> str:
    return f"{minutes:.0f} minutes" if minutes >= 2 else f"{60 * minutes:.0f} seconds"
