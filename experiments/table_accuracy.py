"""How well a latency table tells the time of whole networks on this machine.

For each space all operators and units, and whole random networks among them, are timed in onnxruntime as `nas measure` does it.
The table is corrected by the first networks; its errors are those of the others. Beside it stand the plain sums, and the
sums times one common factor. Timings are kept under `results/table_accuracy/`, so that a study that was stopped goes on.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
from recording import RESULTS, record

from nas.base.progress import Silent
from nas.measuring import Measurement, Request, open_connection, read_timings
from nas.measuring.correction import fitted_factors, table_error
from nas.supernet import open_space

SPACES = {"mbconv:single-path": 8, "cells:nas-bench-201": 8, "vit:autoformer-t": 3}
"""Rounds of timings; a model that still spreads by more than 2 % gets up to twice as many."""


def studied(name: str, threads: int, given: argparse.Namespace) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Figures; predicted and measured milliseconds of the networks that fitted nothing."""
    request = Request(threads=threads, networks=given.fitted + given.judged, rounds=SPACES[name])
    measurement = Measurement(open_space(name), request)
    folder = RESULTS / Path(__file__).stem / f"{name.replace(':', '-')}-{threads}"
    share_models(folder)
    plan = measurement.prepare(folder, Silent())
    open_connection("here").run(folder, plan, Silent())
    timings = read_timings(folder, plan)
    operators = len(measurement.blocks.all)
    alone = np.array([timings.figures[number].ms for number in range(operators)])
    whole = np.array([timings.figures[number].ms for number in range(operators, len(plan.models))])
    counts = measurement.blocks.counts(measurement.networks)
    fitted, judged = slice(0, given.fitted), slice(given.fitted, None)
    factors = fitted_factors(counts[fitted], alone, whole[fitted])
    common = float(np.median(whole[fitted] / (counts[fitted] @ alone)))
    predicted = counts[judged] @ (alone * factors)
    error = table_error(predicted, whole[judged])
    return (
        {
            "space": name,
            "threads": threads,
            "operators": operators,
            **error.to_json(),
            "mape_common_factor": table_error(counts[judged] @ alone * common, whole[judged]).mape,
            "mape_sum": table_error(counts[judged] @ alone, whole[judged]).mape,
            "common_factor": common,
            "drift": timings.drift,
            "busy": timings.busy,
        },
        predicted,
        whole[judged],
    )


def share_models(folder: Path) -> None:
    """Link the models that another number of threads has: they are the same."""
    (folder / "models").mkdir(parents=True, exist_ok=True)
    for known in folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*/models/*"):
        if not (folder / "models" / known.name).exists():
            os.link(known, folder / "models" / known.name)


def plot(file: Path, found: list[tuple[dict[str, Any], np.ndarray, np.ndarray]], wide: int) -> None:
    """Predicted against measured, a panel for each space and number of threads, so many beside each other."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    high = len(found) // wide
    figure, axes = pyplot.subplots(high, wide, figsize=(4.2 * wide, 4.2 * high), squeeze=False)
    for axis, (figures, predicted, measured) in zip(axes.flat, found, strict=True):
        ends = np.array([min(predicted.min(), measured.min()), max(predicted.max(), measured.max())])
        axis.fill_between(ends, ends * 0.95, ends * 1.05, color="C0", alpha=0.15, label="within 5 %")
        axis.plot(ends, ends, color="0.4", linewidth=1)
        axis.scatter(predicted, measured, s=9, color="C1")
        axis.set(
            title=f"{figures['space']}, {figures['threads']} thread{'s' * (figures['threads'] > 1)}\n"
            f"mean error {figures['mape']:.2f} %, Spearman {figures['spearman']:.3f}",
            xlabel="table, ms",
            ylabel="whole network, ms",
        )
        axis.legend()
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(file, dpi=110)


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--spaces", nargs="+", choices=SPACES, default=list(SPACES))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--fitted", type=int, default=100, help="networks that correct the table (default: %(default)s)")
    parser.add_argument("--judged", type=int, default=200, help="networks that tell its error (default: %(default)s)")
    given = parser.parse_args()
    found = []
    for name in given.spaces:
        for threads in given.threads:
            found.append(studied(name, threads, given))
            print(found[-1][0], flush=True)
    plot(
        RESULTS / "table_accuracy.png",
        found,
        len(given.threads),
    )
    record(__file__, [figures for figures, _, _ in found], fitted=given.fitted, judged=given.judged, rounds=SPACES)


if __name__ == "__main__":
    main()
