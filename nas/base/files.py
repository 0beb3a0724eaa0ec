"""Files that are either whole or absent: written beside, flushed to disk, and renamed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.base.json_text import parsed


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success it replaces `path`, on failure it is removed.

    Raises NasError when the disk is full or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
    except OSError as error:
        raise write_error(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file or nothing."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write a whole UTF-8 file or nothing."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON, whole or not at all. NaN is refused: it is not JSON."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path, what: str) -> Any:
    """Read JSON, or say in one sentence what is wrong with the file; `what` names its role ('run manifest')."""
    try:
        return parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NasError(f"{what} not found: {path} does not exist") from error
    except (OSError, ValueError) as error:
        raise NasError(f"{what} cannot be read: {path}: {error}") from error


SEAL = "sha256"
"""The key under which a sealed file holds the digest of everything else in it."""


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object with a digest of it, so that whoever reads it knows that it is what was written."""
    write_json(path, {**content, SEAL: _seal(content)})


def read_sealed(path: Path, what: str) -> Any:
    """Read JSON; where it is sealed, without the seal.

    Raises:
        NasError: as `read_json`, or the content is not that which was sealed.
    """
    content = read_json(path, what)
    if not isinstance(content, dict) or SEAL not in content:
        return content
    seal = content.pop(SEAL)
    if seal != _seal(content):
        raise NasError(f"{what} {path} is damaged, or was changed by hand: its content is not what was written")
    return content


def write_error(path: Path, error: OSError) -> NasError:
    """The sentence for a write that failed."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NasError(f"the disk is full: {path} was not written; free some space, then go on with 'nas resume'")
    return NasError(f"cannot write {path}: {error.strerror or error}")


def _seal(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable; not every file system lets a folder be opened, and then there is nothing to do."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
