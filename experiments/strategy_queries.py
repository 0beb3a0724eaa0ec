"""Every strategy on NAS-Bench-201 and NAS-Bench-Macro: the best validation accuracy after so many queries.

NAS-Bench-201 (validation accuracy after 200 epochs, one seed) with 200 queries on CIFAR-10 and CIFAR-100, each of the 15,625
cells by itself; NAS-Bench-Macro (mean of three accuracies) with 100. Only queried accuracies are seen. A search ends when it
has found the best of its table, from where its curve is flat. Aging evolution has the population of 30 and the sample of 10 of
the reference simulations; everything else its defaults. Strategies that are compared with published figures are searched with
ten times as often, since the noise of a hundred searches would be as large as what is compared. Absent are strategies that a
table without costs and fidelities leaves nothing to do: early-exit, hyperband, deepmad and derived. Finished searches are kept
under `results/strategy_queries/`, so that a killed study goes on. With `--only` strategies are searched with and kept; without
it everything is, and recorded.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from benchmarks import DATA, nas_bench_201
from recording import RESULTS, record

from nas.architectures import Decisions, Encoding
from nas.architectures.decisions import Rows
from nas.base.files import write_text
from nas.choices import Choice
from nas.drawing.strategies import draw_curves
from nas.jobs.bench_figures import curves_csv
from nas.jobs.bench_files import SearchesFile, file_name
from nas.jobs.benching import panels
from nas.searching import Problem
from nas.searching.benchmarks import Benchmark, Contestant, Searched, compete, curves
from search_spaces.cells import nas_bench_201_encoding
from search_spaces.cells.nas_bench_201 import CHOICES

CONTESTANTS = (
    Contestant("random", "random"),
    Contestant("evolution", "evolution"),
    Contestant("aging", "aging", {"population": 30, "sample": 10}),
    Contestant("local", "local"),
    Contestant("nsga2", "nsga2"),
    Contestant("nsga3", "nsga3"),
    Contestant("coarse-to-fine", "coarse-to-fine"),
    Contestant("optuna-qmc", "optuna:qmc"),
    Contestant("optuna-nsga2", "optuna:nsga2"),
    Contestant("optuna-tpe", "optuna:tpe"),
    Contestant("predictor", "predictor"),
    Contestant("linas", "linas"),
    Contestant("bananas", "bananas"),
    Contestant("npenas", "npenas"),
)

TIMES = {"random": 10, "aging": 10, "local": 10}
"""Searches for each one that is asked for, where the figures are compared with published ones."""

MARKS = {"cifar100": (50, 100, 200), "cifar10": (50, 100, 200), "macro": (25, 50, 100)}


def cells(column: str) -> Benchmark:
    """NAS-Bench-201 in the order of the space's own operators, with the space's encoding."""
    table = nas_bench_201(f"{column}_val")
    decisions = Decisions(CHOICES)
    order = [table.decisions.choices[0].options.index(name) for name in CHOICES[0].options]
    values = table.values.reshape(table.decisions.cardinalities)[np.ix_(*[order] * len(CHOICES))]
    made = nas_bench_201_encoding.encoding(decisions)
    grid = np.asfortranarray(np.indices(values.shape, dtype=np.uint8).reshape(len(CHOICES), -1).T)
    known = made.features(grid)

    def features(rows: Rows) -> np.ndarray:
        """Looked up, since a predictor asks for those of every cell in every round."""
        found: np.ndarray = known[np.ravel_multi_index(tuple(rows.T.astype(np.int64)), values.shape)]
        return found

    variants = {"paths": nas_bench_201_encoding.path_encoding}
    encoding = Encoding(decisions, features, nas_bench_201_encoding.operator_graphs, variants, made.groups)
    return benchmark(column, Problem(decisions, encoding=encoding), values)


def macro() -> Benchmark:
    """NAS-Bench-Macro: eight layers, each the identity or one of two MBConv blocks."""
    table = json.loads((DATA / "benchmarks" / "nas-bench-macro.json").read_text(encoding="utf-8"))
    decisions = Decisions([Choice(f"layer{index}", ("identity", "mb3_k3", "mb6_k5")) for index in range(8)])
    values = np.full((3,) * 8, np.nan)
    for key, figures in table.items():
        values[tuple(map(int, key))] = figures["mean_acc"]
    return benchmark("macro", Problem(decisions), values)


def benchmark(name: str, problem: Problem, values: np.ndarray) -> Benchmark:
    """A table of all accuracies of a space, in the shape of its decisions' cardinalities, at their option indices."""
    return Benchmark(name, problem, lambda rows: values[tuple(rows.T.astype(np.int64))], float(values.max()))


def searched(table: Benchmark, contestant: Contestant, seeds: int, queries: int, folder: Path) -> list[Searched]:
    """Searches with the first seeds, taken up where a killed study left them."""
    settings = {"strategy": contestant.strategy, "options": dict(contestant.options), "queries": queries}
    kept = SearchesFile(folder / file_name(table.name, contestant.label), settings)
    for seed in range(seeds):
        if seed not in kept.found:
            kept.add(compete(table, contestant, seed, queries))
    return [kept.found[seed] for seed in range(seeds)]


def main() -> None:
    """Search, and record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=100, help="searches of each strategy (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=[one.label for one in CONTESTANTS], help="compute these strategies alone")
    parser.add_argument("--benchmark", nargs="+", choices=list(MARKS), default=list(MARKS), help="by default all")
    given = parser.parse_args()
    folder = RESULTS / Path(__file__).stem
    folder.mkdir(parents=True, exist_ok=True)
    benchmarks = [macro() if name == "macro" else cells(name) for name in given.benchmark]
    found, figures = {}, []
    for contestant in CONTESTANTS:
        if given.only is not None and contestant.label not in given.only:
            continue
        for table in benchmarks:
            marks = MARKS[table.name]
            done = searched(table, contestant, given.seeds * TIMES.get(contestant.label, 1), marks[-1], folder)
            found[table.name, contestant.label] = done
            means = curves(done, marks[-1]).mean(axis=0)
            row = {"benchmark": table.name, "strategy": contestant.label, "searches": len(done)}
            figures.append(row | {f"after_{place}": float(means[mark - 1]) for place, mark in zip("abc", marks, strict=True)})
            print(*figures[-1].values(), flush=True)
    if given.only is None:
        parts = [(table, {pair: done for pair, done in found.items() if pair[0] == table.name}) for table in benchmarks]
        lines = [curves_csv([table], part, MARKS[table.name][-1]).splitlines() for table, part in parts]
        write_text(
            RESULTS / "strategy_queries.csv", "\n".join([lines[0][0], *(line for part in lines for line in part[1:]), ""])
        )
        drawn = [panel for table, part in parts for panel in panels([table], part, MARKS[table.name][-1])]
        draw_curves(drawn, RESULTS / "strategy_queries.png", "best validation accuracy so far, means of searches")
        record(__file__, figures, seeds=given.seeds, marks={name: list(MARKS[name]) for name in given.benchmark})


if __name__ == "__main__":
    main()
