"""A fitted predictor in the place of an evaluation."""

from __future__ import annotations

import numpy as np

from nas.base.errors import NasError
from nas.predicting import Predictor


class PredictorEvaluator:
    """Predicts what an evaluation would find.

    Args:
        predictor: fitted, of the space that is searched.
        metric: what it predicts.
    """

    def __init__(self, predictor: Predictor, metric: str = "top1") -> None:
        self.predictor = predictor
        self.metrics = (metric, f"{metric}_std")

    def __call__(self, row: np.ndarray, fidelity: float = 1.0) -> dict[str, float]:
        """The mean under the metric's name, and the standard deviation with '_std' behind it.

        Raises:
            NasError: less than a full evaluation was asked for.
        """
        if fidelity != 1.0:
            raise NasError("a predictor knows full evaluations only; choose another strategy")
        mean, deviation = self.predictor.predict(row[None])
        return {self.metrics[0]: float(mean[0]), self.metrics[1]: float(deviation[0])}
