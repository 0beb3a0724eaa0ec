"""`nas ui`."""

from __future__ import annotations

from typing import Annotated

import typer

from nas.cli.guard import guarded

PORT = 8642

watch_app = typer.Typer()


@watch_app.command()
def ui(
    runs: Annotated[str, typer.Argument(metavar="RUNS_DIR", help="Folder that holds runs, or one run.")] = "runs",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = PORT,
) -> None:
    """Serve a local page that lists runs, compares their fronts and follows one that is running. It only reads."""
    with guarded(False):
        from nas.watching import Watcher

        with Watcher(runs, port) as server:
            print(f"Watching {runs} at {server.address}  (this machine only; Ctrl-C ends it)", flush=True)
            try:
                server.serve_forever(poll_interval=0.2)
            except KeyboardInterrupt:
                print("ended")
