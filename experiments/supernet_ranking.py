"""How well a supernet ranks: its accuracies of random cells beside those of NAS-Bench-201, for several trainers.

CIFAR-10 and the benchmark's table are read from `--data` and `--benchmark`. By default this is a REDUCED study for a
processor: supernets of one cell a stage instead of the benchmark's five, and a few epochs. Trainers get about the same number
of images through a network: a sandwich step counts four times, a step of darts as often as its supernet has operators. `darts`
takes its first-order gradient here, and `sandwich` does not clip gradients; all else is the trainers' defaults.

A training and its scores are kept in `--work`, and what was stopped goes on.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recording import record
from scipy.stats import kendalltau, spearmanr

import nas
from nas.base.seeds import generator
from nas.data import fixed_batches, load_data
from nas.jobs.run import Run
from nas.runs.trained import load_trained, locate
from nas.searching import Evaluator
from search_spaces.cells.nas_bench_201 import from_string, nas_bench_201_space

SETTINGS: dict[str, dict[str, Any]] = {"darts": {"order": "first"}, "sandwich": {"clip_norm": None}}
"""Figures of a trainer that are not its defaults."""

PASSES = {"uniform": 1, "flops-binned": 1, "fair": 5, "sandwich": 4, "darts": 5}
"""Passes of one network that a step of the trainer stands for."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of CIFAR-10 in Parquet files")
    parser.add_argument("--benchmark", type=Path, required=True, help="nas-bench-201.csv.gz")
    parser.add_argument("--work", type=Path, default=Path("runs/ranking"), help="where trained supernets are kept")
    parser.add_argument("--trainers", nargs="+", default=["uniform", "sandwich", "darts"])
    parser.add_argument("--passes", type=int, default=4000, help="steps times passes a step (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--cells", type=int, default=1, help="cells a stage; the benchmark has 5 (default: %(default)s)")
    parser.add_argument("--architectures", type=int, default=500)
    parser.add_argument("--validation", type=int, default=500, help="validation images (default: %(default)s)")
    parser.add_argument("--calibration", type=int, default=128, help="images for batch norm (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def benchmark(path: Path, space: nas.Space) -> dict[bytes, float]:
    """CIFAR-10 test accuracy in percent by canonical row; isomorphic cells share the mean of theirs."""
    found: dict[bytes, list[float]] = {}
    with gzip.open(path, "rt", newline="") as file:
        lines = list(csv.DictReader(file))
    rows = space.decisions.canonical(space.encode([space.validate(from_string(line["arch"])) for line in lines]))
    for row, line in zip(rows, lines, strict=True):
        found.setdefault(row.tobytes(), []).append(float(line["cifar10_test"]))
    return {key: float(np.mean(values)) for key, values in found.items()}


def trained(given: argparse.Namespace, space: nas.Space, trainer: str) -> Run:
    """The supernet of one trainer; a finished one is loaded."""
    folder = given.work / f"{trainer}-{given.cells}-{given.passes}-{given.batch}-{given.seed}"
    if (folder / "manifest.json").exists():
        return nas.resume(folder, space=space)
    settings: dict[str, Any] = {"batch_size": given.batch, **SETTINGS.get(trainer, {})}
    steps = max(1, given.passes // PASSES.get(trainer, 1))
    return nas.train(space, given.data, folder, trainer=trainer, steps=steps, seed=given.seed, settings=settings)


def rank(given: argparse.Namespace, space: nas.Space, run: Run, truth: dict[bytes, float], rows: np.ndarray) -> dict[str, Any]:
    """Rank correlations over the rows, and the benchmark accuracy of what the supernet prefers."""
    scores, losses = scored(given, space, run, rows).T
    real = np.array([truth[row.tobytes()] for row in rows])
    derived = run.results["derived"]
    found = rows[int(scores.argmax())]
    if derived is not None:
        found = space.decisions.canonical(space.encode([space.validate(derived)]))[0]
    training = run.results["training"]
    return {
        "trainer": training["trainer"],
        "steps": int(training["steps"]),
        "seconds": float(training["seconds"]),
        "kendall_tau": float(kendalltau(scores, real).statistic),
        "spearman": float(spearmanr(scores, real).statistic),
        "kendall_tau_of_loss": float(kendalltau(-losses, real).statistic),
        "spearman_of_loss": float(spearmanr(-losses, real).statistic),
        "mean_supernet_top1": float(scores.mean()),
        "found_test_top1": truth[found.tobytes()],
        "found_by": "derivation" if derived is not None else f"best of {len(rows)}",
    }


def scored(given: argparse.Namespace, space: nas.Space, run: Run, rows: np.ndarray) -> np.ndarray:
    """Validation accuracy in percent and cross-entropy, (N, 2), of the rows in the supernet; found once."""
    name = f"metrics-{len(rows)}-{given.validation}-{given.calibration}.npy"
    kept = Path(run.path) / name
    if kept.exists():
        return np.asarray(np.load(kept))
    data = load_data(str(given.data), seed=given.seed)
    supernet = space.supernet(data.channels, data.resolution, len(data.classes), given.seed)
    supernet = supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    load_trained(locate(run.path), supernet)
    evaluate = Evaluator(
        supernet,
        fixed_batches(data, "train", given.calibration, given.calibration),
        fixed_batches(data, "validation", 250, given.validation),
    )
    found = [evaluate(row) for row in rows]
    scores = np.array([[metrics["top1"], metrics["loss"]] for metrics in found])
    np.save(kept, scores)
    return scores


def main() -> None:
    """Train, rank and record."""
    given = arguments()
    torch.set_num_threads(1)
    space = nas_bench_201_space(cells=given.cells)
    truth = benchmark(given.benchmark, space)
    drawn = space.decisions.canonical(space.decisions.sample(generator(given.seed, "ranking"), 20 * given.architectures))
    _, first = np.unique(drawn, axis=0, return_index=True)
    rows = drawn[np.sort(first)][: given.architectures]
    figures = [rank(given, space, trained(given, space, trainer), truth, rows) for trainer in given.trainers]
    settings = {name: str(value) if isinstance(value, Path) else value for name, value in vars(given).items()}
    settings["reduced"] = given.cells < 5
    settings["benchmark_best_test_top1"] = max(truth.values())
    settings["benchmark_of_random_rows"] = float(np.mean([truth[row.tobytes()] for row in rows]))
    for name in ("data", "benchmark", "work"):
        settings[name] = Path(settings[name]).name
    record(__file__, figures, **settings)


if __name__ == "__main__":
    main()
