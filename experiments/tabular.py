"""Searches of a table: each strategy with many seeds, kept in a file as they end, and drawn."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.architectures.decisions import Rows
from nas.base.files import write_json, write_text
from nas.searching import ArrayHistory, Problem, make_strategy, open_strategy

Curve = npt.NDArray[np.float64]
"""(queries,) the best accuracy so far."""

SECONDS = 10.0
"""How often finished searches are written."""


@dataclass(frozen=True)
class Setup:
    """One strategy as it is studied.

    Attributes:
        label: in the table and on the plot.
        strategy: its name.
        options: what is changed of its defaults.
        times: searches for each one that is asked for.
    """

    label: str
    strategy: str
    options: Mapping[str, Any]
    times: float = 1.0


@dataclass(frozen=True)
class Benchmark:
    """A table of all accuracies of a space.

    Attributes:
        problem: its decisions always matter.
        values: accuracies in the shape of the decisions' cardinalities, at their option indices.
    """

    name: str
    problem: Problem
    values: npt.NDArray[np.float64]

    def look_up(self, rows: Rows) -> Curve:
        """(N,) accuracies."""
        found: Curve = self.values[tuple(rows.T.astype(np.int64))]
        return found


def curve(benchmark: Benchmark, setup: Setup, seed: int, queries: int) -> Curve:
    """One search. It ends once it has found the best of the table, since the curve is flat from there."""
    strategy = make_strategy(setup.strategy, open_strategy(setup.strategy), benchmark.problem, seed, setup.options)
    history = ArrayHistory(len(benchmark.problem.decisions), benchmark.problem.objectives)
    top = benchmark.values.max()
    while len(history) < queries and (not len(history) or history.scores().max() < top):
        rows = strategy.ask(history)[: queries - len(history)]
        if not len(rows):
            break
        history.extend(rows, benchmark.look_up(rows))
    best = np.maximum.accumulate(history.scores())
    return np.concatenate([best, np.full(queries - len(best), best[-1])])


def curves(benchmark: Benchmark, setup: Setup, seeds: int, queries: int, folder: Path) -> npt.NDArray[np.float64]:
    """(seeds, queries), taken up where a killed study left them."""
    file = folder / f"{benchmark.name}-{setup.label}.json"
    settings = {"strategy": setup.strategy, "options": dict(setup.options), "queries": queries}
    kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    found: list[list[float]] = kept["curves"] if kept.get("settings") == settings else []
    saved = time.monotonic()
    for seed in range(len(found), seeds):
        found.append(np.round(curve(benchmark, setup, seed, queries), 4).tolist())
        if seed + 1 == seeds or time.monotonic() > saved + SECONDS:
            write_json(file, {"settings": settings, "curves": found})
            saved = time.monotonic()
    return np.array(found[:seeds])


def write_csv(file: Path, benchmarks: Sequence[Benchmark], found: Mapping[tuple[str, str], npt.NDArray[np.float64]]) -> None:
    """Regret against queries: a line for each benchmark, strategy and number of queries."""
    tops = {benchmark.name: float(benchmark.values.max()) for benchmark in benchmarks}
    lines = ["benchmark,strategy,queries,mean_best,mean_regret,regret_q25,regret_median,regret_q75"]
    for (name, label), table in found.items():
        regret = tops[name] - table
        quartiles = np.quantile(regret, [0.25, 0.5, 0.75], axis=0)
        for query in range(table.shape[1]):
            figures = (table[:, query].mean(), regret[:, query].mean(), *quartiles[:, query])
            lines.append(",".join([name, label, str(query + 1), *(f"{figure:.4f}" for figure in figures)]))
    write_text(file, "\n".join([*lines, ""]))


def plot(file: Path, benchmarks: Sequence[Benchmark], found: Mapping[tuple[str, str], npt.NDArray[np.float64]]) -> None:
    """One picture: for each benchmark the mean regret of every strategy; quartiles are in the table."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(benchmarks), figsize=(5.2 * len(benchmarks) + 1.6, 4.8), squeeze=False)
    for axis, benchmark in zip(axes[0], benchmarks, strict=True):
        top = float(benchmark.values.max())
        tables = {label: table for (name, label), table in found.items() if name == benchmark.name}
        for place, (label, table) in enumerate(tables.items()):
            colour = f"C{place % 10}"
            asked, style = np.arange(1, table.shape[1] + 1), "-" if place < 10 else "--"
            axis.plot(asked, top - table.mean(axis=0), color=colour, label=label, linestyle=style)
        axis.set(title=benchmark.name, xlabel="queries", ylabel="regret, % of validation accuracy")
        axis.set_yscale("symlog", linthresh=0.01)
        axis.set_ylim(bottom=0, top=10)
        axis.grid(alpha=0.3)
    axes[0, -1].legend(fontsize="small", loc="center left", bbox_to_anchor=(1.02, 0.5))
    figure.tight_layout()
    figure.savefig(file, dpi=90)
