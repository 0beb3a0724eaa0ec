"""Tensors in safetensors files, written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from nas.base.errors import NasError
from nas.base.files import replacing


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors by name. Raises NasError when the disk is full or the folder cannot be written."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        try:
            save_file(contiguous, temporary, metadata=dict(metadata or {}))
        except SafetensorError as error:
            # The library wraps what the system said; a full disk is told apart by its text.
            full = "os error 28" in str(error) or "os error 122" in str(error)
            raise OSError(errno.ENOSPC if full else errno.EIO, str(error)) from error


def load_tensors(path: Path, what: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors by name, and the file's metadata. Raises NasError when it is missing, truncated or no such file."""
    with _opened(path, what) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118  not a mapping


def load_tensor(path: Path, name: str, what: str) -> torch.Tensor | None:
    """One tensor of a file, None where it has none of that name. Raises NasError as `load_tensors` does."""
    with _opened(path, what) as file:
        found: torch.Tensor | None = file.get_tensor(name) if name in file.keys() else None  # noqa: SIM118  not a mapping
        return found


def load_metadata(path: Path, what: str) -> dict[str, str]:
    """A file's metadata alone. Raises NasError when it is missing, truncated or no such file."""
    with _opened(path, what) as file:
        return file.metadata() or {}


@contextlib.contextmanager
def _opened(path: Path, what: str) -> Iterator[Any]:
    if not path.is_file():
        raise NasError(f"{what} not found: {path} does not exist")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise NasError(f"{what} {path} is truncated or is none: {error}") from error
