"""Progress on standard error: a bar with the time that is left, and what is known so far below it. Silent when that is no
terminal."""

from __future__ import annotations

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

OFTEN = 8
"""Times a second that the view is drawn anew."""


class TerminalReporter:
    """Shows one task at a time.

    Args:
        console: standard error by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._live: Live | None = None
        self._note = Text()

    def start(self, title: str, total: int, done: int = 0) -> None:
        """Open a view."""
        if not self._console.is_terminal:
            return
        self._progress = Progress(
            TextColumn("{task.description:<18}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._progress.add_task(title, total=total, completed=done)
        self._note = Text("", style="dim", overflow="ellipsis", no_wrap=True)
        self._live = Live(Group(self._progress, self._note), console=self._console, refresh_per_second=OFTEN)
        self._live.start()

    def advance(self, done: int, note: str = "") -> None:
        """Move the bar, and say what is known now."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done)
            self._note.plain = f"  {note}" if note else ""

    def finish(self) -> None:
        """Close the view, leaving it on screen as it is now."""
        if self._live is not None:
            self._live.stop()
            self._live = self._progress = None

    def say(self, text: str) -> None:
        """Print a line above whatever comes."""
        if self._console.is_terminal:
            self._console.print(text, highlight=False, markup=False)
