"""What a comparison of strategies came to: means, errors, quartiles and regret, as figures and as CSV."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.searching.benchmarks import Benchmark, Searched, curves

COLUMNS = ("table", "strategy", "evaluations", "mean", "standard_error", "q25", "median", "q75", "mean_regret")

Compared = Mapping[tuple[str, str], Sequence[Searched]]
"""Searches by the name of the benchmark and the label of the strategy."""


def contest_figures(benchmark: Benchmark, label: str, searches: Sequence[Searched], marks: Sequence[int]) -> dict[str, Any]:
    """One strategy on one benchmark.

    Args:
        marks: numbers of evaluations after which the best so far is told.

    Returns:
        {"table", "strategy", "searches", "found", "ms_an_evaluation", "after": [{"evaluations", "mean", "standard_error",
        "q25", "median", "q75", "mean_regret"}]}. Figures are those of the table, whichever direction is better; they are
        None where some search had found nothing yet, and the regret where the table's best is not known. "found" is the share
        of searches that found it.
    """
    best = curves(searches, marks[-1])
    made = sum(one.evaluations for one in searches)
    return {
        "table": benchmark.name,
        "strategy": label,
        "searches": len(searches),
        "found": None if benchmark.best is None else float((best[:, -1] >= benchmark.best).mean()),
        "ms_an_evaluation": 1e3 * sum(one.seconds for one in searches) / max(made, 1),
        "after": [{"evaluations": mark, **_spread(benchmark, best[:, mark - 1])} for mark in marks],
    }


def curves_csv(benchmarks: Sequence[Benchmark], compared: Compared, length: int) -> str:
    """The best so far of every strategy on every benchmark: a line for each number of evaluations."""
    lines = [",".join(COLUMNS)]
    by_name = {benchmark.name: benchmark for benchmark in benchmarks}
    for (name, label), searches in compared.items():
        best = curves(searches, length)
        for place in range(length):
            figures = _spread(by_name[name], best[:, place])
            cells = ["" if value is None else f"{value:.6g}" for value in figures.values()]
            lines.append(",".join([_cell(name), _cell(label), str(place + 1), *cells]))
    return "\n".join([*lines, ""])


def mean_curve(benchmark: Benchmark, searches: Sequence[Searched], length: int) -> npt.NDArray[np.float64]:
    """(length,) the mean regret where the best is known, and else the mean of the best so far; not a number where a search has
    nothing yet."""
    best = curves(searches, length)
    mean = np.where(np.isfinite(best).all(axis=0), np.where(np.isfinite(best), best, 0.0).mean(axis=0), np.nan)
    return benchmark.best - mean if benchmark.best is not None else mean * benchmark.problem.objective.sign


def _spread(benchmark: Benchmark, gains: npt.NDArray[np.float64]) -> dict[str, float | None]:
    """Mean, standard error of the mean, quartiles and mean regret of gains (N,), as figures of the table."""
    if not np.isfinite(gains).all():
        return dict.fromkeys(COLUMNS[3:])
    sign = benchmark.problem.objective.sign
    low, middle, high = np.quantile(sign * gains, [0.25, 0.5, 0.75])
    return {
        "mean": float(sign * gains.mean()),
        "standard_error": float(gains.std(ddof=1) / math.sqrt(len(gains))) if len(gains) > 1 else None,
        "q25": float(low),
        "median": float(middle),
        "q75": float(high),
        "mean_regret": None if benchmark.best is None else float(benchmark.best - gains.mean()),
    }


def _cell(text: str) -> str:
    return f'"{text}"' if "," in text else text
