"""How long work reports on itself. The library is silent unless somebody listens."""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """Receives the progress of one task at a time; the command line shows it, the Python API may ignore it."""

    def start(self, title: str, total: int, done: int = 0) -> None:
        """A task of `total` units begins, `done` of which were finished earlier (a resumed run)."""

    def advance(self, done: int, note: str = "") -> None:
        """`done` units are finished in all; `note` is a short text such as the current loss."""

    def finish(self) -> None:
        """The task is over."""

    def say(self, text: str) -> None:
        """One line worth reading that is not an error."""


class Silent:
    """A reporter for scripts, tests and pipes."""

    def start(self, title: str, total: int, done: int = 0) -> None:
        """Ignore the start of a task."""

    def advance(self, done: int, note: str = "") -> None:
        """Ignore progress."""

    def finish(self) -> None:
        """Ignore the end."""

    def say(self, text: str) -> None:
        """Ignore the line."""
