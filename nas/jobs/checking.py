"""Checking a space that is named as for a search."""

from __future__ import annotations

from nas.base.errors import NasError
from nas.base.progress import Reporter
from nas.checking import Report, check_space
from nas.supernet import Space
from nas.supernet.family import find_space


def check(
    target: str | Space, architectures: int = 10, seed: int = 0, onnx: int = 1, reporter: Reporter | None = None
) -> Report:
    """Try everything that a search relies on; see `nas.checking.check_space`.

    Args:
        target: name of an installed space, 'path/to/file.py:NAME', or a `nas.Space`.
        architectures: how many are built and compared.
        onnx: how many of them are exported and compared.

    Raises:
        NasError: there is no such space, its file fails, or fvcore is not installed. What is wrong inside the space is in
            the report.
    """
    if architectures < 1 or not 0 <= onnx <= architectures:
        raise NasError(
            f"--architectures is at least 1, and at most as many are exported; given {architectures} and {onnx} to export"
        )
    if seed < 0:
        raise NasError(f"--seed is a whole number from 0; given {seed}")
    space = target if isinstance(target, Space) else find_space(target)
    label = target.name if isinstance(target, Space) else target
    return check_space(space, architectures, seed, onnx, reporter=reporter, label=label)
