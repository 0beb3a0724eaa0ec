"""`nas devices`: the list, one table, and tables of the user's own."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from nas.cli import options
from nas.cli.guard import guarded, print_json
from nas.cli.listing import print_rows
from nas.cli.named_group import ONE, NamedGroup

devices_app = typer.Typer(
    cls=NamedGroup,
    invoke_without_command=True,
    subcommand_metavar="[NAME | COMMAND [ARGS]...]",
    rich_markup_mode=None,
)


@devices_app.callback()
def devices(context: typer.Context, json: options.Json = False) -> None:
    """List the devices with latency tables, show the table of the one called NAME, or add one of your own."""
    if context.invoked_subcommand is not None:
        return
    with guarded(json):
        from nas.costs import added_tables
        from nas.costs import devices as tables

        mine = added_tables()
        rows = [
            {
                "name": t.name,
                "aliases": list(t.aliases),
                "device": t.device,
                "runtime": t.runtime,
                "dtype": t.dtype,
                "resolution": t.resolution,
                "operators": len(t.operators) + sum(len(g.keys) for g in t.groups),
                "from": "you" if t.name in mine else "a package",
                "source": t.source,
            }
            for t in tables().values()
        ]
        print_rows("devices", rows, json, "nas devices NAME, nas devices add FILE, nas search --target NAME-latency=80ms")


@devices_app.command(ONE, hidden=True)
def one_device(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A device, as 'nas devices' lists them.")],
    json: options.Json = False,
) -> None:
    """Show one device's table: where it is from, which spaces it is complete for, and every operator."""
    with guarded(json):
        from nas.costs import devices as tables
        from nas.jobs.coverage import complete_for

        table = tables()[name]
        complete = complete_for(table)
        if json:
            print_json({**table.model_dump(mode="json", by_alias=True), "complete_for": complete})
            return
        from nas.cli.tables import print_table

        print_table(table, complete)


@devices_app.command()
def add(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A latency table, as docs/tables.md describes it, or the results.json of 'nas measure --bundle'.",
        ),
    ],
    name: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Of the table that a results.json makes: NAME gives the target NAME-latency."),
    ] = None,
    space: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Whose operators a results.json times. [default: the installed space that it names]"),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of a table of this name that you added.")] = False,
    json: options.Json = False,
) -> None:
    """Check a latency table of your own, or what was measured with a bundle, and install it beside those that ship."""
    with guarded(json):
        from nas.jobs.adding import add_device

        added = add_device(file, name, space, replace)
        if json:
            print_json(added)
            return
        print(f"Added '{added['name']}' ({added['device']}; {added['operators']} operators): {added['file']}")
        for accuracy in added["accuracy"]:
            print(
                f"Error on {accuracy['networks']} whole networks of {accuracy['space']}: {accuracy['mape']:.2f} % on average, "
                f"{accuracy['within_10']:.0f} % of them within 10 %"
            )
        for warning in added["warnings"]:
            print(f"Warning: {warning}.")
        print("Next:\n" + "\n".join(f"    {step}" for step in added["next"]))


@devices_app.command()
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A table that you added.")],
    json: options.Json = False,
) -> None:
    """Remove a latency table that you added; those that ship stay."""
    with guarded(json):
        from nas.costs import remove_table

        path = remove_table(name)
        if json:
            print_json({"name": name, "file": str(path)})
            return
        print(f"Removed '{name}': {path}")
