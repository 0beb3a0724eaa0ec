"""A Gaussian process whose length scales maximise the marginal likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from nas.architectures.decisions import Rows
from nas.base.errors import NasError, unknown
from nas.base.seeds import generator
from nas.predicting import Encoding, Predictor, conformal_factor
from nas.predicting.quality import Numbers
from predictors.labels import Labels, Transform
from predictors.places import with_places

Kernel: TypeAlias = Literal["matern32", "matern52", "rbf"]

LENGTH = (0.7, 1.0)
NOISE = (-3.0, 2.0)
SCALE = (0.0, 1.0)
"""Mean and standard deviation of the normal priors on the logarithms of the length scales, the noise's variance and the
kernel's variance. They keep a few values from deciding about many length scales (Rasmussen & Williams, 5.1)."""

JITTER = 1e-6
"""Added to the noise so that repeated architectures leave the covariance invertible."""

LARGEST = 2**25
"""At most so many squared distances are kept while length scales are found: 256 MB."""

AT_ONCE = 4096
"""Architectures predicted at a time."""


class GaussianProcess(Predictor):
    """Gaussian process regression (Rasmussen & Williams, 2006) on the features of the encoding and the places of
    options that are numbers.

    Each group of features, such as the one-hot of one decision, has a length scale of its own (automatic relevance
    determination); length scales, noise and variance are those of largest posterior density under wide priors, found with
    exact gradients. Values are given normal scores by rank. Intervals are scaled by the errors on parts of the data which
    processes fitted without them make.

    Args:
        kernel: 'matern32', 'matern52' or 'rbf'.
        transform: of the values; see `predictors.labels.Labels`.
        points: length scales are found on at most so many architectures, drawn at random.
        known: predictions are conditioned on at most so many, one half the best and the others drawn at random; time grows
            with its square.
        iterations: of L-BFGS at most.
        folds: into how many parts the data is cut for the intervals. 0 takes leave-one-out errors at the length scales of
            all the data (5.4.2): five times as fast, and intervals a little too narrow below some hundred values.
    """

    summary = "Gaussian process with a length scale for each decision; the best below some hundred evaluations"
    source = "Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006"
    quick = MappingProxyType({"folds": 0})

    def __init__(
        self,
        encoding: Encoding,
        seed: int = 0,
        kernel: Kernel = "matern32",
        transform: Transform = "rank",
        points: int = 400,
        known: int = 600,
        iterations: int = 50,
        folds: int = 5,
    ) -> None:
        super().__init__(with_places(encoding), seed)
        if kernel not in get_args(Kernel):
            raise unknown("kernel", kernel, get_args(Kernel))
        if min(points, known) < 2 or iterations < 1 or folds < 0 or folds == 1:
            raise NasError(
                "predictor 'gp' needs at least two points and known ones, one iteration, and no folds or at least two"
            )
        self.kernel, self.transform, self.points, self.known = kernel, transform, points, known
        self.iterations, self.folds = iterations, folds

    def learn(self, rows: Rows, values: Numbers) -> None:
        """See `Predictor`."""
        rng = generator(self.seed, "gp")
        if len(rows) > self.known:
            order = np.argsort(-values, kind="stable")
            best, others = order[: self.known // 2], order[self.known // 2 :]
            kept = np.sort(np.concatenate([best, rng.permutation(others)[: self.known - len(best)]]))
            rows, values = np.asfortranarray(rows[kept]), values[kept]
        features = self.encoding.features(rows)
        self._shift, self._weights = features.mean(axis=0), _group_weights(features, self.encoding.groups)
        scaled = (features - self._shift) * self._weights
        groups = self.encoding.groups
        start = np.array([NOISE[0], SCALE[0], *[LENGTH[0]] * len(groups)])
        self._labels, self._process = self._fit(scaled, values, start, rng)
        if not self.folds:
            mean, deviation = self._labels.spread(*self._process.left_out())
        else:
            mean, deviation = np.empty(len(rows)), np.empty(len(rows))
            fold = rng.permutation(len(rows)) % self.folds
            for part in (fold == number for number in np.unique(fold)):
                labels, process = self._fit(scaled[~part], values[~part], self._process.parameters, rng)
                mean[part], deviation[part] = labels.spread(*process.at(scaled[part]))
        self._factor = conformal_factor(mean, deviation, values)

    def estimate(self, rows: Rows) -> tuple[Numbers, Numbers]:
        """See `Predictor`."""
        means, deviations = np.empty(len(rows)), np.empty(len(rows))
        for first in range(0, len(rows), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            features = (self.encoding.features(rows[part]) - self._shift) * self._weights
            means[part], deviations[part] = self._labels.spread(*self._process.at(features))
        return means, self._factor * deviations

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """See `Predictor`."""
        return {
            "features": self._process.features,
            "targets": self._process.targets,
            "parameters": self._process.parameters,
            "shift": self._shift,
            "weights": self._weights,
            "knots": self._labels.knots,
            "scores": self._labels.scores,
            "factor": np.array([self._factor]),
        }

    def restore(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """See `Predictor`."""
        self._labels = Labels.of(tensors["knots"], tensors["scores"])
        self._shift, self._weights, self._factor = tensors["shift"], tensors["weights"], float(tensors["factor"][0])
        known = (tensors[name] for name in ("parameters", "features", "targets"))
        self._process = Process(self.kernel, self.encoding.groups, *known)

    def _fit(self, features: Numbers, values: Numbers, start: Numbers, rng: np.random.Generator) -> tuple[Labels, Process]:
        labels = Labels(self.transform, values)
        targets = labels.forward(values)
        groups = self.encoding.groups
        most = max(2, min(self.points, int((LARGEST / len(groups)) ** 0.5)))
        chosen = np.arange(len(values)) if len(values) <= most else rng.choice(len(values), most, replace=False)
        parameters = _maximised(self.kernel, groups, features[chosen], targets[chosen], start, self.iterations)
        return labels, Process(self.kernel, groups, parameters, features, targets)


class Process:
    """A Gaussian process conditioned on values.

    Args:
        groups: widths of the groups of features.
        parameters: (2 + groups,) logarithms of noise, variance and length scales.
        features: (N, F).
        targets: (N,), about 0.
    """

    def __init__(
        self, kernel: Kernel, groups: tuple[int, ...], parameters: Numbers, features: Numbers, targets: Numbers
    ) -> None:
        from scipy.linalg import cho_solve, cholesky

        self.kernel, self.parameters, self.features, self.targets = kernel, parameters, features, targets
        self._lengths = np.repeat(np.exp(-parameters[2:]), groups)
        self._noise, self._variance = float(np.exp(parameters[0])) + JITTER, float(np.exp(parameters[1]))
        self._scaled = features * self._lengths
        matrix = self._variance * covariance(kernel, squared_distances(self._scaled, self._scaled))[0]
        matrix[np.diag_indices_from(matrix)] += self._noise
        self._lower = cholesky(matrix, lower=True, check_finite=False)
        self._solved = cho_solve((self._lower, True), targets, check_finite=False)

    def at(self, features: Numbers) -> tuple[Numbers, Numbers]:
        """Mean and standard deviation (M,) of values, noise included, at features (M, F)."""
        from scipy.linalg import solve_triangular

        cross = self._variance * covariance(self.kernel, squared_distances(features * self._lengths, self._scaled))[0]
        left = solve_triangular(self._lower, cross.T, lower=True, check_finite=False)
        spread = self._variance + self._noise - (left**2).sum(axis=0)
        return cross @ self._solved, np.sqrt(np.maximum(spread, JITTER))

    def left_out(self) -> tuple[Numbers, Numbers]:
        """Mean and standard deviation (N,) for each target from all the others (Rasmussen & Williams, 5.12)."""
        from scipy.linalg import cho_solve

        inverse = cho_solve((self._lower, True), np.eye(len(self.targets)), check_finite=False)
        variance = 1 / np.diag(inverse)
        return self.targets - self._solved * variance, np.sqrt(variance)


def _maximised(
    kernel: Kernel, groups: tuple[int, ...], features: Numbers, targets: Numbers, start: Numbers, iterations: int
) -> Numbers:
    """Logarithms of noise, variance and length scales (2 + groups,)."""
    from scipy.optimize import minimize

    parts = np.split(features, np.cumsum(groups)[:-1], axis=1)
    distances = np.stack([squared_distances(part, part).ravel() for part in parts])

    def objective(parameters: Numbers) -> tuple[float, Numbers]:
        return negative_log_posterior(kernel, parameters, distances, targets)

    bounds = [(-12.0, 2.0), (-5.0, 5.0), *[(-4.0, 8.0)] * len(parts)]
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": iterations})
    return np.asarray(found.x, dtype=np.float64)


def negative_log_posterior(kernel: Kernel, parameters: Numbers, distances: Numbers, targets: Numbers) -> tuple[float, Numbers]:
    """What length scales minimise, and its gradient.

    Args:
        parameters: (2 + G,) logarithms of noise, variance, and length scales.
        distances: (G, N * N) squared distances in each group of features.
        targets: (N,).
    """
    from scipy.linalg import cho_solve, cholesky

    count = len(targets)
    noise, variance = np.exp(parameters[:2])
    shrink = np.exp(-2 * parameters[2:])
    values, slopes = covariance(kernel, shrink @ distances)
    matrix = variance * values.reshape(count, count)
    matrix[np.diag_indices(count)] += noise + JITTER
    lower = cholesky(matrix, lower=True, check_finite=False)
    inverse = cho_solve((lower, True), np.eye(count), check_finite=False)
    solved = inverse @ targets
    # d/dp of the log likelihood is half the trace of (a a' - K^-1) dK/dp (Rasmussen & Williams, 5.9).
    outer = np.outer(solved, solved) - inverse
    along = variance * (outer.ravel() * slopes)
    gradient = np.concatenate(
        [
            [-0.5 * noise * np.trace(outer), -0.5 * variance * (outer.ravel() @ values)],
            shrink * (distances @ along),
        ]
    )
    means, deviations = np.array([NOISE, SCALE, *[LENGTH] * len(distances)]).T
    away = (parameters - means) / deviations
    value = 0.5 * targets @ solved + np.log(np.diag(lower)).sum() + 0.5 * away @ away
    return float(value), gradient + away / deviations


def squared_distances(first: Numbers, second: Numbers) -> Numbers:
    """(N, F) and (M, F) -> (N, M)."""
    found: Numbers = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * first @ second.T
    return np.maximum(found, 0.0)


def covariance(kernel: Kernel, squared: Numbers) -> tuple[Numbers, Numbers]:
    """Correlation at squared distances in length scales, and its slope along the squared distance."""
    if kernel == "rbf":
        value = np.exp(-0.5 * squared)
        return value, -0.5 * value
    if kernel == "matern32":
        distance = np.sqrt(3 * squared)
        decay = np.exp(-distance)
        return (1 + distance) * decay, -1.5 * decay
    distance = np.sqrt(5 * squared)
    decay = np.exp(-distance)
    return (1 + distance + distance**2 / 3) * decay, -5 / 6 * (1 + distance) * decay


def _group_weights(features: Numbers, groups: tuple[int, ...]) -> Numbers:
    """(F,) what brings the mean squared distance from the mean, over the columns of each group together, to one."""
    spread = features.var(axis=0)
    totals = np.add.reduceat(spread, np.cumsum([0, *groups[:-1]]))
    weights = np.where(totals > 0, 1 / np.sqrt(np.where(totals > 0, totals, 1.0)), 0.0)
    return np.repeat(weights, groups)
