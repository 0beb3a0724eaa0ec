"""What makes a predicted architecture worth an evaluation."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Numbers: TypeAlias = npt.NDArray[np.float64]

Acquisition: TypeAlias = Literal["ei", "its", "ucb", "pi", "mean"]

UPPER = 0.5
"""Standard deviations above the mean that `ucb` takes, as the code of BANANAS does."""


def acquire(kind: Acquisition, mean: Numbers, deviation: Numbers, best: float, rng: np.random.Generator) -> Numbers:
    """(N,) figures, larger is better.

    'ei' is the expected improvement over the best so far (Jones et al., Efficient Global Optimization, 1998) and 'pi' the
    probability of one, both as logarithms; 'ucb' is an upper confidence bound, 'mean' the prediction itself, and 'its' one draw
    from each prediction by itself (independent Thompson sampling; White et al., BANANAS, 2021).

    Args:
        mean, deviation: (N,) predictions; larger is better.
        best: the largest value so far.
        rng: for 'its'.
    """
    if kind == "mean":
        return mean
    if kind == "ucb":
        return mean + UPPER * deviation
    if kind == "its":
        return mean + deviation * rng.standard_normal(len(mean))
    away = (mean - best) / np.maximum(deviation, np.finfo(np.float64).tiny)
    if kind == "pi":
        from scipy.special import log_ndtr

        chance: Numbers = log_ndtr(away)
        return chance
    return np.log(np.maximum(deviation, np.finfo(np.float64).tiny)) + log_improvement(away)


def normal_scores(values: Numbers) -> Numbers:
    """(N,) the quantiles of a normal distribution at the ranks of values; equal values have the mean of their ranks.

    Accuracies have a heavy lower tail. In their own unit the deviation of a bad architecture is tens of points, that of a good
    one tenths, and whatever rewards doubt chases the bad ones.
    """
    from scipy.special import ndtri

    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    found: Numbers = ndtri(((np.cumsum(counts) - counts / 2) / len(values))[place])
    return found


def log_improvement(away: Numbers) -> Numbers:
    """(N,) the logarithm of the expected positive part of a normal variable with mean `away` and deviation 1.

    The plain formula cancels to 0 some deviations below 0, where candidates still have an order (Ament et al., Unexpected
    improvements to expected improvement, 2023).
    """
    from scipy.special import erfcx, ndtr

    near = np.maximum(away, -1.0)
    plain = np.log(near * ndtr(near) + np.exp(-0.5 * near**2) / np.sqrt(2 * np.pi))
    far = np.minimum(away, -1.0)
    # Beyond a thousand deviations the bracket has lost its digits, and is 1 / away^2.
    bracket = 1 + np.sqrt(np.pi / 2) * far * erfcx(-far / np.sqrt(2))
    log_bracket = np.where(far < -1e3, -2 * np.log(-far), np.log(np.maximum(bracket, np.finfo(np.float64).tiny)))
    tail = -0.5 * far**2 - 0.5 * np.log(2 * np.pi) + log_bracket
    found: Numbers = np.where(away > -1.0, plain, tail)
    return found
