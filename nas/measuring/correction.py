"""How far sums over operators are from whole networks, and what brings them nearer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau, spearmanr

Floats = npt.NDArray[np.float64]


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


def fitted_scale(predicted: Floats, measured: Floats) -> float:
    """The factor that brings sums (N,) to measurements (N,): the median of their ratios, which no odd network moves."""
    return float(np.median(measured / predicted))
