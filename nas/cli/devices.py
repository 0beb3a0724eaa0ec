"""`nas devices`: the list, one table, and tables of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from nas.cli import options
from nas.cli.guard import guarded, print_json
from nas.cli.named_group import ONE, NamedGroup
from nas.cli.transfer import transfer_app

if TYPE_CHECKING:
    from nas.costs import LatencyTable

devices_app = typer.Typer(
    cls=NamedGroup,
    invoke_without_command=True,
    subcommand_metavar="[NAME | COMMAND [ARGS]...]",
    rich_markup_mode=None,
)
devices_app.add_typer(transfer_app)


@devices_app.callback()
def devices(context: typer.Context, json: options.Json = False) -> None:
    """List the devices with latency tables, show the table of the one called NAME, or add one of your own."""
    if context.invoked_subcommand is not None:
        return
    with guarded(json):
        from nas.costs import added_tables
        from nas.costs import devices as tables

        mine = added_tables()
        found = list(tables().values())
        if json:
            print_json({"devices": [_row(table, table.name in mine) for table in found]})
            return
        from nas.cli.device_tables import print_devices

        print_devices(found, mine)


@devices_app.command(ONE, hidden=True)
def one_device(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A device, as 'nas devices' lists them.")],
    estimates: Annotated[
        bool, typer.Option("--estimates", help="Say instead how well operators that it lacks are estimated from those it has.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Show one device's table: where it is from, which spaces it is complete for, and every operator."""
    with guarded(json):
        from nas.costs import devices as tables
        from nas.jobs.coverage import complete_for

        table = tables()[name]
        if estimates:
            _estimates(table, json)
            return
        complete = complete_for(table)
        if json:
            names = [covered.space for covered in complete]
            print_json({**table.model_dump(mode="json", by_alias=True), "complete_for": names})
            return
        from nas.cli.device_tables import print_device

        print_device(table, complete)


def _estimates(table: LatencyTable, json: bool) -> None:
    """Cross-validated errors of estimates, kind by kind."""
    from nas.costs import Estimator

    found = Estimator(table).qualities()
    if json:
        print_json({"name": table.name, "estimates": [kind.to_json() for kind in found]})
        return
    from nas.cli.device_tables import print_qualities

    print_qualities(table, found)


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
        from nas.cli.tables import open_console, print_next
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
        print_next(open_console(), added)


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


def _row(table: LatencyTable, added: bool) -> dict[str, Any]:
    """What the list says of a device."""
    return {
        "name": table.name,
        "aliases": list(table.aliases),
        "device": table.device,
        "runtime": table.runtime,
        "dtype": table.dtype,
        "threads": table.threads,
        "batch": table.batch,
        "resolution": list(table.resolutions),
        "operators": len(table.operators) + sum(len(joint.keys) for joint in table.joint),
        "complete_for": list(table.spaces),
        "from": "you" if added else "a package",
        "entries": "measured" if table.estimated is None else "estimated",
        "licence": table.licence,
        "source": table.source,
    }
