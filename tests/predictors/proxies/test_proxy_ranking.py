"""Proxies rank the cells of NAS-Bench-201, on real images and the benchmark's own accuracies."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from nas.data import load_data
from nas.predicting.proxy_scores import score_rows
from nas.supernet import open_space
from search_spaces.cells.nas_bench_201 import from_string

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
IMAGES, TABLE = SHARED / "images" / "cifar10", SHARED / "benchmarks" / "nas-bench-201.csv.gz"


@pytest.mark.slow
@pytest.mark.skipif(not (IMAGES.exists() and TABLE.exists()), reason=f"{SHARED} holds no CIFAR-10 and no NAS-Bench-201")
def test_the_strong_proxies_rank_cells_by_accuracy_after_training() -> None:
    space = open_space("cells:nas-bench-201")
    with gzip.open(TABLE, "rt", newline="") as file:
        lines = list(csv.DictReader(file))
    chosen = np.random.default_rng(0).choice(len(lines), 100, replace=False)
    rows = space.encode([space.validate(from_string(lines[index]["arch"])) for index in chosen])
    real = [float(lines[index]["cifar10_val"]) for index in chosen]
    names = ["naswot", "synflow", "params", "jacob-cov"]
    scores = score_rows(space, rows, names, load_data(str(IMAGES)), batch=32)
    found = {name: spearmanr(scores[:, column], real).statistic for column, name in enumerate(names)}
    assert min(found.values()) >= 0.6, found
