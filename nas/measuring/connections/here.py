"""This machine."""

from __future__ import annotations

import sys
from pathlib import Path

from nas.base.progress import Reporter
from nas.measuring.connections.connection import Connection, Listener, runner_failed
from nas.measuring.connections.streaming import stream
from nas.measuring.plan import Plan


class Here(Connection):
    """This machine, in a process of its own, which pins itself to as many processors as the plan has threads."""

    title = "this machine"
    remote = False

    def require(self, plan: Plan, loader: Path) -> None:
        """The runtime was asked for already."""

    def run(self, folder: Path, plan: Plan, reporter: Reporter) -> None:
        """See `Connection.run`."""
        listener = Listener(plan, reporter)
        try:
            code, error = stream([sys.executable, str(folder / "runner.py"), str(folder)], listener.hear)
        finally:
            listener.finish()
        if code:
            raise runner_failed(self.title, code, error)
