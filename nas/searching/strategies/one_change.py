"""The smallest mutation: one decision, changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.base.errors import NasError


def has_own_mutation(decisions: Decisions) -> bool:
    """Whether a space says itself what a mutation is, as a grammar does, whose decisions cannot be changed one by one."""
    return type(decisions).mutate is not Decisions.mutate


def change_one(
    decisions: Decisions, row: np.ndarray, which: float, option: float, rng: Callable[[], np.random.Generator]
) -> Rows:
    """(1, D): a row with one of the decisions that matter at another of its options.

    Args:
        which, option: where in [0, 1) the decision and its new option were drawn.
        rng: makes the generator for decisions that come to matter; called where there can be some.
    """
    changed = np.asfortranarray(row[None].copy())
    columns = np.flatnonzero(decisions.active(changed)[0] & (decisions.cardinalities > 1))
    if decisions.conditions:
        changed = decisions.filled(changed, rng())
    if len(columns):
        column = int(columns[int(which * len(columns))])
        count = int(decisions.cardinalities[column])
        changed[0, column] = (int(changed[0, column]) + 1 + int(option * (count - 1))) % count
    return decisions.canonical(changed)


def require_free(decisions: Decisions, method: str) -> None:
    """Raise NasError where decisions cannot be chosen one by one."""
    if has_own_mutation(decisions):
        raise NasError(
            f"{method} chooses decisions one by one, and the architectures of this space are derived from a grammar; use "
            "--strategy evolution, aging, local, nsga2 or random"
        )
