"""The strategies on pymoo's algorithms against pymoo alone: the front found after as many evaluations, and the time.

Objectives of the networks of mbconv that cost nothing: a random linear score (a weight for each option), multiply-adds, and
for `nsga3` parameters. pymoo alone has its usual integer operators: random integers, simulated binary crossover (0.9, eta 15)
and polynomial mutation (eta 20) with rounding, and its elimination of duplicates. Hypervolumes are those of everything that was
evaluated, above the worst of both sides; ratios are medians over rounds, each with another seed. Times are those of the
processor.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.core.problem import Problem as PymooProblem
from pymoo.core.termination import NoTermination
from pymoo.indicators.hv import HV
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from recording import arguments, record

from nas.architectures.decisions import Rows
from nas.searching import ArrayHistory, Objective, Problem, make_strategy, open_strategy
from nas.searching.arrays.sorting import undominated
from nas.searching.strategies.nsga3 import reference_directions
from nas.searching.strategies.operators import as_rows
from nas.supernet import Space, open_space

EVALUATIONS = {"nsga2": 4000, "nsga3": 4600}
SIZE = {"nsga2": 40, "nsga3": 92}
PARTITIONS = 12


class Measured:
    """The objectives, larger is better."""

    def __init__(self, space: Space, costs: tuple[str, ...]) -> None:
        self.weights = np.random.default_rng(0).random((len(space.decisions), int(space.decisions.cardinalities.max())))
        self.columns = np.arange(len(space.decisions))
        self.costs = [space.compiled(cost) for cost in costs]

    def __call__(self, rows: Rows) -> np.ndarray:
        """(N, M)"""
        return np.stack([self.weights[self.columns, rows].sum(axis=1), *(-cost(rows) for cost in self.costs)], axis=1)


def by_strategy(name: str, space: Space, measure: Measured, seed: int) -> np.ndarray:
    """(EVALUATIONS, M) everything that the strategy asked for."""
    objectives = tuple(Objective(f"figure{index}") for index in range(1 + len(measure.costs)))
    problem = Problem(space.decisions, objectives=objectives)
    strategy = make_strategy(name, open_strategy(name), problem, seed)
    history = ArrayHistory(len(space.decisions), objectives)
    while len(history) < EVALUATIONS[name]:
        rows = strategy.ask(history)[: EVALUATIONS[name] - len(history)]
        history.extend(rows, measure(rows))
    return history.values()


def by_pymoo(name: str, space: Space, measure: Measured, seed: int) -> np.ndarray:
    """(EVALUATIONS, M) everything that pymoo asked for."""
    count, objectives = len(space.decisions), 1 + len(measure.costs)
    limits = {"xl": np.zeros(count), "xu": space.decisions.cardinalities - 1}
    described: Any = PymooProblem(n_var=count, n_obj=objectives, vtype=int, **limits)
    operators: dict[str, Any] = {
        "sampling": IntegerRandomSampling(),
        "crossover": SBX(prob=0.9, eta=15, vtype=float, repair=RoundingRepair()),
        "mutation": PM(eta=20, vtype=float, repair=RoundingRepair()),
        "eliminate_duplicates": True,
    }
    if name == "nsga2":
        algorithm: Any = NSGA2(pop_size=SIZE[name], **operators)
    else:
        algorithm = NSGA3(reference_directions(objectives, PARTITIONS), pop_size=SIZE[name], **operators)
    algorithm.setup(described, termination=NoTermination(), seed=seed)
    found: list[np.ndarray] = []
    while sum(map(len, found)) < EVALUATIONS[name]:
        population = algorithm.ask()
        found.append(measure(as_rows(population.get("X"))))
        population.set("F", -found[-1])
        algorithm.tell(infills=population)
    return np.concatenate(found)[: EVALUATIONS[name]]


def main() -> None:
    """Measure and record."""
    rounds = arguments(__doc__, rounds=5).rounds
    space = open_space("mbconv")
    figures = []
    for name, costs in (("nsga2", ("macs",)), ("nsga3", ("macs", "params"))):
        measure = Measured(space, costs)
        volumes, times = [], []
        for seed in range(rounds):
            clock = time.process_time()
            ours = by_strategy(name, space, measure, seed)
            middle = time.process_time()
            theirs = by_pymoo(name, space, measure, seed)
            times.append((middle - clock, time.process_time() - middle))
            both = np.concatenate([ours, theirs])
            low, high = both.min(axis=0), both.max(axis=0)
            volume = HV(ref_point=np.ones(both.shape[1]))
            sides = [float(volume(((high - side) / (high - low))[undominated(side)])) for side in (ours, theirs)]
            volumes.append(sides[0] / sides[1])
        figures.append(
            {
                "strategy": name,
                "evaluations": EVALUATIONS[name],
                "hypervolume_ratio": median(volumes),
                "least_hypervolume_ratio": min(volumes),
                "strategy_s": median(ours for ours, _ in times),
                "pymoo_s": median(theirs for _, theirs in times),
                "time_ratio": median(ours / theirs for ours, theirs in times),
            }
        )
    record(__file__, figures, rounds=rounds, population=SIZE)


if __name__ == "__main__":
    main()
