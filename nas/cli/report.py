"""`nas report`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from nas.cli import options
from nas.cli.guard import guarded, print_json

report_app = typer.Typer()


@report_app.command()
def report(
    run: options.RunArgument,
    out: Annotated[Optional[str], typer.Option("--out", "-o", help="File of the page. [default: RUN/report.html]")] = None,  # noqa: UP045
    json: options.Json = False,
) -> None:
    """Write a run's page again: answer, plots, layers and how to reproduce it, in one file."""
    with guarded(json):
        from nas.jobs.reports import report as write

        found = write(run, out)
        if json:
            print_json(found)
        else:
            print(f"Wrote {found['file']} ({found['bytes'] / 1e3:.0f} kB); open it in a browser, it needs no network.")
