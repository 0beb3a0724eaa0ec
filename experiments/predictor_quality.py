"""How well predictors rank the cells of NAS-Bench-201 that they have not seen, by the number of cells they have.

Each trial draws cells to learn from and 500 others at random from all 15,625 of the benchmark, isomorphic ones as they come;
predictors see validation accuracy (one seed of training, 200 epochs). With `--proxies` they are fitted once more, with
zero-cost proxies of the untrained networks as further features; cells are then drawn among `--pool` of them, whose proxies
are kept in `--work`.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recording import RESULTS, record

from nas.architectures import Encoding
from nas.architectures.decisions import Rows
from nas.base.seeds import generator
from nas.data import load_data
from nas.predicting import ProxyScorer, make_predictor, with_proxies
from nas.supernet import Space, open_space
from search_spaces.cells.nas_bench_201 import from_string

TEST = 500
"""Cells that a trial predicts."""

ENCODINGS = {"mlp-ensemble": "paths"}
"""Where a predictor's paper has another encoding than the space's own."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--benchmark", type=Path, required=True, help="nas-bench-201.csv.gz")
    parser.add_argument("--predictors", nargs="+", default=["gp", "trees", "mlp", "mlp-ensemble"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[50, 100, 200, 400], help="cells learned from")
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--proxies", nargs="*", default=[], help="zero-cost proxies as features")
    parser.add_argument("--pool", type=int, default=1000, help="cells whose proxies are computed (default: %(default)s)")
    parser.add_argument("--data", type=Path, help="images for proxies: folder of CIFAR-10 in Parquet files")
    parser.add_argument("--work", type=Path, default=Path("runs/predictor-quality"), help="where proxies are kept")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def benchmark(path: Path, space: Space) -> tuple[Rows, dict[str, np.ndarray]]:
    """Rows (15625, 6) in the order of the table, and validation accuracies in percent by data set."""
    with gzip.open(path, "rt", newline="") as file:
        lines = list(csv.DictReader(file))
    rows = space.encode([space.validate(from_string(line["arch"])) for line in lines])
    return rows, {name: np.array([float(line[f"{name}_val"]) for line in lines]) for name in ("cifar10", "cifar100")}


def proxy_scores(given: argparse.Namespace, space: Space, rows: Rows) -> dict[bytes, np.ndarray]:
    """Scores (P,) by row; computed once and kept."""
    path = given.work / f"proxies-{'-'.join(given.proxies)}-{len(rows)}-{given.seed}.npz"
    if path.exists():
        scores = np.load(path, allow_pickle=False)["scores"]
    else:
        scorer = ProxyScorer(space, given.proxies, load_data(str(given.data), seed=given.seed), seed=given.seed)
        scores = scorer(rows)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, scores=scores)
    return {row.tobytes(): score for row, score in zip(np.ascontiguousarray(rows), scores, strict=True)}


def encoding_of(name: str, space: Space, known: dict[bytes, np.ndarray]) -> Encoding:
    """How a predictor sees the cells; with proxies where scores by row are known."""
    variant = ENCODINGS.get(name)
    found = space.encoding if variant is None else space.encoding.variant(variant)
    if not known:
        return found
    nothing = np.zeros(len(next(iter(known.values()))))

    def score(rows: Rows) -> np.ndarray:
        return np.stack([known.get(row.tobytes(), nothing) for row in np.ascontiguousarray(rows)])

    return with_proxies(found, score)


def trial_of(
    name: str, encoding: Encoding, rows: Rows, values: np.ndarray, pool: np.ndarray, size: int, seed: tuple[int, int]
) -> list[float]:
    """Tau, Spearman, RMSE, coverage and seconds of fitting, of one random choice of cells."""
    drawn = pool[generator(seed[0], "trial", seed[1]).permutation(len(pool))]
    learned, held = drawn[:size], drawn[size : size + TEST]
    predictor = make_predictor(name, encoding, seed[1])
    start = time.process_time()
    predictor.fit(rows[learned], values[learned])
    seconds = time.process_time() - start
    found = predictor.score(rows[held], values[held])
    return [found.kendall_tau, found.spearman, found.rmse, found.coverage, seconds]


def study(given: argparse.Namespace, space: Space) -> list[dict[str, Any]]:
    """One line of figures for each predictor, data set and number of cells: means over the trials."""
    rows, accuracies = benchmark(given.benchmark, space)
    order = generator(given.seed, "pool").permutation(len(rows))
    sides: list[tuple[str, np.ndarray, dict[bytes, np.ndarray]]] = [("none", order, {})]
    if given.proxies:
        pool = order[: given.pool]
        sides.append((" ".join(given.proxies), pool, proxy_scores(given, space, rows[pool])))
    figures = []
    for (proxies, pool, known), name in itertools.product(sides, given.predictors):
        encoding = encoding_of(name, space, known)
        for (data, values), size in itertools.product(accuracies.items(), given.sizes):
            trials = np.array(
                [trial_of(name, encoding, rows, values, pool, size, (given.seed, trial)) for trial in range(given.trials)]
            )
            tau, spearman, rmse, coverage, seconds = trials.mean(axis=0).tolist()
            figures.append(
                {
                    "predictor": name,
                    "proxies": proxies,
                    "data": data,
                    "cells": size,
                    "kendall_tau": tau,
                    "tau_deviation": float(trials[:, 0].std()),
                    "spearman": spearman,
                    "rmse": rmse,
                    "coverage": coverage,
                    "fit_seconds": seconds,
                }
            )
            print(figures[-1], flush=True)
    return figures


def plot(figures: Sequence[Mapping[str, Any]]) -> None:
    """One panel for each data set: Kendall's tau against the number of cells learned from."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(dict.fromkeys(row["data"] for row in figures))
    sides = list(dict.fromkeys((row["predictor"], row["proxies"]) for row in figures))
    panel, axes = pyplot.subplots(1, len(names), figsize=(4.8 * len(names), 3.8), squeeze=False, sharey=True)
    for axis, name in zip(axes[0], names, strict=True):
        for place, (predictor, proxies) in enumerate(sides):
            rows = [row for row in figures if (row["data"], row["predictor"], row["proxies"]) == (name, predictor, proxies)]
            sizes, taus = [row["cells"] for row in rows], [row["kendall_tau"] for row in rows]
            label = predictor if proxies == "none" else f"{predictor}, {proxies}"
            axis.errorbar(
                sizes, taus, [row["tau_deviation"] for row in rows], color=f"C{place}", label=label, capsize=3, marker="o"
            )
        axis.set(title=name, xlabel="cells learned from", xscale="log")
        learned = sorted({row["cells"] for row in figures})
        axis.set_xticks(learned, map(str, learned))
        axis.minorticks_off()
    axes[0, 0].set_ylabel("Kendall's tau on cells not seen")
    axes[0, -1].legend(fontsize="small")
    panel.tight_layout()
    panel.savefig(RESULTS / "predictor_quality.png", dpi=100)


def main() -> None:
    """Measure and record."""
    given = arguments()
    if given.proxies and given.data is None:
        raise SystemExit("proxies read images: name a folder with --data")
    torch.set_num_threads(1)
    figures = study(given, open_space("cells:nas-bench-201"))
    plot(figures)
    settings = {name: value.name if isinstance(value, Path) else value for name, value in vars(given).items()}
    record(__file__, figures, test_cells=TEST, **settings)


if __name__ == "__main__":
    main()
