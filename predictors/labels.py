"""Values brought to a scale on which a regression is easy, and back."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np

from nas.base.errors import unknown
from nas.predicting.quality import Numbers

Transform: TypeAlias = Literal["rank", "standard"]


class Labels:
    """A monotone scale fitted to values.

    Args:
        transform: 'rank' gives the values the quantiles of a normal distribution by their ranks, which tames the heavy lower
            tail that accuracies have; 'standard' subtracts the mean and divides by the standard deviation.
        values: (N,).
    """

    def __init__(self, transform: Transform, values: Numbers) -> None:
        if transform not in get_args(Transform):
            raise unknown("transform of values", transform, get_args(Transform))
        deviation = float(values.std()) or 1.0
        if transform == "standard" or len(np.unique(values)) < 3:
            self.knots = np.array([values.mean(), values.mean() + deviation])
            self.scores = np.array([0.0, 1.0])
            return
        from scipy.special import ndtri

        self.knots, counts = np.unique(values, return_counts=True)
        # Equal values have the mean of their ranks.
        self.scores = ndtri((np.cumsum(counts) - counts / 2) / len(values))

    @classmethod
    def of(cls, knots: Numbers, scores: Numbers) -> Labels:
        """The scale with these knots: values and their places on the scale, both increasing."""
        found = cls.__new__(cls)
        found.knots, found.scores = knots, scores
        return found

    def forward(self, values: Numbers) -> Numbers:
        """Values to the scale."""
        return _interpolated(values, self.knots, self.scores)

    def backward(self, scores: Numbers) -> Numbers:
        """From the scale to values."""
        return _interpolated(scores, self.scores, self.knots)

    def spread(self, scores: Numbers, deviations: Numbers) -> tuple[Numbers, Numbers]:
        """Means and standard deviations on the scale as those of values: half the way between one deviation either side."""
        half = (self.backward(scores + deviations) - self.backward(scores - deviations)) / 2
        return self.backward(scores), np.maximum(half, np.finfo(np.float64).tiny)


def _interpolated(at: Numbers, x: Numbers, y: Numbers) -> Numbers:
    """Linear between the knots; beyond them with the slope over the outer tenth of the knots, which no single one decides."""
    outer = max(1, len(x) // 10)
    low = (y[outer] - y[0]) / (x[outer] - x[0])
    high = (y[-1] - y[-1 - outer]) / (x[-1] - x[-1 - outer])
    found = np.interp(at, x, y)
    found = np.where(at < x[0], y[0] + low * (at - x[0]), found)
    return np.where(at > x[-1], y[-1] + high * (at - x[-1]), found)
