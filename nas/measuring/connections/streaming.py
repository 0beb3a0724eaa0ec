"""A program of this machine, followed line by line."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence


def stream(command: Sequence[str], hear: Callable[[str], None]) -> tuple[int, str]:
    """Run a program, hand on each line of its output at once, and return its exit code and what it wrote as errors.

    Interrupted, it ends the program. Raises OSError where there is no such program.
    """
    # Errors go to a file: a pipe that nobody empties would stop the program once it is full.
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, encoding="utf-8", errors="replace"
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    hear(line)
            except BaseException:
                process.terminate()
                raise
        errors.seek(0)
        return process.returncode, errors.read().decode("utf-8", errors="replace")
