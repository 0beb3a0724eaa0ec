"""The predictor of LINAS: ridge or support vector regression, whichever cross-validation prefers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.predicting import Encoding, Predictor
from nas.predicting.quality import Numbers
from predictors.intervals import Intervals

ALPHAS = np.arange(1, 101) / 10
"""Of ridge regression: 0.1 to 10 in steps of 0.1."""

AT_ONCE = 4096
"""Architectures predicted at a time."""


class RidgeSvr(Predictor):
    """Ridge regression or support vector regression with a radial basis function (Cummings et al., DyNAS-T, 2022).

    Every strength of the ridge from 0.1 to 10 and every C of the support vector regression from 1 to 100, with gamma = 1 /
    features and epsilon = 0, is cross-validated; the one with the smallest mean absolute percentage error is fitted to all
    values. Values are divided by the power of ten that leaves two digits before the point. The errors in the
    cross-validation give the width of the intervals, the same for all.

    Args:
        folds: of the cross-validation.
        largest: the largest C; all whole numbers up to it are tried.
        points: the cross-validation has at most so many architectures, drawn at random; what it prefers is fitted to all.
    """

    summary = "ridge or support vector regression, chosen by cross-validation (LINAS); quick, for smooth spaces"
    source = "Cummings et al., A Hardware-Aware Framework for Accelerating Neural Architecture Search Across Modalities, 2022"

    def __init__(self, encoding: Encoding, seed: int = 0, folds: int = 5, largest: int = 100, points: int = 250) -> None:
        super().__init__(encoding, seed)
        if folds < 2 or largest < 1 or points < folds:
            raise NasError(
                "predictor 'ridge-svr' needs two folds, a largest C of 1 and as many points as folds, or more of each"
            )
        self.folds, self.largest, self.points = folds, largest, points

    def learn(self, rows: Rows, values: Numbers) -> None:
        """See `Predictor`."""
        from sklearn.svm import SVR

        features = self.encoding.features(rows)
        top = float(np.abs(values).max())
        self._unit = 10.0 ** (np.floor(np.log10(top)) - 1) if top > 0 else 1.0
        targets = values / self._unit
        judged = generator(self.seed, "ridge-svr").permutation(len(rows))[: self.points]
        ridge, support = self._unseen(features[judged], targets[judged])
        # A value of 0 has no percentage error; the smallest number stands in for it, as in scikit-learn.
        scale = np.maximum(np.abs(targets[judged]), np.finfo(np.float64).eps)[:, None]
        errors = [(np.abs(found - targets[judged, None]) / scale).mean(axis=0) for found in (ridge, support)]
        chosen = [int(error.argmin()) for error in errors]
        if errors[0][chosen[0]] <= errors[1][chosen[1]]:
            unseen = ridge[:, chosen[0]]
            self._linear(features, targets, float(ALPHAS[chosen[0]]))
        else:
            unseen = support[:, chosen[1]]
            model = SVR(gamma="auto", epsilon=0.0, C=chosen[1] + 1.0).fit(features, targets)
            self._vectors = np.asarray(model.support_vectors_, dtype=np.float64)
            self._weights = np.asarray(model.dual_coef_[0], dtype=np.float64)
            self._intercept = float(model.intercept_[0])
        self._intervals = Intervals.of(self._unit * unseen, np.zeros(len(judged)), values[judged])

    def _unseen(self, features: Numbers, targets: Numbers) -> tuple[Numbers, Numbers]:
        """What ridge regressions (N, A) and support vector regressions (N, C) of each strength predict for parts of the data,
        which comes in a random order, that they did not see."""
        from sklearn.svm import SVR

        fold = np.arange(len(targets)) % min(self.folds, len(targets))
        ridge, support = np.empty((len(targets), len(ALPHAS))), np.empty((len(targets), self.largest))
        for part in range(int(fold.max()) + 1):
            held, used = fold == part, fold != part
            ridge[held] = _ridge(features[used], targets[used], ALPHAS, features[held])
            for column in range(self.largest):
                model = SVR(gamma="auto", epsilon=0.0, C=column + 1.0).fit(features[used], targets[used])
                support[held, column] = model.predict(features[held])
        return ridge, support

    def estimate(self, rows: Rows) -> tuple[Numbers, Numbers]:
        """See `Predictor`."""
        mean = np.empty(len(rows))
        for first in range(0, len(rows), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            features = self.encoding.features(rows[part])
            if len(self._vectors):
                away = (features**2).sum(axis=1)[:, None] + (self._vectors**2).sum(axis=1) - 2 * features @ self._vectors.T
                features = np.exp(-away / features.shape[1])
            mean[part] = self._unit * (features @ self._weights + self._intercept)
        return mean, self._intervals.deviation(np.zeros(len(rows)))

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """See `Predictor`."""
        return {
            "vectors": self._vectors,
            "weights": self._weights,
            "values": np.array([self._intercept, self._unit]),
            "intervals": self._intervals.array,
        }

    def restore(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """See `Predictor`."""
        self._vectors, self._weights = tensors["vectors"], tensors["weights"]
        self._intercept, self._unit = tensors["values"].tolist()
        self._intervals = Intervals.from_array(tensors["intervals"])

    def _linear(self, features: Numbers, targets: Numbers, alpha: float) -> None:
        """Keep a ridge regression: weights of the features, and no support vectors."""
        centre, middle = features.mean(axis=0), float(targets.mean())
        matrix = (features - centre).T @ (features - centre) + alpha * np.eye(features.shape[1])
        self._vectors = np.empty((0, features.shape[1]))
        self._weights = np.linalg.solve(matrix, (features - centre).T @ (targets - middle))
        self._intercept = middle - float(centre @ self._weights)


def _ridge(features: Numbers, targets: Numbers, alphas: Numbers, at: Numbers) -> Numbers:
    """Ridge regressions of all strengths (A,) by one decomposition -> predictions (M, A) at features (M, F)."""
    centre, middle = features.mean(axis=0), targets.mean()
    left, singular, right = np.linalg.svd(features - centre, full_matrices=False)
    shrunk = (singular[:, None] / (singular[:, None] ** 2 + alphas)) * (left.T @ (targets - middle))[:, None]
    found: Numbers = middle + ((at - centre) @ right.T) @ shrunk
    return found
