"""Latency on a new device from a few networks measured there, and from devices of which more is known.

What is expected of a new device before anything is measured: its latency is a weighted sum of those of the known devices, plus
what each part of a network costs there more or less than elsewhere. Weights are normal around zero, so that latencies of
architectures that are alike on the known devices, or made of the same parts, are alike (Bayesian linear regression, which is
a Gaussian process with the covariance of those features). How far parts deviate and how noisy measurements are is not known: a
grid of both is averaged by how likely it makes what was measured.

With devices as features this is the setting of Lee et al., Hardware-Adaptive Efficient Latency Prediction for NAS via
Meta-Learning, 2021, without a network to train; networks to measure are chosen as there from what is known beforehand, but so
that each says most that the others do not.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.base.errors import NasError

FloatArray = npt.NDArray[np.float64]

DEVIATIONS = (0.03, 0.1, 0.3, 1.0)
"""How much parts may cost more or less than the known devices say, relative to a mean network."""

NOISES = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""Variances of what no sum explains, relative to a mean network."""

CHOICE = (1.0, 1e-2)
"""Deviation and noise under which networks to measure are chosen."""

LEAST = 3
"""Fewer networks than this are no base for a transfer; one more is needed where each is left out once."""


@dataclass(frozen=True)
class Coefficients:
    """Milliseconds on the new device: for each millisecond on each known one, (D,), and for each unit of each part, (F,)."""

    devices: FloatArray
    parts: FloatArray

    def __call__(self, known: FloatArray, parts: FloatArray) -> FloatArray:
        """Latencies (N, D) and parts (N, F) of architectures -> (N,) milliseconds."""
        found: FloatArray = known @ self.devices + parts @ self.parts
        return found


class Transfer:
    """Carries latencies over to a device on which few networks were measured.

    Args:
        known: (N, D) milliseconds of architectures of the space on the known devices; a few hundred random ones do.
        parts: (N, F) what these are made of, such as how often each has each operator.
    """

    def __init__(self, known: FloatArray, parts: FloatArray) -> None:
        self._device_scale = 1.0 / (known.mean(axis=0) * np.sqrt(known.shape[1]))
        self._part_scale = 1.0 / np.sqrt(np.mean(np.sum(parts**2, axis=1)))

    def choose(self, known: FloatArray, parts: FloatArray, count: int) -> npt.NDArray[np.intp]:
        """The architectures of a pool, known (N, D) and parts (N, F), that say most about a device: indices (count,), the most
        telling first.

        Each is the one of which, after those before it, least is known: the first steps of a pivoted Cholesky decomposition.
        """
        deviation, noise = CHOICE
        features = np.concatenate(self._scaled(known, parts, deviation), axis=1)
        variance = np.sum(features**2, axis=1)
        explained = np.zeros((len(features), 0))
        chosen: list[int] = []
        for _ in range(min(count, len(features))):
            best = int(np.argmax(np.where(np.isin(np.arange(len(features)), chosen), -np.inf, variance)))
            column = features @ features[best] - explained @ explained[best]
            column /= np.sqrt(max(variance[best], 0.0) + noise)
            explained = np.concatenate([explained, column[:, None]], axis=1)
            variance = variance - column**2
            chosen.append(best)
        return np.array(chosen, dtype=np.intp)

    def fit(self, known: FloatArray, parts: FloatArray, milliseconds: FloatArray) -> Coefficients:
        """What was measured on the new device, (n,) milliseconds of architectures with known (n, D) and parts (n, F).

        Raises:
            NasError: too few were measured.
        """
        require_enough(len(milliseconds))
        scale = milliseconds.mean()
        values = milliseconds / scale
        devices, own = self._scaled(known, parts, 1.0)
        shared, separate = devices @ devices.T, own @ own.T
        fits, likelihoods = [], []
        for deviation, noise in itertools.product(DEVIATIONS, NOISES):
            covariance = shared + deviation**2 * separate + noise * np.eye(len(values))
            solved = np.linalg.solve(covariance, values)
            # With the scale of all variances left open, and the likeliest taken.
            likelihood = -0.5 * np.linalg.slogdet(covariance)[1] - 0.5 * len(values) * np.log(values @ solved)
            likelihoods.append(likelihood)
            fits.append((solved, deviation**2 * solved))
        weights = np.exp(np.array(likelihoods) - max(likelihoods))
        weights *= scale / weights.sum()
        mean = [weights @ np.stack(side) for side in zip(*fits, strict=True)]
        return Coefficients(devices.T @ mean[0] * self._device_scale, own.T @ mean[1] * self._part_scale)

    def _scaled(self, known: FloatArray, parts: FloatArray, deviation: float) -> tuple[FloatArray, FloatArray]:
        """Features of which a mean network has about one in all."""
        return known * self._device_scale, parts * (deviation * self._part_scale)


def require_enough(count: int) -> None:
    """Raise NasError where too few networks were measured, apart from one that is left out."""
    if count < LEAST:
        raise NasError(
            f"a transfer takes at least {LEAST + 1} networks measured on the new device, better 10; give more of them"
        )
