"""`nas devices propose` and `nas devices transfer`: a new device from a few measured networks."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from nas.cli import options
from nas.cli.guard import guarded, print_json

transfer_app = typer.Typer()

Known = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--known", metavar="NAME", help="Transfer from this device; repeatable. [default: all complete for the space]"
    ),
]


@transfer_app.command()
def propose(
    space: options.Space = "mbconv",
    networks: Annotated[int, typer.Option(min=3, help="How many networks to measure.")] = 10,
    out: Annotated[
        str, typer.Option(metavar="FILE", help="CSV file to write, with an empty column of milliseconds.")
    ] = "networks.csv",
    known: Known = None,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Choose the networks whose latency says most about a new device, for you to measure there."""
    with guarded(json):
        from nas.cli.tables import open_console, print_next
        from nas.jobs.transferring import propose_networks
        from nas.runs import named_space

        result = propose_networks(named_space(space), networks, out, known or (), seed)
        if json:
            print_json(result)
            return
        print(
            f"Wrote {len(result['architectures'])} networks of {result['space']} to {result['file']}, the most telling first."
        )
        print(f"Measure each whole network on your device at {result['task']}, batch 1, and fill in its milliseconds.")
        print_next(open_console(), result)


@transfer_app.command()
def transfer(
    measured: Annotated[
        str, typer.Option(metavar="FILE", help="CSV file: a column 'architecture', and milliseconds in a column 'ms'.")
    ],
    name: Annotated[str, typer.Option(help="What to call the device: NAME gives NAME-latency.")],
    space: options.Space = "mbconv",
    known: Known = None,
    device: Annotated[Optional[str], typer.Option(help="The device in words. [default: its name]")] = None,  # noqa: UP045
    runtime: Annotated[Optional[str], typer.Option(help="What ran the networks.")] = None,  # noqa: UP045
    dtype: Annotated[str, typer.Option(help="Number format of the measured networks.")] = "float32",
    threads: Annotated[Optional[int], typer.Option(min=1, help="Threads of the measured networks.")] = None,  # noqa: UP045
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of a table of this name that you added.")] = False,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Estimate a latency table for a new device from a few networks measured there and from devices that are known."""
    with guarded(json):
        from nas.cli.tables import open_console, print_next
        from nas.jobs.transferring import transfer_device
        from nas.runs import named_space

        result = transfer_device(
            named_space(space), measured, name, known or (), device, runtime, dtype, threads, replace, seed
        )
        if json:
            print_json(result)
            return
        print(
            f"Added '{name}', estimated by transfer from {result['networks']} networks measured on the device and from "
            f"{', '.join(result['known'])}: {result['file']}"
        )
        print(
            f"Measured networks that were left out are {result['error']:.1f} % off "
            f"({100 * result['within_10']:.0f} % within 10 %; Spearman {result['spearman']:.2f})."
        )
        if result["floored"]:
            print(
                f"{result['floored']} of {result['operators']} operators came out at next to nothing and are held at a "
                "tenth of what the known devices say."
            )
        print_next(open_console(), result)
