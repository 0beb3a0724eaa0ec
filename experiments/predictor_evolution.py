"""Evolution guided by a predictor under a latency bound: population 100 for 500 generations, scored by a perceptron.

The predictor is `mlp`, once-for-all's three layers of 400, fitted to 1,000 random sub-networks (what it learned does not change
its cost); the bound is 80 ms on the Pixel 1 table. Both sides score a generation's children in one batch. The other side is
the same loop written the obvious way: a dictionary for each candidate, a table look-up for each layer of each, one-hot features
written one by one. It runs a twentieth of the generations and is scaled up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
from objects import Candidate, ObjectSpace
from recording import arguments, record

from nas.predicting import Predictor, make_predictor
from nas.searching import parse_target
from nas.searching.arrays.evolution import evolve
from nas.searching.problem import Problem
from nas.supernet import Space, open_space

POPULATION, PARENTS, GENERATIONS, SHARE = 100, 25, 500, 20


def fitted(space: Space) -> Predictor:
    """The perceptron, of a score in which every option has a random part."""
    rng = np.random.default_rng(0)
    weights = rng.random((len(space.decisions), int(space.decisions.cardinalities.max())))
    rows = space.decisions.sample(rng, 1000)
    predictor = make_predictor("mlp", space.encoding, 0, {"epochs": "20"})
    predictor.fit(rows, 70 + weights[np.arange(len(space.decisions)), rows].sum(axis=1))
    return predictor


def on_rows(space: Space, problem: Problem, predictor: Predictor, seed: int) -> float:
    """Seconds for all generations by the product."""
    start = time.perf_counter()
    rng = np.random.default_rng(seed)
    rows, _ = evolve(
        space.decisions,
        lambda rows: predictor.predict(rows)[0],
        problem.sample(rng, POPULATION),
        rng,
        GENERATIONS,
        PARENTS / POPULATION,
        legal=problem.legal,
    )
    spent = time.perf_counter() - start
    assert len(rows) > POPULATION and problem.legal(rows).all()
    return spent


def on_objects(space: Space, predictor: Predictor, seed: int) -> float:
    """Seconds for a share of the generations with one dictionary an architecture, scaled to all of them."""
    objects = ObjectSpace(space, 80.0, seed)

    def bred(make: Callable[[], Candidate], count: int) -> list[Candidate]:
        children: list[Candidate] = []
        while len(children) < count:
            child = make()
            if objects.legal(child):
                children.append(child)
        return children

    def scored(candidates: list[Candidate]) -> list[tuple[float, Candidate]]:
        codes = [[choice.options.index(one[choice.name]) for choice in objects.choices] for one in candidates]
        return list(zip(predictor.predict(np.array(codes, dtype=np.uint8, order="F"))[0].tolist(), candidates, strict=True))

    start = time.perf_counter()
    best = scored(bred(objects.sample, POPULATION))
    for _ in range(GENERATIONS // SHARE):
        best = sorted(best, key=lambda pair: -pair[0])[:PARENTS]
        parents = [candidate for _, candidate in best]
        half = POPULATION // 2
        best += scored([*bred(partial(objects.mutant, parents), half), *bred(partial(objects.cross, parents), half)])
    return (time.perf_counter() - start) * SHARE


def main() -> None:
    """Measure and record."""
    rounds = arguments(__doc__, rounds=9).rounds
    space = open_space("mbconv")
    predictor = fitted(space)
    problem = Problem(space.decisions, [parse_target("pixel-latency=80ms", space).bound(space, None)])
    times: dict[str, list[float]] = {"rows": [], "objects": []}
    on_rows(space, problem, predictor, 0)
    for seed in range(rounds):
        times["rows"].append(on_rows(space, problem, predictor, seed))
        times["objects"].append(on_objects(space, predictor, seed))
    figures = [
        {
            "candidates": POPULATION * GENERATIONS,
            "rows_s": median(times["rows"]),
            "objects_s": median(times["objects"]),
            "speedup": median(b / a for a, b in zip(times["rows"], times["objects"], strict=True)),
        }
    ]
    record(__file__, figures, population=POPULATION, parents=PARENTS, generations=GENERATIONS, rounds=rounds)


if __name__ == "__main__":
    main()
