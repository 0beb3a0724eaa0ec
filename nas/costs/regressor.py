"""A regressor of latency for operators of one kind: a Gaussian process on the logarithms of what their keys say.

The covariance is a linear one, which carries over to sizes that were never measured, plus a squared exponential one with a
length for each feature, which bends it to the measurements. Multiply-adds of whole blocks as a further feature made operators
of unmeasured shapes worse, and forests and boosted trees did worse throughout: see experiments/operator_estimates.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any

import numpy as np

from nas.costs.key_features import FloatArray, KeyFeatures
from nas.costs.keys import OperatorKey

LEAST = 20
"""Fewer distinct operators than this say too little of a kind."""

ENOUGH = 200
"""The covariance is fitted to at most so many operators; all of them then predict."""

FOLDS = 10

SHAPE_FOLDS = 12
"""Up to so many shapes are left out one at a time, more of them in so many parts."""

STEPS = 40
"""Of the fit of the covariance."""


@dataclass(frozen=True)
class Quality:
    """How well operators were predicted that were left out: shares within 5 and 10 %, mean absolute relative error in percent.

    Attributes:
        operators: how many distinct ones there are.
        unseen_error, unseen_within_10: the same where all operators of the same shapes were left out together; None where all
            have the same.
    """

    operators: int
    error: float
    within_5: float
    within_10: float
    unseen_error: float | None
    unseen_within_10: float | None

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    def to_array(self) -> FloatArray:
        """The figures in order, NaN for None."""
        return np.array([np.nan if figure is None else figure for figure in astuple(self)], dtype=np.float64)

    @classmethod
    def from_array(cls, array: FloatArray) -> Quality:
        """The inverse of `to_array`."""
        operators, error, within_5, within_10, *unseen = map(float, array)
        unseen_error, unseen_within_10 = (None if np.isnan(figure) else figure for figure in unseen)
        return cls(int(operators), error, within_5, within_10, unseen_error, unseen_within_10)


class Regressor:
    """Milliseconds of operators of one signature; deterministic.

    Args:
        keys: distinct operators.
        milliseconds: (N,), above zero.
        parameters: of the covariance, as `parameters` of a regressor of the same operators gave them, so that they are not
            fitted again.
    """

    def __init__(self, keys: Sequence[OperatorKey], milliseconds: FloatArray, parameters: FloatArray | None = None) -> None:
        self.keys = list(keys)
        self._logs = np.log(milliseconds)
        self._features = KeyFeatures(self.keys)
        self.shapes = frozenset((key.inputs, key.output) for key in keys)
        every = np.arange(len(self.keys))
        self._process = self._conditioned(every, self._known_covariance(parameters) or self._covariance_of(every))

    @property
    def parameters(self) -> FloatArray:
        """Logarithms of the parameters of the covariance, (P,)."""
        found: FloatArray = self._process.kernel_.theta
        return found

    def __call__(self, keys: Sequence[OperatorKey]) -> FloatArray:
        """Operators -> (N,) milliseconds. Raises NasError for one with an attribute that no entry has."""
        return self._predicted(self._process, self._logs.mean(), keys)

    def quality(self) -> Quality:
        """Cross-validated: operators are left out a tenth at a time, and once more with all others of their shapes. Nothing is
        fitted to what is left out, the covariance included."""
        rng = np.random.default_rng(0)
        errors = self._errors(self.held_out(list(rng.permutation(len(self.keys)) % FOLDS)))
        unseen = None
        if len(self.shapes) > 1:
            shapes = sorted(self.shapes)
            fold = dict(zip(shapes, rng.permutation(len(shapes)) % SHAPE_FOLDS, strict=True))
            unseen = self._errors(self.held_out([fold[key.inputs, key.output] for key in self.keys]))
        return Quality(
            len(self.keys),
            float(100 * errors.mean()),
            float(np.mean(errors <= 0.05)),
            float(np.mean(errors <= 0.10)),
            None if unseen is None else float(100 * unseen.mean()),
            None if unseen is None else float(np.mean(unseen <= 0.10)),
        )

    def held_out(self, groups: Sequence[Hashable]) -> FloatArray:
        """(N,) milliseconds of each operator, predicted by those of other groups alone."""
        logs = np.empty(len(self.keys))
        for group in dict.fromkeys(groups):
            left = np.array([other == group for other in groups])
            held = [key for key, out in zip(self.keys, left, strict=True) if out]
            rest = np.flatnonzero(~left)
            process = self._conditioned(rest, self._covariance_of(rest))
            logs[left] = np.log(self._predicted(process, self._logs[rest].mean(), held))
        found: FloatArray = np.exp(logs)
        return found

    def _errors(self, predicted: FloatArray) -> FloatArray:
        found: FloatArray = np.abs(predicted / np.exp(self._logs) - 1.0)
        return found

    def _covariance_of(self, rows: np.ndarray) -> Any:
        """The covariance by some of the operators, at most `ENOUGH`."""
        drawn = rows[np.random.default_rng(0).permutation(len(rows))[:ENOUGH]]
        logs = self._logs[drawn]
        return fitted_covariance(self._features([self.keys[row] for row in drawn]), logs - logs.mean())

    def _known_covariance(self, parameters: FloatArray | None) -> Any:
        """The covariance with these parameters; None where they are not as many as it has."""
        covariance = _covariance(self._features(self.keys[:1]).shape[1])
        if parameters is None or parameters.shape != covariance.theta.shape or not np.all(np.isfinite(parameters)):
            return None
        return covariance.clone_with_theta(parameters)

    def _conditioned(self, rows: np.ndarray, covariance: Any) -> Any:
        """The process that is fitted to some of the operators."""
        from sklearn.gaussian_process import GaussianProcessRegressor

        features = self._features([self.keys[row] for row in rows])
        process = GaussianProcessRegressor(covariance, optimizer=None)
        return process.fit(features, self._logs[rows] - self._logs[rows].mean())

    def _predicted(self, process: Any, mean: float, keys: Sequence[OperatorKey]) -> FloatArray:
        found: FloatArray = np.exp(process.predict(self._features(keys)) + mean)
        return found


def fitted_covariance(features: FloatArray, logs: FloatArray) -> Any:
    """The covariance under which logarithms of milliseconds, (N,) around their mean, are likeliest for standardised features
    (N, F): a kernel of scikit-learn."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor

    covariance = _covariance(features.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a parameter at its limit is no fault: a feature may not matter
        return GaussianProcessRegressor(covariance, optimizer=_minimised).fit(features, logs).kernel_


def _covariance(features: int) -> Any:
    """The covariance before it is fitted."""
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel

    scale, lengths, noise = (1e-3, 1e3), (1e-1, 1e3), (1e-6, 1e-1)
    return (
        ConstantKernel(1.0, scale) * RBF(np.full(features, 3.0), lengths)
        + ConstantKernel(1.0, scale) * DotProduct(1.0, scale)
        + WhiteKernel(1e-3, noise)
    )


def _minimised(function: Callable[[FloatArray], tuple[float, FloatArray]], start: FloatArray, bounds: FloatArray) -> Any:
    """The minimum, as far as a few steps lead to it: the last digits of a length matter to no estimate."""
    from scipy.optimize import minimize

    found = minimize(function, start, method="L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": STEPS})
    return found.x, found.fun
