"""The command line. Commands import what they need when they run, so that help answers at once."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the `nas` command."""
    try:
        from nas.cli.app import app

        app()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
