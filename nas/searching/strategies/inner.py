"""What predictors and costs say of several objectives, and a search by NSGA-II on it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nas.architectures.decisions import Rows
from nas.searching.arrays.nsga2 import nsga2
from nas.searching.arrays.sorting import best
from nas.searching.history import History
from nas.searching.strategies.guided import Guided


def predicted_objectives(strategy: Guided, history: History, start: int) -> Callable[[Rows], npt.NDArray[np.float64]]:
    """Rows (N, D) -> (N, M), larger is better: a predictor for each expensive objective, cheap ones as they are."""
    objectives = strategy.problem.objectives
    predictors = {column: strategy.fit(history, start, column) for column, one in enumerate(objectives) if not one.cheap}

    def measure(rows: Rows) -> npt.NDArray[np.float64]:
        found = np.empty((len(rows), len(objectives)))
        for column, objective in enumerate(objectives):
            if objective.measure is not None:
                found[:, column] = objective.sign * objective.measure(rows)
            else:
                found[:, column] = predictors[column].predict(rows)[0]
        return found

    return measure


def inner_nsga2(
    strategy: Guided, history: History, start: int, rng: np.random.Generator, population: int, generations: int
) -> tuple[Rows, npt.NDArray[np.float64]]:
    """The last population (N, D) of a search on `predicted_objectives`, the best first, and what is predicted (N, M).

    It begins with the best evaluated ones for half of the population, and random ones.
    """
    problem = strategy.problem
    measure = predicted_objectives(strategy, history, start)
    rows, values = strategy.evaluated(history, start)
    elite = rows[best(values, population // 2)]
    begin = np.asfortranarray(np.concatenate([elite, problem.sample(rng, population - len(elite))]))
    return nsga2(problem.decisions, measure, begin, rng, generations, problem.legal)
