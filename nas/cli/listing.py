"""What is installed: trainers, strategies, devices."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from nas.cli import options
from nas.cli.guard import guarded, print_json

listing_app = typer.Typer()


@listing_app.command()
def trainers(
    name: Annotated[Optional[str], typer.Argument(help="Show one trainer's recipe.")] = None,  # noqa: UP045
    json: options.Json = False,
) -> None:
    """List the supernet trainers, or show one's recipe: every figure, its default, and where that is from."""
    with guarded(json):
        from nas.base.plugins import installed
        from nas.training import describe_trainer, open_trainer

        if name is not None:
            described = describe_trainer(name, open_trainer(name))
            if json:
                print_json(described)
                return
            from nas.cli.tables import print_trainer

            print_trainer(described)
            return
        found = {name: open_trainer(name) for name in installed("trainers")}
        rows = [
            {"name": name, "summary": t.summary, "source": t.source, "recipe": t.defaults.model_dump()}
            for name, t in found.items()
        ]
        print_rows("trainers", rows, json, "nas trainers NAME, nas search --trainer NAME")


@listing_app.command()
def strategies(
    name: Annotated[Optional[str], typer.Argument(help="Show one strategy's options.")] = None,  # noqa: UP045
    json: options.Json = False,
) -> None:
    """List the search strategies, or show one's options: each with its default, and where that is from."""
    with guarded(json):
        from nas.searching import describe_strategy, open_strategy, strategy_names

        if name is not None:
            described = describe_strategy(name, open_strategy(name))
            if json:
                print_json(described)
                return
            from nas.cli.tables import print_strategy

            print_strategy(described)
            return
        found = {name: open_strategy(name) for name in strategy_names()}
        rows = [{"name": name, "summary": s.summary, "source": s.source} for name, s in found.items()]
        print_rows("strategies", rows, json, "nas strategies NAME, nas search --strategy NAME")


@listing_app.command()
def devices(
    name: Annotated[Optional[str], typer.Argument(help="Show one device's table.")] = None,  # noqa: UP045
    json: options.Json = False,
) -> None:
    """List the devices with latency tables, or show what one covers, and for which spaces."""
    with guarded(json):
        from nas.costs import devices as tables

        if name is None:
            rows = [
                {
                    "name": t.name,
                    "aliases": list(t.aliases),
                    "device": t.device,
                    "runtime": t.runtime,
                    "dtype": t.dtype,
                    "threads": t.threads,
                    "batch": t.batch,
                    "resolution": list(t.resolutions),
                    "operators": len(t.operators) + sum(len(joint.keys) for joint in t.joint),
                    "complete_for": list(t.spaces),
                    "licence": t.licence,
                    "source": t.source,
                }
                for t in tables().values()
            ]
            if json:
                print_json({"devices": rows})
                return
            from nas.cli.device_tables import print_devices

            print_devices(list(tables().values()))
            return
        from nas.jobs.coverage import complete_for

        table = tables()[name]
        complete = complete_for(table)
        if json:
            names = [covered.space for covered in complete]
            print_json({**table.model_dump(mode="json", by_alias=True), "complete_for": names})
            return
        from nas.cli.device_tables import print_device

        print_device(table, complete)


def print_rows(kind: str, rows: list[dict[str, Any]], as_json: bool, usage: str) -> None:
    """Installed things as a table, or as one JSON object under their kind."""
    if as_json:
        print_json({kind: rows})
        return
    from nas.cli.tables import print_listing

    print_listing(rows, usage)
