"""`nas spaces`: the list, one space as a table, and what else is done with spaces as commands of their own."""

from __future__ import annotations

from typing import Annotated

import typer

from nas.cli import options
from nas.cli.guard import guarded, print_json
from nas.cli.listing import print_rows
from nas.cli.named_group import ONE, NamedGroup

spaces_app = typer.Typer(
    cls=NamedGroup,
    invoke_without_command=True,
    subcommand_metavar="[NAME | COMMAND [ARGS]...]",
    rich_markup_mode=None,
)


@spaces_app.callback()
def spaces(context: typer.Context, json: options.Json = False) -> None:
    """List the search spaces, or show the one called NAME, stage by stage."""
    if context.invoked_subcommand is not None:
        return
    with guarded(json):
        from nas.supernet import open_space, space_names

        found = [open_space(name) for name in space_names()]
        rows = [
            {
                "name": space.name,
                "networks": float(space.size),
                "decisions": len(space.decisions),
                "summary": space.summary,
                "source": space.source,
                "known": list(space.known),
            }
            for space in found
        ]
        print_rows("spaces", rows, json, "nas spaces NAME, nas draw NAME, nas search --space NAME")


@spaces_app.command(ONE, hidden=True)
def one_space(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Search space, as FAMILY or FAMILY:PRESET, or RUN:top3.")],
    json: options.Json = False,
) -> None:
    """Show one search space: its stages, its published networks, its size and source."""
    with guarded(json):
        from nas.cli.progress import TerminalReporter
        from nas.jobs.stages import describe_space

        found = describe_space(name, TerminalReporter())
        if json:
            print_json(found)
            return
        from nas.cli.space_table import print_space

        print_space(found, name)


@spaces_app.command()
def check(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Search space: a name, or path/to/file.py:NAME.")],
    architectures: Annotated[int, typer.Option(help="How many architectures are built and compared.")] = 10,
    onnx: Annotated[int, typer.Option(help="How many of them are exported to ONNX and compared.")] = 1,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Try everything that a search relies on, and say what is wrong and where; exit code 1 if anything is."""
    with guarded(json):
        from nas.cli.check_report import print_report
        from nas.cli.progress import TerminalReporter
        from nas.jobs.checking import check as check_target

        report = check_target(target, architectures, seed, onnx, TerminalReporter())
        if json:
            print_json(report.to_json())
        else:
            print_report(report, target)
    if not report.ok:
        raise typer.Exit(1)
