"""Spaces without networks, and scores that cost nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from nas.architectures import Bound, Decisions, SearchSpace
from nas.architectures.decisions import Rows
from nas.choices import Choice
from nas.searching import ArrayHistory, History, Problem, Strategy

SMALL: dict[str, dict[str, Any]] = {
    "aging": {"population": 6, "sample": 3},
    "bananas": {"beginnings": 6, "batch": 4, "settings": "epochs=3,folds=2,layers=2"},
    "coarse-to-fine": {"skeletons": 6, "best": 2},
    "early-exit": {"population": 8, "survivors": 0.4},
    "evolution": {"population": 8, "parents": 3},
    "hyperband": {"maximum": 9},
    "linas": {"population": 7, "inner": 42, "settings": "largest=2"},
    "local": {"beginnings": 3},
    "npenas": {"beginnings": 6, "batch": 4, "settings": "epochs=3,held_out=0"},
    "nsga2": {"population": 8},
    "nsga3": {"population": 8, "partitions": 4},
    "optuna": {"startup": 4},
    "optuna:cmaes": {"startup": 2},
    "optuna:gp": {"startup": 4},
    "optuna:nsga2": {"population": 6},
    "optuna:nsga3": {"population": 6},
    "optuna:tpe": {"startup": 4},
    "predictor": {"beginnings": 6, "batch": 4},
}
"""Options with which a short search passes through every phase of a strategy."""


def decisions(genes: int = 20, options: int = 4) -> Decisions:
    return Decisions([Choice(f"gene{index:02}", tuple(range(options))) for index in range(genes)])


def conditional_decisions() -> Decisions:
    """72 rows, 40 architectures: the kernels matter only from some depth on."""
    depth = Choice("depth", (1, 2, 3))
    first, second = Choice("first", (3, 5, 7)), Choice("second", ("a", "b"))
    width = Choice("width", (8, 16, 24, 32))
    return Decisions([depth, width, first, second], {"first": depth > 1, "second": depth > 2})


def conditional_space() -> SearchSpace:
    return SearchSpace("toy", conditional_decisions())


def at_most(limit: float) -> Bound:
    """The sum of the codes has an upper bound."""
    return Bound("sum", limit, lambda rows: rows.sum(axis=1).astype(float), str)


def linear(rows: Rows) -> np.ndarray:
    """A score to which each option of each decision contributes by itself; different for different rows."""
    contributions = np.random.default_rng(99).random((rows.shape[1], 256))
    return contributions[np.arange(rows.shape[1]), rows].sum(axis=1)


def told(rows: Iterable[np.ndarray], scores: Iterable[float]) -> ArrayHistory:
    """A history that holds these evaluations."""
    rows = np.asarray(list(rows), dtype=np.uint8)
    history = ArrayHistory(rows.shape[1])
    history.extend(rows, np.asarray(list(scores), dtype=float))
    return history


def run(strategy: Strategy, evaluations: int, history: ArrayHistory | None = None) -> ArrayHistory:
    """Ask and tell whole proposals, with the linear score."""
    history = history or ArrayHistory(len(strategy.problem.decisions))
    while len(history) < evaluations:
        rows = strategy.ask(history)
        if not len(rows):
            break
        history.extend(rows, linear(rows))
    return history


def distinct(rows: Rows) -> int:
    return len(np.unique(rows, axis=0))


def copied(history: History, count: int) -> ArrayHistory:
    """The beginning of a history, as a killed search left it."""
    result = ArrayHistory(history.rows().shape[1])
    result.extend(history.rows()[:count], history.scores()[:count])
    return result


def problem(*bounds: Bound) -> Problem:
    return Problem(decisions(), bounds)
