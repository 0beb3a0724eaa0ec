"""Files that grow line by line, so that what is done is never done again. A kill can cut the last line."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from nas.base.errors import NasError
from nas.base.files import write_error


def read_lines(path: Path, what: str) -> list[bytes]:
    """The whole lines of a file, none where there is no file; a last line that was cut is removed from it.

    Args:
        what: the file's role, for messages.

    Raises:
        NasError: it cannot be read, or not be mended.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise NasError(f"{what} {path} cannot be read: {error.strerror}") from error
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        try:
            os.truncate(path, len(whole))
        except OSError as error:
            raise write_error(path, error) from error
    return whole.splitlines()


def append_lines(path: Path, lines: Iterable[str], lasting: bool = True) -> None:
    """Write lines at the end of a file, which is made where there is none.

    Args:
        lasting: whether they are on the disk before this returns, and outlive a loss of power, too.

    Raises:
        NasError: they cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write("".join(f"{line}\n" for line in lines).encode())
            if lasting:
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        raise write_error(path, error) from error
