"""The command line. Commands import what they need when they run, so that help answers at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    """Entry point of the `nas` command."""
    # Threads that wait by spinning make a training step ten times slower as soon as another program wants one of their
    # cores. Must be said before torch is loaded; whoever set it already is obeyed.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from nas.cli.together import follows

    if follows():
        sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  the first process speaks for all
    try:
        from nas.cli.app import app

        app()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
