"""How well zero-cost proxies rank: their scores of random untrained cells beside the accuracies of NAS-Bench-201.

CIFAR-10 and the benchmark's table are read from `--data` and `--benchmark`; the accuracy is the benchmark's validation
accuracy on CIFAR-10 after 200 epochs. Networks are those of the benchmark, five cells a stage, unless `--cells` is smaller,
which the record then calls reduced. The images are a JPEG version of CIFAR-10. Beside each figure stands NAS-Bench-Suite-Zero's
for about 725 random cells.

Scores are kept in `--work` after every network, and a study that was stopped goes on from them.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from recording import RESULTS, record
from scipy.stats import kendalltau, rankdata, spearmanr

from nas.base.files import read_json, write_json
from nas.base.seeds import generator
from nas.data import load_data
from nas.predicting.proxy import NotDefined
from nas.predicting.proxy_scores import ProxyScorer
from search_spaces.cells.nas_bench_201 import from_string, nas_bench_201_space

PUBLISHED = {
    "naswot": 0.786,
    "jacob-cov": 0.766,
    "params": 0.738,
    "synflow": 0.736,
    "l2": 0.725,
    "macs": 0.711,
    "epe-nas": 0.667,
    "snip": 0.608,
    "grad-norm": 0.606,
    "grasp": 0.539,
    "fisher": 0.509,
    "zen": 0.355,
    "plain": -0.257,
}
"""Spearman's correlation on CIFAR-10 from the released data of NAS-Bench-Suite-Zero (Krishnakumar et al., 2022)."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of CIFAR-10 in Parquet files")
    parser.add_argument("--benchmark", type=Path, required=True, help="nas-bench-201.csv.gz")
    parser.add_argument("--work", type=Path, default=Path("runs/proxies"), help="where scores are kept")
    parser.add_argument("--proxies", nargs="+", default=["naswot", "jacob-cov", "synflow", "params", "macs", "l2"])
    parser.add_argument("--architectures", type=int, default=500)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--cells", type=int, default=5, help="cells a stage (default: %(default)s, the benchmark's)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Score, correlate and record."""
    given = arguments()
    torch.set_num_threads(given.threads)
    with gzip.open(given.benchmark, "rt", newline="") as file:
        lines = list(csv.DictReader(file))
    chosen = generator(given.seed, "proxy-ranking").permutation(len(lines))[: given.architectures].tolist()
    space = nas_bench_201_space(cells=given.cells)
    rows = space.decisions.canonical(space.encode([space.validate(from_string(lines[index]["arch"])) for index in chosen]))
    real = np.array([float(lines[index]["cifar10_val"]) for index in chosen])
    scorer = ProxyScorer(space, given.proxies, load_data(str(given.data), seed=given.seed), given.batch, given.seed)
    kept = given.work / f"{given.cells}-{given.batch}-{given.seed}.json"
    known: dict[str, dict[str, list[float]]] = read_json(kept, "scores") if kept.exists() else {}
    kept.parent.mkdir(parents=True, exist_ok=True)
    for done, (index, row) in enumerate(zip(chosen, rows, strict=True), 1):
        scores = known.setdefault(str(index), {})
        missing = [name for name in given.proxies if name not in scores]
        if not missing:
            continue
        network = scorer.network(row)
        for name in missing:
            start = time.process_time()
            try:
                score = scorer.of(name, network)
            except NotDefined:  # a cell without a live edge may lack what the proxy needs
                score = -np.inf
            scores[name] = [max(score, -1e300), time.process_time() - start]  # JSON has no infinity
        write_json(kept, known)
        if done % 10 == 0:
            print(
                json.dumps({"done": done, **{name: figures(name, chosen[:done], known, real)["spearman"] for name in missing}})
            )
    plot(chosen, known, real, given.proxies)
    record(
        __file__,
        [figures(name, chosen, known, real) for name in given.proxies],
        data=given.data.name,
        benchmark=given.benchmark.name,
        label="cifar10 validation accuracy, 200 epochs",
        architectures=given.architectures,
        batch=given.batch,
        cells=given.cells,
        reduced=given.cells < 5 or given.architectures < 500,
        seed=given.seed,
    )


def plot(chosen: list[int], known: dict[str, dict[str, list[float]]], real: np.ndarray, proxies: Sequence[str]) -> None:
    """One panel for each proxy: the rank of its score beside the accuracy of every cell."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = min(3, len(proxies))
    lines = -(-len(proxies) // columns)
    figure, axes = pyplot.subplots(lines, columns, figsize=(4 * columns, 3.4 * lines), squeeze=False, sharey=True)
    for axis in axes.flat[len(proxies) :]:
        axis.set_visible(False)
    for axis, name in zip(axes.flat, proxies, strict=False):
        scores = np.array([known[str(index)][name][0] for index in chosen])
        correlation = spearmanr(scores, real).statistic
        axis.scatter(rankdata(scores), real, s=6, alpha=0.5, linewidths=0)
        axis.set(
            title=f"{name}: Spearman {correlation:.2f}", xlabel="rank by the proxy", ylim=(np.quantile(real, 0.04) - 1, None)
        )
    for axis in axes[:, 0]:
        axis.set_ylabel("validation accuracy, %")
    figure.tight_layout()
    figure.savefig(RESULTS / "proxy_ranking.png", dpi=100)


def figures(
    name: str, chosen: list[int], known: dict[str, dict[str, list[float]]], real: np.ndarray
) -> dict[str, str | float | None]:
    """Rank correlations of one proxy over the cells that were chosen."""
    scores = np.array([known[str(index)][name][0] for index in chosen])
    return {
        "proxy": name,
        "spearman": float(spearmanr(scores, real[: len(chosen)]).statistic),
        "kendall_tau": float(kendalltau(scores, real[: len(chosen)]).statistic),
        "published_spearman": PUBLISHED.get(name),
        "processor_seconds": float(np.median([known[str(index)][name][1] for index in chosen])),
    }


if __name__ == "__main__":
    main()
