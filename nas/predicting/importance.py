"""How much a predictor relies on each decision, and what it makes of each option."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.predicting.predictor import Predictor
from nas.predicting.quality import Numbers

REPEATS = 5
"""How often each decision is shuffled."""

AVERAGED = 256
"""Architectures over which a prediction is averaged."""


def permutation_importance(
    predictor: Predictor, decisions: Decisions, rows: Rows, values: Numbers, rng: np.random.Generator
) -> Numbers:
    """(D,) by how much the squared error grows when a decision is shuffled, in parts of twice the variance of the values.

    Reliance of a model on its inputs (Breiman, Random forests, 2001; Fisher et al., All models are wrong, but many are useful,
    2019). Half of the growth of a perfect predictor's error is the total effect of a decision, which is why the figure
    compares with a share of variance. Options are shuffled among the architectures in which the decision matters; what
    becomes active by it takes options that it has elsewhere. A decision that matters nowhere has 0.

    Args:
        predictor: has seen none of the architectures.
        rows: (N, D) canonical.
        values: (N,), not all equal.
    """
    active = decisions.active(rows)
    full = _filled(rows, active, rng)
    error = _squared_error(predictor, rows, values)
    grown = np.zeros(rows.shape[1])
    for column in np.flatnonzero(active.any(axis=0)):
        matters = np.flatnonzero(active[:, column])
        for _ in range(REPEATS):
            shuffled = full.copy(order="F")
            shuffled[matters, column] = rows[rng.permutation(matters), column]
            grown[column] += _squared_error(predictor, decisions.canonical(shuffled), values) - error
    found: Numbers = grown / REPEATS / (2 * values.var())
    return found


def average_predictions(
    predictor: Predictor, decisions: Decisions, rows: Rows, columns: tuple[int, ...], codes: Rows
) -> Numbers:
    """(K,) the mean prediction over architectures that all have the same options of some decisions.

    The partial dependence of Friedman, Greedy function approximation: a gradient boosting machine, 2001.

    Args:
        rows: (N, D) canonical; of many, some are enough.
        columns: (C,) of the decisions.
        codes: (K, C) their options.
    """
    some = rows[np.linspace(0, len(rows) - 1, min(len(rows), AVERAGED)).round().astype(np.int64)]
    found = np.empty(len(codes))
    for place, options in enumerate(codes):
        changed = np.array(some, order="F")
        changed[:, columns] = options
        found[place] = predictor.predict(decisions.canonical(changed))[0].mean()
    return found


def _filled(rows: Rows, active: npt.NDArray[np.bool_], rng: np.random.Generator) -> Rows:
    """The rows with options drawn from elsewhere where a decision does not matter."""
    filled = np.array(rows, order="F")
    for column in range(rows.shape[1]):
        there, idle = np.flatnonzero(active[:, column]), np.flatnonzero(~active[:, column])
        if len(there) and len(idle):
            filled[idle, column] = rows[rng.choice(there, len(idle)), column]
    return filled


def _squared_error(predictor: Predictor, rows: Rows, values: Numbers) -> float:
    return float(np.mean((predictor.predict(rows)[0] - values) ** 2))
