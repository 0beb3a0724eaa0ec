"""Results that are known already: a table of architectures and what was measured of them."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from nas.architectures.decisions import Rows
from nas.base.errors import NasError, unknown
from nas.searching.problem import Problem, keys
from nas.supernet import Space

NAMES = ("architecture", "arch")
"""What the column of architectures may be called."""

LEAST_SHARE = 0.01
"""Of random architectures, the share that a table must hold to be searched: strategies propose what they like."""

DRAWN = 2000


class TableEvaluator:
    """Looks architectures up instead of evaluating them.

    Args:
        rows: (N, D) canonical; results of one architecture that is given several times are averaged,
            each figure over those that have it.
        metrics: name -> (N,) figures; not a number where one is missing.
        source: what it is called in messages.
    """

    def __init__(self, rows: np.ndarray, metrics: Mapping[str, np.ndarray], source: str) -> None:
        self.metrics = tuple(metrics)
        self.source = source
        self._decisions = rows.shape[1]
        figures = np.stack([np.asarray(metrics[name], dtype=np.float64) for name in self.metrics], axis=1)
        there = np.isfinite(figures)
        sums: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
        for key, values, known in zip(keys(rows), np.where(there, figures, 0.0), there, strict=True):
            total, count = sums.get(key, (np.zeros(len(self.metrics)), np.zeros(len(self.metrics))))
            sums[key] = (total + values, count + known)
        self._results = {
            key: {name: float(value / number) for name, value, number in zip(self.metrics, total, count, strict=True) if number}
            for key, (total, count) in sums.items()
        }

    def __len__(self) -> int:
        return len(self._results)

    def __contains__(self, key: bytes) -> bool:
        return key in self._results

    def __call__(self, row: np.ndarray, fidelity: float = 1.0) -> dict[str, float]:
        """What the table says of an architecture.

        Raises:
            ValueError: it is not in the table, or has no figure there.
            NasError: less than a full evaluation was asked for.
        """
        if fidelity != 1.0:
            raise NasError(
                f"{self.source} has one result for each architecture, and none for less than a full evaluation; "
                "choose another strategy"
            )
        key = np.ascontiguousarray(row).tobytes()
        if key not in self._results:
            raise ValueError(f"it is not among the {len(self)} architectures of {self.source}")
        if not self._results[key]:
            raise ValueError(f"{self.source} has no figure for it")
        return dict(self._results[key])

    def known(self, metric: str) -> tuple[Rows, np.ndarray]:
        """The architectures that have a figure, (N, D), and their figures (N,)."""
        found = {key: figures[metric] for key, figures in self._results.items() if metric in figures}
        rows = [np.frombuffer(key, dtype=np.uint8) for key in found]
        stacked = np.asfortranarray(np.stack(rows)) if rows else np.empty((0, self._decisions), dtype=np.uint8)
        return stacked, np.array(list(found.values()), dtype=np.float64)

    def require_covering(self, problem: Problem, rng: np.random.Generator) -> None:
        """Raise NasError where the table holds too little of the space for a search to find its entries."""
        drawn = problem.sample(rng, DRAWN)
        share = np.mean([key in self for key in keys(drawn)])
        if share < LEAST_SHARE:
            raise NasError(
                f"{self.source} holds {len(self)} of {problem.decisions.size:.3g} architectures; a search proposes others, "
                f"too, and {share:.1%} of {DRAWN} random ones are in it: give results of the whole space, or of a smaller one"
            )


def read_table(path: str | Path, space: Space) -> TableEvaluator:
    """Read a CSV file (or .csv.gz) of results.

    A column 'architecture' holds each architecture as JSON, as the name of a known network, or in the space's own notation,
    such as the strings of NAS-Bench-201; every other column whose figures are numbers is a metric. An empty cell is a figure
    that is missing.

    Raises:
        NasError: the file cannot be read, has no such columns, or a line holds no architecture of the space.
    """
    path = Path(path)
    lines = _lines(path)
    header = [name.strip() for name in next(lines, [])]
    place = next((header.index(name) for name in NAMES if name in header), None)
    if place is None:
        raise NasError(
            f"{path} has no column 'architecture'; its first line names the columns, and it has: {', '.join(header)}"
        )
    architectures, cells = [], []
    for number, line in enumerate(lines, 2):
        if not line:
            continue
        if len(line) != len(header):
            raise NasError(f"{path}, line {number}: {len(line)} cells in a table of {len(header)} columns")
        try:
            architectures.append(space.parse(line[place]))
        except NasError as error:
            raise NasError(f"{path}, line {number}: {error}") from error
        cells.append(line)
    metrics = {}
    for index, name in enumerate(header):
        figures = [_number(line[index]) for line in cells]
        if index != place and None not in figures:
            metrics[name] = np.array(figures, dtype=np.float64)
    if not architectures or not metrics:
        raise NasError(
            f"{path} holds {len(architectures)} architectures and no column of numbers beside them; nothing can be looked up"
        )
    return TableEvaluator(space.encode(architectures), metrics, path.name)


def require_metric(name: str, table: TableEvaluator) -> None:
    """Raise NasError unless the table has such a column."""
    if name not in table.metrics:
        raise unknown(f"column of {table.source}", name, table.metrics, "Name what is to be large or small with --objective.")


def _lines(path: Path) -> Iterator[list[str]]:
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return iter(list(csv.reader(io.StringIO(content.decode("utf-8-sig")))))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise NasError(f"table {path} cannot be read: {error}; give a CSV file with a column 'architecture'") from error


def _number(text: str) -> float | None:
    """The number in a cell, not a number for an empty one, None for anything else."""
    if not text.strip():
        return math.nan
    try:
        return float(text)
    except ValueError:
        return None
