"""Tables of results that studies make up, as files that `nas search --evaluate` takes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nas.supernet import Space


def write_results(path: Path, space: Space, rows: np.ndarray, top1: Callable[[np.ndarray], object]) -> None:
    """A line for each of the architectures (N, D), with what is said of its row."""
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["architecture", "top1"])
        for architecture, row in zip(space.decode(np.asfortranarray(rows)), rows, strict=True):
            lines.writerow([json.dumps(architecture.to_json()), top1(row)])
