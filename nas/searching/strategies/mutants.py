"""Candidates for a predictor: mutants of the best architectures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.searching.fresh import Fresh
from nas.searching.history import History
from nas.searching.strategies.guided import Guided
from nas.searching.strategies.one_change import has_own_mutation

PATIENCE = 5
"""How many groups of parents are tried, one after the other, where the ones before gave too few; as in the authors' codes."""


def best_mutants(
    strategy: Guided, history: History, start: int, rng: np.random.Generator, count: int, parents: int, changes: float
) -> Rows:
    """Up to `count` legal mutants (N, D) of the best evaluated architectures, none of them known and no two alike.

    Args:
        parents: how many of the best are mutated, equally often.
        changes: decisions that get another option, on average; a grammar mutates in its own way.
    """
    decisions = strategy.problem.decisions
    rows, values = strategy.evaluated(history, start)
    ordered = rows[np.argsort(-values[:, 0], kind="stable")]
    fresh = Fresh(strategy.problem)
    fresh.begin(history, start)
    found: list[Rows] = []
    for group in range(PATIENCE):
        chosen = ordered[group * parents : (group + 1) * parents]
        missing = count - sum(map(len, found))
        if not len(chosen) or missing <= 0:
            break
        repeated = np.asfortranarray(chosen.repeat(-(-count // len(chosen)), axis=0))
        if has_own_mutation(decisions):
            mutated = decisions.mutate(repeated, rng)
        else:
            mutated = decisions.mutate(repeated, rng, _redrawn(decisions, changes / len(decisions)))
        mutated = mutated[rng.permutation(len(mutated))]
        found.append(mutated[fresh.positions(mutated, missing)])
    return np.asfortranarray(np.concatenate(found))


def _redrawn(decisions: Decisions, changed: float) -> npt.NDArray[np.float64]:
    """(D,) how likely each decision has to be drawn anew for it to get another option with a given probability."""
    options = decisions.cardinalities
    return np.minimum(1.0, np.where(options > 1, changed * options / np.maximum(options - 1, 1), 0.0))
