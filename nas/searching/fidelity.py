"""How much of a full evaluation was spent: searches at several fidelities are compared by their sum."""

from __future__ import annotations

import numpy as np

from nas.base.errors import NasError
from nas.searching.history import History

TOLERANCE = 1e-9
"""Sums of shares such as 1/81 are no whole numbers."""


def spent(history: History) -> float:
    """Evaluations spent so far, in full ones: two at half fidelity count as one."""
    return float(history.fidelities().sum())


def affordable(history: History, evaluations: int, fidelity: float) -> int:
    """How many more evaluations at a fidelity fit into a budget of full ones."""
    return max(0, int(np.floor((evaluations - spent(history)) / fidelity + TOLERANCE)))


def checked(fidelity: float) -> float:
    """A fidelity in (0, 1]. Raises NasError for another number."""
    if not 0.0 < fidelity <= 1.0:
        raise NasError(f"a fidelity is a share of a full evaluation, above 0 and at most 1; given {fidelity}")
    return fidelity


def part(count: int, fidelity: float) -> int:
    """A share of so many batches, images or steps; at least one."""
    return max(1, round(count * checked(fidelity)))
