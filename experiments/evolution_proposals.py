"""50,000 candidates proposed by evolution under a latency bound: on integer rows, and on one object an architecture.

Population 100, 25 parents, 500 generations, at most 80 ms on the Pixel 1 table, a free score (a random weight for each
option). The other side is the same loop written the obvious way, with dictionaries and a table look-up for each candidate;
it runs a twentieth of the generations and is scaled up.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np
from objects import Candidate, ObjectSpace
from recording import arguments, record

from nas.searching import ArrayHistory, Problem, parse_target
from nas.searching.strategies.evolution import Evolution
from nas.supernet import Space, open_space

POPULATION, PARENTS, GENERATIONS, SHARE = 100, 25, 500, 20


def on_rows(space: Space, weights: np.ndarray, seed: int) -> float:
    """Seconds for all generations by the product."""
    problem = Problem(space.decisions, [parse_target("pixel-latency=80ms", space).bound(space, None)])
    start = time.perf_counter()
    history = ArrayHistory(len(space.decisions))
    evolution = Evolution(problem, seed, population=POPULATION, parents=PARENTS)
    columns = np.arange(len(space.decisions))
    for _ in range(GENERATIONS):
        rows = evolution.ask(history)
        history.extend(rows, weights[columns, rows].sum(axis=1))
    spent = time.perf_counter() - start
    assert len(history) == POPULATION * GENERATIONS
    return spent


def on_objects(space: Space, weights: np.ndarray, seed: int) -> float:
    """Seconds for a share of the generations with one dictionary an architecture, scaled to all of them."""
    objects = ObjectSpace(space, 80.0, seed)
    score = [dict(zip(choice.options, weights[column], strict=False)) for column, choice in enumerate(objects.choices)]
    start = time.perf_counter()
    seen: set[tuple[object, ...]] = set()
    best: list[tuple[float, Candidate]] = []
    for generation in range(GENERATIONS // SHARE):
        parents = [candidate for _, candidate in best]
        children: list[Candidate] = []
        tries = 0
        while len(children) < POPULATION:
            tries += 1
            if generation == 0 or tries > 20 * POPULATION:
                child = objects.sample()
            elif len(children) < POPULATION // 2:
                child = objects.mutant(parents)
            else:
                child = objects.cross(parents)
            key = tuple(child.values())
            if key not in seen and objects.legal(child):
                seen.add(key)
                children.append(child)
        scored = [(float(sum(s[c[k.name]] for s, k in zip(score, objects.choices, strict=True))), c) for c in children]
        best = sorted([*best, *scored], key=lambda pair: -pair[0])[:PARENTS]
    return (time.perf_counter() - start) * SHARE


def main() -> None:
    """Measure and record."""
    rounds = arguments(__doc__, rounds=9).rounds
    space = open_space("mbconv")
    weights = np.random.default_rng(0).random((len(space.decisions), int(space.decisions.cardinalities.max())))
    times: dict[str, list[float]] = {"rows": [], "objects": []}
    on_rows(space, weights, 0)
    for seed in range(rounds):
        times["rows"].append(on_rows(space, weights, seed))
        times["objects"].append(on_objects(space, weights, seed))
    speedup = median(b / a for a, b in zip(times["rows"], times["objects"], strict=True))
    figures = [
        {
            "candidates": POPULATION * GENERATIONS,
            "rows_s": median(times["rows"]),
            "objects_s": median(times["objects"]),
            "speedup": speedup,
        }
    ]
    record(__file__, figures, population=POPULATION, parents=PARENTS, generations=GENERATIONS, rounds=rounds)


if __name__ == "__main__":
    main()
