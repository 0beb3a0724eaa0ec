"""What every connection to a device has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from nas.base.errors import NasError
from nas.base.json_text import parsed
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
    def require(self, plan: Plan, loader: Path) -> None:
        """Raise NasError, before any model is made, where the device cannot be reached or lacks what a plan needs.

        Args:
            loader: of the runtime, see `Runtime`.
        """

    @abstractmethod
    def run(self, folder: Path, plan: Plan, reporter: Reporter) -> None:
        """Run the plan in a folder until every model is timed; what was timed before is kept.

        Raises:
            NasError: the device cannot be reached, or the runner failed there.
        """


class Listener:
    """Shows what a runner says of its rounds, line by line."""

    def __init__(self, plan: Plan, reporter: Reporter) -> None:
        self._plan, self._reporter = plan, reporter
        self._shown = -1

    def hear(self, line: str) -> None:
        """One line of the runner's output; others than its own are passed over."""
        try:
            state = parsed(line)
            number, done, total = int(state["round"]), int(state["done"]), int(state["of"])
        except (ValueError, TypeError, KeyError):
            return
        if number != self._shown:
            self.finish()
            extra = " (still spread)" if number >= self._plan.rounds else ""
            self._reporter.start(f"round {number + 1} of {self._plan.rounds}{extra}", total)
            self._shown = number
        self._reporter.advance(done)

    def finish(self) -> None:
        """Close what is shown."""
        if self._shown >= 0:
            self._reporter.finish()
        self._shown = -1


def runner_failed(title: str, code: int, error: str) -> NasError:
    """The sentence for a runner that ended with an error."""
    return NasError(
        f"measuring on {title} stopped: {last_line(error, code)}. What was timed is kept; the same command goes on with it"
    )


def last_line(error: str, code: int) -> str:
    """What a program said last before it failed."""
    return error.strip().splitlines()[-1].strip() if error.strip() else f"exit code {code}"
