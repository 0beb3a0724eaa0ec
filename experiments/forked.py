"""Work in processes that may be killed at any moment: forks of this one, which has imported everything already."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

PATIENCE = 600.0
"""Seconds after which a process is taken to hang."""


def fork(work: Callable[[], object], output: Path) -> int:
    """Begin some work in a process and a session of its own, and return its number.

    Args:
        output: a file for what it prints; a traceback stands at the end where the work raised.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        os.setsid()
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for place in (1, 2):
            os.dup2(handle, place)
        work()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ended(process: int) -> int | None:
    """The exit code of a process, negative for a signal; None while it runs."""
    found, status = os.waitpid(process, os.WNOHANG)
    return None if not found else os.waitstatus_to_exitcode(status)


def wait(process: int, seconds: float = PATIENCE) -> int | None:
    """The exit code of a process once it ends; None where it is killed because it takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        code = ended(process)
        if code is not None:
            return code
        time.sleep(0.005)
    kill(process, whole=True)
    return None


def kill(process: int, whole: bool) -> None:
    """SIGKILL, to the process alone or with all that it started."""
    (os.killpg if whole else os.kill)(process, signal.SIGKILL)
    os.waitpid(process, 0)
