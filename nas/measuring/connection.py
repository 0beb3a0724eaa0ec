"""Where a plan is run: on this machine, or on a device that is reached from it."""

from __future__ import annotations

import json
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path

from nas.base.errors import NasError
from nas.base.progress import Reporter
from nas.measuring.plan import Plan


class Connection(ABC):
    """A device.

    Attributes:
        title: for messages.
        remote: whether it is another machine.
    """

    title: str
    remote: bool

    @abstractmethod
    def run(self, folder: Path, plan: Plan, reporter: Reporter) -> None:
        """Run the plan in a folder until every model is timed; what was timed before is kept.

        Raises:
            NasError: the device cannot be reached, or the runner failed there.
        """


class Here(Connection):
    """This machine, in a process of its own, which pins itself to as many processors as the plan has threads."""

    title = "this machine"
    remote = False

    def run(self, folder: Path, plan: Plan, reporter: Reporter) -> None:
        """See `Connection.run`."""
        command = [sys.executable, str(folder / "runner.py"), str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                follow(process, plan, reporter)
            except BaseException:
                process.terminate()
                raise
            error = process.stderr.read() if process.stderr else ""
        if process.returncode:
            raise runner_failed(self.title, process.returncode, error)


def follow(process: subprocess.Popen[str], plan: Plan, reporter: Reporter) -> None:
    """Show what a runner says of its rounds."""
    assert process.stdout is not None
    shown = -1
    for line in process.stdout:
        try:
            state = json.loads(line)
        except ValueError:
            continue
        number, done, total = state["round"], state["done"], state["of"]
        if number != shown:
            if shown >= 0:
                reporter.finish()
            extra = " (still spread)" if number >= plan.rounds else ""
            reporter.start(f"round {number + 1} of {plan.rounds}{extra}", total)
            shown = number
        reporter.advance(done)
    if shown >= 0:
        reporter.finish()


def runner_failed(title: str, code: int, error: str) -> NasError:
    """The sentence for a runner that ended with an error; the last line of it says what."""
    last = error.strip().splitlines()[-1] if error.strip() else f"exit code {code}"
    return NasError(f"measuring on {title} stopped: {last}. What was timed is kept; the same command goes on with it")


def open_connection(device: str) -> Connection:
    """The device that a name or an address stands for; a plain name is this machine."""
    return Here()
