"""How good predictions are on architectures that a predictor has not seen."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

LEVEL = 0.9
"""The share of true values that an interval of `HALF_WIDTH` standard deviations to either side is to hold."""

HALF_WIDTH = 1.6448536269514722
"""The 95 % point of the normal distribution."""


@dataclass(frozen=True)
class Quality:
    """Predictions beside true values.

    Attributes:
        kendall_tau: share of pairs in the right order minus share of pairs in the wrong one (tau-b); 0 where either side
            is constant.
        spearman: correlation of the ranks; 0 where either side is constant.
        rmse: root of the mean squared error, in the unit of the values.
        coverage: share of the true values inside mean +- 1.645 standard deviations; 0.9 where intervals are honest.
        count: how many architectures were compared.
    """

    kendall_tau: float
    spearman: float
    rmse: float
    coverage: float
    count: int

    def to_json(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


def quality_of(mean: Numbers, deviation: Numbers, values: Numbers) -> Quality:
    """Predicted means and standard deviations (N,) beside true values (N,)."""
    from scipy.stats import kendalltau, spearmanr

    constant = bool(np.ptp(mean) == 0 or np.ptp(values) == 0)
    inside = np.abs(values - mean) <= HALF_WIDTH * deviation
    return Quality(
        kendall_tau=0.0 if constant else float(kendalltau(mean, values).statistic),
        spearman=0.0 if constant else float(spearmanr(mean, values).statistic),
        rmse=math.sqrt(float(np.mean((mean - values) ** 2))),
        coverage=float(np.mean(inside)),
        count=len(values),
    )


def conformal_factor(mean: Numbers, deviation: Numbers, values: Numbers) -> float:
    """By what to multiply standard deviations so that intervals hold `LEVEL` of unseen values.

    The conformal quantile of the normalised errors `|value - mean| / deviation` on values (N,) that the predictions did not
    see (Lei et al., Distribution-free predictive inference for regression, 2018): with N exchangeable values the interval
    holds the next one with at least that probability. Below nine values the largest error stands in for the quantile.
    """
    errors = np.sort(np.abs(values - mean) / deviation)
    place = min(math.ceil(LEVEL * (len(errors) + 1)), len(errors))
    return max(float(errors[place - 1]), np.finfo(np.float64).tiny) / HALF_WIDTH
