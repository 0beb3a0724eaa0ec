"""Evolution guided by a predictor under a latency bound: population 100 for 500 generations, scored by a perceptron.

The predictor is `mlp`, once-for-all's three layers of 400, fitted to 1,000 random sub-networks (what it learned does not change
its cost); the bound is 80 ms on the Pixel 1 table. Both sides score a generation's children in one batch. The other side is
the same loop written the obvious way: a dictionary for each candidate, a table look-up for each layer of each, one-hot features
written one by one. It runs a twentieth of the generations and is scaled up.
"""

from __future__ import annotations

import random
import time
from statistics import median

import numpy as np
from recording import arguments, record

from nas.predicting import Predictor, make_predictor
from nas.searching import parse_target
from nas.searching.arrays.evolution import evolve
from nas.searching.problem import Problem
from nas.supernet import Space, open_space

POPULATION, PARENTS, GENERATIONS, SHARE, MUTATION = 100, 25, 500, 20, 0.1


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
    draw = random.Random(seed)
    choices = space.decisions.choices
    single = np.zeros((1, len(choices)), dtype=np.uint8, order="F")
    latency = space.compiled("pixel1-latency")
    base = latency(single)[0]
    table = []
    for column, choice in enumerate(choices):
        entries = {}
        for code, option in enumerate(choice.options):
            row = single.copy()
            row[0, column] = code
            entries[option] = latency(row)[0] - base
        table.append(entries)

    def sample() -> dict[str, object]:
        return {choice.name: draw.choice(choice.options) for choice in choices}

    def legal(candidate: dict[str, object]) -> bool:
        return base + sum(entries[candidate[c.name]] for entries, c in zip(table, choices, strict=True)) <= 80.0

    def bred(make: object, count: int) -> list[dict[str, object]]:
        children: list[dict[str, object]] = []
        while len(children) < count:
            child = make()  # type: ignore[operator]
            if legal(child):
                children.append(child)
        return children

    def mutant() -> dict[str, object]:
        child = dict(draw.choice(best)[1])
        for choice in choices:
            if draw.random() < MUTATION:
                child[choice.name] = draw.choice(choice.options)
        return child

    def cross() -> dict[str, object]:
        first, second = draw.choice(best)[1], draw.choice(best)[1]
        return {name: draw.choice((first[name], second[name])) for name in first}

    def scored(candidates: list[dict[str, object]]) -> list[tuple[float, dict[str, object]]]:
        rows = np.array([[c.options.index(one[c.name]) for c in choices] for one in candidates], dtype=np.uint8, order="F")
        return list(zip(predictor.predict(rows)[0].tolist(), candidates, strict=True))

    start = time.perf_counter()
    best = scored(bred(sample, POPULATION))
    for _ in range(GENERATIONS // SHARE):
        best = sorted(best, key=lambda pair: -pair[0])[:PARENTS]
        best += scored([*bred(mutant, POPULATION // 2), *bred(cross, POPULATION // 2)])
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
