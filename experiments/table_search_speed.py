"""Aging evolution on the table of NAS-Bench-201: queries a second, and what it finds.

The search on arrays (`nas.searching.arrays.aging`) evaluates the very architectures of the strategy `aging`. The strategy,
asked for one at a time over an `ArrayHistory`, is measured beside it on a tenth of the searches. Population 30,
sample 10, 200 queries a search on CIFAR-100. The means of the best validation accuracy are over all searches.
Times are those of the processor, which other programs disturb little.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np
from benchmarks import nas_bench_201
from recording import arguments, record

from nas.searching import ArrayHistory, Problem
from nas.searching.arrays import TableProblem, aging
from nas.searching.strategies.aging import Aging

POPULATION, SAMPLE, QUERIES, SEARCHES, SHARE = 30, 10, 200, 100, 10


def on_arrays(table: TableProblem) -> np.ndarray:
    """(searches, queries) numbers of the architectures."""
    return np.stack([aging(table, seed, QUERIES, POPULATION, SAMPLE) for seed in range(SEARCHES)])


def by_strategy(table: TableProblem) -> np.ndarray:
    """The same for the first searches, asked one by one."""
    found = []
    for seed in range(SEARCHES // SHARE):
        strategy = Aging(Problem(table.decisions), seed, POPULATION, SAMPLE)
        history = ArrayHistory(len(table.decisions))
        while len(history) < QUERIES:
            rows = strategy.ask(history)
            history.extend(rows, table.values[table.numbers(rows)])
        found.append(table.numbers(history.rows()))
    return np.stack(found)


def main() -> None:
    """Measure and record."""
    rounds = arguments(__doc__, rounds=9).rounds
    table = nas_bench_201("cifar100_val")
    seconds: dict[str, list[float]] = {"arrays": [], "strategy": []}
    for _ in range(rounds):
        start = time.process_time()
        numbers = on_arrays(table)
        middle = time.process_time()
        asked = by_strategy(table)
        seconds["arrays"].append(middle - start)
        seconds["strategy"].append((time.process_time() - middle) * SHARE)
    if not np.array_equal(numbers[: len(asked)], asked):
        raise SystemExit("the search on arrays is not the strategy's")
    best = np.maximum.accumulate(table.values[numbers], axis=1).mean(axis=0)
    queries = SEARCHES * QUERIES
    figures = [
        {
            "queries": queries,
            "arrays_queries_s": queries / median(seconds["arrays"]),
            "strategy_queries_s": queries / median(seconds["strategy"]),
            **{f"best_after_{count}": float(best[count - 1]) for count in (50, 100, 200)},
        }
    ]
    record(__file__, figures, population=POPULATION, sample=SAMPLE, searches=SEARCHES, queries=QUERIES, rounds=rounds)


if __name__ == "__main__":
    main()
