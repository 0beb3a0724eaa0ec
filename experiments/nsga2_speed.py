"""NSGA-II inside a predictor loop: on arrays, and by pymoo with the same operators, on the same free objectives.

Two objectives of the networks of mbconv: a random linear score (a weight for each option), and multiply-adds. Both start from
the same population and breed by uniform crossover (0.9) and one redrawn decision a child. Hypervolumes are taken above the
worst figures of both sides; the ratio is the median over rounds, each with another seed. Times are those of the
processor, which other programs disturb little.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import Problem as PymooProblem
from pymoo.core.termination import NoTermination
from pymoo.indicators.hv import HV
from recording import arguments, record

from nas.architectures.decisions import Rows
from nas.searching import Problem
from nas.searching.arrays import nsga2
from nas.searching.strategies.operators import RedrawnMutation, UniformCrossover, as_rows
from nas.supernet import Space, open_space

GENERATIONS = 100


class Measured:
    """The two objectives, larger is better."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.weights = np.random.default_rng(0).random((len(space.decisions), int(space.decisions.cardinalities.max())))
        self.columns = np.arange(len(space.decisions))
        self.macs = space.compiled("macs")

    def __call__(self, rows: Rows) -> np.ndarray:
        """(N, 2)"""
        return np.stack([self.weights[self.columns, rows].sum(axis=1), -self.macs(rows)], axis=1)


def by_pymoo(space: Space, measure: Measured, start: Rows, seed: int) -> np.ndarray:
    """Final figures (P, 2)."""
    problem = Problem(space.decisions)
    count = len(space.decisions)
    described: Any = PymooProblem(n_var=count, n_obj=2, vtype=int, xl=np.zeros(count), xu=space.decisions.cardinalities - 1)
    algorithm = NSGA2(
        pop_size=len(start),
        sampling=np.ascontiguousarray(start),
        crossover=UniformCrossover(problem, 0.9),
        mutation=RedrawnMutation(problem, 1.0 / count),
    )
    algorithm.setup(described, termination=NoTermination(), seed=seed)
    for _ in range(GENERATIONS + 1):
        population = algorithm.ask()
        population.set("F", -measure(as_rows(population.get("X"))))
        algorithm.tell(infills=population)
    return -algorithm.pop.get("F")


def main() -> None:
    """Measure and record."""
    rounds = arguments(__doc__, rounds=5).rounds
    space = open_space("mbconv")
    measure = Measured(space)
    figures = []
    for population in (100, 500):
        times: dict[str, list[float]] = {"arrays": [], "pymoo": []}
        ratios = []
        for seed in range(rounds):
            begin = space.decisions.sample(np.random.default_rng(seed), population)
            clock = time.process_time()
            _, ours = nsga2(space.decisions, measure, begin, np.random.default_rng(seed), GENERATIONS)
            middle = time.process_time()
            theirs = by_pymoo(space, measure, begin, seed)
            times["arrays"].append(middle - clock)
            times["pymoo"].append(time.process_time() - middle)
            low, high = (pick(np.concatenate([ours, theirs]), axis=0) for pick in (np.min, np.max))
            volumes = [float(HV(ref_point=np.ones(2))((high - side) / (high - low))) for side in (ours, theirs)]
            ratios.append(volumes[0] / volumes[1])
        figures.append(
            {
                "population": population,
                "arrays_ms_a_generation": 1e3 * median(times["arrays"]) / GENERATIONS,
                "pymoo_ms_a_generation": 1e3 * median(times["pymoo"]) / GENERATIONS,
                "speedup": median(b / a for a, b in zip(times["arrays"], times["pymoo"], strict=True)),
                "hypervolume_ratio": median(ratios),
            }
        )
    record(__file__, figures, generations=GENERATIONS, rounds=rounds)


if __name__ == "__main__":
    main()
