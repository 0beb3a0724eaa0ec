"""How far sums over operators are from whole networks, and what brings them nearer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

WEIGHTS = tuple(float(weight) for weight in np.logspace(-6, 2, 33))
"""Strengths that hold an operator's factor near the common one, from which the best is taken."""

LARGEST = 10.0
"""How many times the common factor an operator's own may be. It may be 0: a runtime saves some operators."""


@dataclass(frozen=True)
class TableError:
    """How well a table tells the time of whole networks that were measured.

    Attributes:
        networks: how many.
        mape: mean absolute error, in percent.
        rmse: in milliseconds.
        within_5, within_10: share of the networks within so many percent, in percent.
        spearman, kendall_tau: rank correlations; None for fewer than three networks.
        bias: mean error, in percent; above 0 where the table says too much.
    """

    networks: int
    mape: float
    rmse: float
    within_5: float
    within_10: float
    spearman: float | None
    kendall_tau: float | None
    bias: float

    def to_json(self) -> dict[str, Any]:
        """All figures."""
        return asdict(self)


def table_error(predicted: Floats, measured: Floats) -> TableError:
    """The error of predictions (N,) beside measurements (N,), both in milliseconds."""
    # Two seconds, which every command would spend.
    from scipy.stats import kendalltau, spearmanr

    relative = predicted / measured - 1
    ranks = len(measured) > 2
    return TableError(
        len(measured),
        float(np.abs(relative).mean()) * 100,
        float(np.sqrt(np.mean((predicted - measured) ** 2))),
        float(np.mean(np.abs(relative) <= 0.05)) * 100,
        float(np.mean(np.abs(relative) <= 0.10)) * 100,
        float(spearmanr(predicted, measured).statistic) if ranks else None,
        float(kendalltau(predicted, measured).statistic) if ranks else None,
        float(relative.mean()) * 100,
    )


def fitted_factors(counts: npt.NDArray[np.int64], alone: Floats, whole: Floats) -> Floats:
    """What each operator's time by itself is to be multiplied by, so that sums tell the time of whole networks.

    By itself an operator pays for a call of the runtime and for bringing its input and output into the runtime's own layout;
    how much of that it shares with its neighbours in a network depends on the operator. The factors are those that fit the
    networks with the least squares of relative errors, held near one common factor as strongly as leaving out each
    network in turn shows to be best. With few networks that is the common factor alone.

    Args:
        counts: how often each operator is in each network, (N, K).
        alone: milliseconds by itself, (K,).
        whole: of the networks, (N,).

    Returns:
        (K,)
    """
    common = float(np.median(whole / (counts @ alone)))
    shares = counts * alone * common / whole[:, None]
    missing = 1 - shares.sum(axis=1)
    best, chosen = float(np.abs(missing).mean()), np.zeros(len(alone))
    gram = shares @ shares.T
    for weight in WEIGHTS:
        inverse = np.linalg.inv(gram + weight * np.eye(len(whole)))
        # The residual of a network that is left out, by the formula for ridge regression.
        left_out = float(np.abs(inverse @ missing / np.diag(inverse)).mean())
        if left_out < best:
            best, chosen = left_out, shares.T @ (inverse @ missing)
    factors: Floats = common * np.clip(1 + chosen, 0, LARGEST)
    return factors
