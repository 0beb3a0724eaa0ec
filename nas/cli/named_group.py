"""Groups of commands whose first word may also be a name: `nas spaces NAME`, `nas devices NAME`."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

ONE = "of"
"""The hidden command behind a name."""


class NamedGroup(TyperGroup):
    """A group whose first word may be a name instead of a command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the hidden command before a word that is none."""
        words = [word for word in args if not word.startswith("-")]
        if words and words[0] not in self.commands:
            args = [ONE, *args]
        return list(super().parse_args(ctx, args))
