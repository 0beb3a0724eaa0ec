"""Standard deviations that are honest about values which were not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.predicting import conformal_factor
from nas.predicting.quality import Numbers


@dataclass(frozen=True)
class Intervals:
    """Deviations out of the disagreement of an ensemble, scaled by its errors on values that it did not see.

    The members of an ensemble agree too much: their spread alone covers about 60 % for 90 %. The typical error is added to
    the spread, so that no interval is too narrow, and the sum is scaled to cover 90 % of the values that were held out.

    Attributes:
        typical: error of the middle of the values that were held out, as a standard deviation.
        factor: see `nas.predicting.conformal_factor`.
    """

    typical: float
    factor: float

    @classmethod
    def of(cls, mean: Numbers, spread: Numbers, values: Numbers) -> Intervals:
        """From predictions (N,) for values (N,) that were held out."""
        typical = max(float(np.median(np.abs(values - mean))) / 0.6745, 1e-9 * (1 + float(np.abs(values).max())))
        return cls(typical, conformal_factor(mean, np.hypot(spread, typical), values))

    @classmethod
    def from_array(cls, saved: npt.NDArray[np.float64]) -> Intervals:
        """The inverse of `array`."""
        typical, factor = saved.tolist()
        return cls(typical, factor)

    @property
    def array(self) -> npt.NDArray[np.float64]:
        """(2,), for a file."""
        return np.array([self.typical, self.factor])

    def deviation(self, spread: Numbers) -> Numbers:
        """Standard deviations (N,) for the spreads (N,) of the members."""
        return self.factor * np.hypot(spread, self.typical)
