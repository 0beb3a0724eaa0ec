"""Functional analysis of variance: what share of the differences between evaluations each decision explains."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.base.progress import Reporter, Silent
from nas.base.seeds import integer_seed
from nas.predicting.quality import Numbers

LEAST = 20
"""Fewer evaluations say nothing about a decision."""


@dataclass(frozen=True)
class Share:
    """What a decision explains by itself.

    Attributes:
        evaluations: in how many of them it matters.
        there: share of the variance among these that it explains; None where they are too few.
        overall: the same in parts of the variance of all evaluations: `there` times their number and their variance, both
            over those of all. The same as `there` for a decision that always matters.
    """

    evaluations: int
    there: float | None
    overall: float | None


def fanova(
    decisions: Decisions, rows: Rows, values: Numbers, seed: int = 0, reporter: Reporter | None = None
) -> dict[str, Share]:
    """The share of every decision (Hutter et al., An efficient approach for assessing hyperparameter importance, 2014).

    Optuna's random forest and its decomposition. A decision that does not always matter is looked at among the evaluations in
    which it does, together with all others that matter in all of these: the forest never averages over architectures that
    do not exist.

    Args:
        rows: (N, D) distinct canonical rows.
        values: (N,), not all equal.
    """
    active = decisions.active(rows)
    alike: dict[bytes, list[int]] = {}
    for column in range(rows.shape[1]):
        alike.setdefault(active[:, column].tobytes(), []).append(column)
    drawn = integer_seed(seed, "fanova") % 2**32
    reporter = reporter or Silent()
    reporter.start("fANOVA", len(alike))
    found: dict[str, Share] = {}
    try:
        for done, columns in enumerate(alike.values(), 1):
            there = active[:, columns[0]]
            count = int(there.sum())
            known: dict[int, float] = {}
            if count >= LEAST:
                together = np.flatnonzero(active[there].all(axis=0))
                known = _shares(decisions, rows[there], values[there], together.tolist(), drawn)
            weight = count * values[there].var() / (len(rows) * values.var()) if count else 0.0
            for column in columns:
                share = known.get(column)
                found[decisions.names[column]] = Share(count, share, None if share is None else share * float(weight))
            reporter.advance(done)
    finally:
        reporter.finish()
    return {name: found[name] for name in decisions.names}


def _shares(decisions: Decisions, rows: Rows, values: Numbers, columns: list[int], seed: int) -> dict[int, float]:
    """The share of each decision among evaluations in which all of them matter; 0 for one with the same option in all."""
    import optuna

    if not values.var():
        return dict.fromkeys(columns, 0.0)
    # Places among the options that occur: a category would be a yes or no for each of them, and every combination of these,
    # most of them no option at all, would be averaged over.
    places = {column: np.unique(rows[:, column], return_inverse=True) for column in columns if np.ptp(rows[:, column])}
    kinds: dict[str, optuna.distributions.BaseDistribution] = {
        decisions.names[column]: optuna.distributions.IntDistribution(0, len(options) - 1)
        for column, (options, _) in places.items()
    }
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    for row, value in enumerate(values.tolist()):
        chosen = {decisions.names[column]: int(place[row]) for column, (_, place) in places.items()}
        study.add_trial(optuna.trial.create_trial(params=chosen, distributions=kinds, value=value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, normalize=False)
    return {column: float(found.get(decisions.names[column], 0.0)) for column in columns}
