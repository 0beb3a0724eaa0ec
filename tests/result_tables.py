"""Tables of results, written for the tests that search them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from nas.supernet import Space

SMALL = f"{Path(__file__).parent / 'predictors' / 'proxies' / 'proxy_space.py'}:Small"
"""A space of twelve architectures, half of which have no ReLU."""


def all_of_small(space: Space) -> np.ndarray:
    """The rows of `SMALL`."""
    return np.unique(space.decisions.canonical(np.indices((3, 2, 2)).reshape(3, -1).T.astype(np.uint8)), axis=0)


def write_results(path: Path, space: Space, rows: np.ndarray, columns: Mapping[str, Callable[[np.ndarray], object]]) -> Path:
    """A CSV file with a line for each architecture.

    Args:
        columns: name of a figure -> the figure of a row.
    """
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["architecture", *columns])
        for architecture, row in zip(space.decode(np.asfortranarray(rows)), rows, strict=True):
            lines.writerow([json.dumps(architecture.to_json()), *(figure(row) for figure in columns.values())])
    return path
