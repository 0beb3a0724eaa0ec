"""Scores of networks by zero-cost proxies in a file, so that a search that goes on scores nothing twice."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from nas.base.errors import NasError
from nas.base.json_text import parsed
from nas.base.lines import append_lines, read_lines

Found: TypeAlias = float | str
"""A score, -inf included, or why there is none."""


class ScoreFile:
    """A line for each network that was scored, written as soon as it is.

    Args:
        path: made when it does not exist. Only one process may write it: hold the run's lock.
        width: decisions in a row.
    """

    def __init__(self, path: Path, width: int) -> None:
        self.path = path
        self.width = width

    def read(self) -> dict[bytes, dict[str, Found]]:
        """What is known, by the bytes of the canonical row and by proxy.

        A line that a killed process did not finish is dropped.

        Raises:
            NasError: the file cannot be read, or holds something else.
        """
        try:
            known: dict[bytes, dict[str, Found]] = {}
            for line in read_lines(self.path, "proxy scores"):
                read = parsed(line)
                row = bytes(read["row"])
                if len(row) != self.width:
                    raise ValueError(f"a row of {len(row)} decisions")
                known.setdefault(row, {}).update({name: _number(value) for name, value in read["scores"].items()})
            return known
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NasError(
                f"proxy scores {self.path} are damaged ({error}); remove the file, and the scores are worked out again"
            ) from error

    def add(self, row: bytes, scores: Mapping[str, Found]) -> None:
        """Write the scores of one network. Raises NasError when they cannot be written."""
        written = {name: None if value == -math.inf else value for name, value in scores.items()}
        line = json.dumps({"row": list(row), "scores": written}, allow_nan=False)
        append_lines(self.path, [line], lasting=False)  # one may take less time than the disk does


def _number(value: float | str | None) -> Found:
    if value is None:
        return -math.inf
    return value if isinstance(value, str) else float(value)
