"""The runs below a folder, and the files of one that may be read."""

from __future__ import annotations

from pathlib import Path

from nas.base.errors import NasError
from nas.runs.manifest import MANIFEST

LARGEST = 256 * 2**20
"""Bytes of a file that is read: more is none that a run has written."""


def runs_in(folder: Path) -> dict[str, Path]:
    """Every run in a folder by name, the latest first; the folder itself where it is one. Links to elsewhere are left out.

    Raises:
        NasError: there is no such folder, or it cannot be read.
    """
    try:
        if not folder.is_dir():
            raise NasError(f"{folder} is not a folder; give the one that holds your runs, such as runs/")
        if (folder / MANIFEST).is_file():
            return {shown(folder.resolve().name): folder}
        found = [path for path in folder.iterdir() if not path.is_symlink() and readable(path / MANIFEST) is not None]
    except OSError as error:
        raise NasError(f"{folder} cannot be read: {error.strerror}") from error
    return {shown(path.name): path for path in sorted(found, key=_written, reverse=True)}


def readable(path: Path) -> Path | None:
    """The path, where a file of ordinary size lies there and not a link; else None."""
    try:
        plain = path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST
    except OSError:
        return None
    return path if plain else None


def shown(name: str | Path) -> str:
    """A name as a page can hold it: bytes that are no text become question marks."""
    return str(name).encode(errors="replace").decode()


def _written(path: Path) -> float:
    """When a run began, in seconds since 1970; 0 where it is gone by now."""
    try:
        return (path / MANIFEST).stat().st_mtime
    except OSError:
        return 0.0
