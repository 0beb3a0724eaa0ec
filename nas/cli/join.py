"""`nas search --join RUN`."""

from __future__ import annotations

import typer

from nas.base.errors import NasError
from nas.cli.config_file import parameters_of
from nas.cli.configured import origin
from nas.cli.guard import guarded, print_json

TAKEN = {"join", "storage"}
"""The options that a machine which joins may be given: everything else is the run's."""


def join_run(run: str, storage: str | None, json: bool, context: typer.Context) -> None:
    """Help with a search until it is over."""
    with guarded(json):
        for key, option in parameters_of(context.command).items():
            if key not in TAKEN and origin(context, option.name) == "command line":
                raise NasError(f"--join takes everything but --storage from the run; leave out --{key}")
        if storage is None:
            raise NasError("--join needs the database of the search; give the --storage with which it was begun")
        from nas.cli.progress import TerminalReporter
        from nas.jobs.joining import join

        result = join(run, storage, TerminalReporter())
        if json:
            print_json(result)
        else:
            print(f"The search of {run} is over; {result['evaluations']} of its evaluations were made here.")
