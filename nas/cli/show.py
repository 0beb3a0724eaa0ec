"""`nas show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from nas.base.errors import NasError
from nas.cli import options
from nas.cli.guard import guarded, print_json

show_app = typer.Typer()

ROOFLINE = ("plot", "peak_gflops", "bandwidth_gbs", "device", "threads")
"""Options that belong to --efficiency."""


@show_app.command()
def show(
    run: Annotated[str, typer.Argument(metavar="RUN|SPACE", help="Folder of a finished run, or a search space.")],
    target: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            metavar="METRIC=LIMIT", help="Show the best network of the front under this bound, not the winner. Repeatable."
        ),
    ] = None,
    architecture: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="A known network, 'smallest', 'largest', or a JSON file. [default: the run's winner, else the space's first "
            "known network, else the largest]"
        ),
    ] = None,
    patches: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="GRIDS",
            help="Memory and overhead of running the first blocks patch by patch, on grids of 4, or 2,3,4 patches a side.",
        ),
    ] = None,
    budget: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="MEMORY", help="With --patches: the cheapest schedule that keeps this memory, such as 256kB."),
    ] = None,
    efficiency: Annotated[
        bool, typer.Option("--efficiency", help="Each layer's and the network's efficiency on a machine.")
    ] = False,
    plot: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="FILE", help="With --efficiency: draw it, too; a file that ends in .svg, .png or .pdf."),
    ] = None,
    peak_gflops: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="With --efficiency: the machine's 10^9 operations a second. [default: this machine is measured]"),
    ] = None,
    bandwidth_gbs: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="With --efficiency: its 10^9 bytes a second, from memory. [default: measured]"),
    ] = None,
    device: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="With --efficiency: the latency table of the machine whose figures are given."),
    ] = None,
    threads: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="With --efficiency: threads with which this machine is measured. [default: 1]"),
    ] = None,
    dtype: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="int8 or float32. [default: int8 with --patches, float32 with --efficiency]"),
    ] = None,
    json: options.Json = False,
) -> None:
    """A run's winner or a space's network, layer by layer, with what it costs; with a run the Pareto front."""
    with guarded(json):
        given = {"plot": plot, "peak_gflops": peak_gflops, "bandwidth_gbs": bandwidth_gbs, "device": device, "threads": threads}
        _check(given, bool(target), architecture, patches, budget, efficiency, dtype)
        if patches is not None:
            from nas.cli.show_tables import print_patches
            from nas.jobs.patches import patches as plan_patches

            _print(plan_patches(run, _grids(patches), architecture, budget, dtype or "int8"), print_patches, json)
        elif efficiency:
            from nas.cli.show_tables import print_efficiency
            from nas.jobs.efficiency import efficiency as analyse

            found = analyse(
                run,
                architecture,
                plot,
                peak_gflops,
                bandwidth_gbs,
                device,
                1 if threads is None else threads,
                dtype or "float32",
            )
            _print(found, print_efficiency, json)
        else:
            from nas.cli.show_tables import print_show
            from nas.jobs.showing import show as show_run
            from nas.jobs.showing import show_network

            of_run = architecture is None and not _names_a_space(run)
            shown = show_run(run, targets=tuple(target or ())) if of_run or target else show_network(run, architecture)
            _print(shown, print_show, json)


def _names_a_space(text: str) -> bool:
    """Whether what was typed is a space rather than a folder, be it a run's or not."""
    from nas.base.plugins import installed
    from nas.runs.manifest import MANIFEST
    from nas.runs.named import names_a_part

    named = text.partition(":")[0] in installed("spaces") or ".py" in text or names_a_part(text)
    return named and not (Path(text) / MANIFEST).exists()


def _print(result: Any, printer: Any, as_json: bool) -> None:
    if as_json:
        print_json(result)
    else:
        printer(result)


def _check(
    given: dict[str, Any],
    targets: bool,
    architecture: str | None,
    patches: str | None,
    budget: str | None,
    efficiency: bool,
    dtype: str | None,
) -> None:
    """Options that would be of no effect are a mistake."""
    if patches is not None and efficiency:
        raise NasError("--patches and --efficiency are two different tables; ask for one at a time")
    if targets and (architecture is not None or patches is not None or efficiency):
        raise NasError(
            "--target picks a network of a run's front for the table of its layers; leave it out, or the other option"
        )
    if budget is not None and patches is None:
        raise NasError("--budget belongs to --patches, for example --patches 2,3,4 --budget 256kB")
    useless = [name for name in ROOFLINE if given[name] is not None and not efficiency]
    if useless:
        raise NasError(f"--{useless[0].replace('_', '-')} belongs to --efficiency")
    if dtype is not None and patches is None and not efficiency:
        raise NasError("--dtype belongs to --patches or --efficiency")


def _grids(text: str) -> tuple[int, ...]:
    """'2,3,4' as numbers. Raises NasError for anything else."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) >= 2 for part in parts):
        raise NasError(f"--patches takes how many patches there are along each side, 2 or more: 4, or 2,3,4; given '{text}'")
    return tuple(dict.fromkeys(map(int, parts)))
