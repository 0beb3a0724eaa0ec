"""The reference of the commands, written from the program itself when the site is built."""

from __future__ import annotations

from typing import Any

import typer
from generated import add_page
from typer.cli import get_docs_for_click


def text() -> str:
    """Every command with its arguments and options, as Markdown."""
    from nas.cli.app import app

    command = typer.main.get_command(app)
    with command.make_context("nas", [], resilient_parsing=True) as context:
        return get_docs_for_click(obj=command, ctx=context, name="nas", title="Commands")


def setup(app: Any) -> dict[str, bool]:
    """Add the page."""
    return add_page(app, "reference/commands.md", text)
