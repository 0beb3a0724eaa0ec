"""What a command does with mistakes, interruptions and `--json`."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import typer

from nas.base.errors import NasError, memory_error


@contextlib.contextmanager
def guarded(as_json: bool, resumable: list[Path] | None = None, again: bool = False) -> Iterator[None]:
    """Turn a user's mistake into one line and exit code 2, and Ctrl-C into 130.

    Args:
        as_json: standard output then holds one JSON object even for a mistake.
        resumable: holds the run's folder once there is something to go on with.
        again: the same command goes on where it was.
    """
    try:
        yield
    except NasError as error:
        tell(as_json, str(error), 2)
    except KeyboardInterrupt:
        hint = f"; go on with: nas resume {resumable[0]}" if resumable else "; the same command goes on" * again
        tell(as_json, f"interrupted{hint}", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from None
    except Exception as error:
        told = out_of_memory(error, resumable)
        if told is None:
            raise
        tell(as_json, told, 2)


def out_of_memory(error: BaseException, resumable: list[Path] | None, again: str = "") -> str | None:
    """What is said where memory could not be had; None for an error of another kind.

    Args:
        again: what the command that goes on needs behind the folder.
    """
    told = memory_error(error)
    if told is None:
        return None
    hint = f"; then go on with: nas resume {resumable[0]}{again}" if resumable else ""
    return f"out of memory: {told}; free some, or ask for a smaller batch, resolution or space{hint}"


def tell(as_json: bool, message: str, code: int) -> NoReturn:
    """Say what went wrong, on standard error and with `--json` as an object, and end with an exit code."""
    print(f"nas: {message}", file=sys.stderr)
    if as_json:
        print_json({"error": message})
    raise typer.Exit(code)


def print_json(content: Any) -> None:
    """One JSON object on standard output."""
    print(json.dumps(content, indent=2, allow_nan=False))
