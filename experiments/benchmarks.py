"""The tables of accuracies that studies search: NAS-Bench-201, from `../shared/data` beside the repository."""

from __future__ import annotations

import csv
import gzip
import os
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nas.architectures import Decisions
from nas.choices import Choice
from nas.searching.arrays import TableProblem

OPERATORS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

EDGES = 6

DATA = Path(os.environ.get("NAS_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def nas_bench_201(column: str) -> TableProblem:
    """One figure of all 15,625 cells, each cell by itself as in the benchmark: isomorphic cells have results of their own.

    Args:
        column: of the file, such as 'cifar100_val'.
    """
    file = DATA / "benchmarks" / "nas-bench-201.csv.gz"
    if not file.exists():
        sys.exit(f"{file} is not there; set NAS_SHARED_DATA to the folder that holds benchmarks/nas-bench-201.csv.gz")
    decisions = Decisions([Choice(f"edge{index}", OPERATORS) for index in range(EDGES)])
    values: npt.NDArray[np.float64] = np.full(len(OPERATORS) ** EDGES, np.nan)
    digits = len(OPERATORS) ** np.arange(EDGES)[::-1]
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            operators = [word.partition("~")[0] for word in line["arch"].replace("+", "").split("|") if word]
            values[int(np.dot([OPERATORS.index(name) for name in operators], digits))] = float(line[column])
    return TableProblem(decisions, values)
