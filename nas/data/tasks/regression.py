"""Numbers for each image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from nas.base.errors import NasError
from nas.data.tasks.gathered import Gathered
from nas.data.tasks.learning_task import LOSS, LearningTask, Metric, Targets, widened

QUANTILES = 10
"""Groups of images by the size of their first number, of which splits take in proportion."""


@dataclass(frozen=True)
class Regression(LearningTask):
    """Mean squared error of standardised numbers: targets and outputs are (value - mean) / std.

    Attributes:
        mean, std: of each column over the training images.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    kind: ClassVar[str] = "regression"
    noun: ClassVar[str] = "column"
    nouns: ClassVar[str] = "columns"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("r2", "maximize", "R2", "{:.4f}"),
        Metric("rmse", "minimize", "root mean squared error", "{:.4g}"),
        LOSS,
    )
    agreement: ClassVar[Metric] = Metric("difference", "minimize", "mean difference", "{:.4f} std")
    meaning: ClassVar[str] = "each score times target_std plus target_mean, column by column, is the number"

    def loss(self, scores: torch.Tensor, targets: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        """Mean squared error over images and columns; nothing is smoothed."""
        return F.mse_loss(*widened(scores, targets))

    def meter(self) -> Gathered:
        """See `LearningTask`; 'r2' is the mean over the columns, 'rmse' in their units, all columns together."""
        return Gathered(partial(_figures, np.array(self.std)))

    def by_name(self, scores: Targets, targets: Targets) -> dict[str, dict[str, float]]:
        """Of each column its 'r2', and 'rmse' in its unit."""
        found = {}
        for place, name in enumerate(self.names):
            std = np.array(self.std[place : place + 1])
            one = _figures(std, *(torch.from_numpy(values[:, [place]]) for values in (scores, targets)))
            found[name] = {"r2": one["r2"], "rmse": one["rmse"]}
        return found

    def agreed(self, scores: Targets, others: Targets) -> float:
        """How far the outputs are apart in the mean, in standard deviations of the numbers."""
        return float(np.abs(scores.astype(np.float64) - others).mean())

    def mixable(self, targets: torch.Tensor) -> torch.Tensor:
        """The targets."""
        return targets

    def groups(self, labels: Targets) -> npt.NDArray[np.int64]:
        """The tenth of the images, by the first column, in which each one is."""
        order = np.argsort(np.argsort(labels[:, 0], kind="stable"), kind="stable")
        found: npt.NDArray[np.int64] = order * min(QUANTILES, len(labels)) // max(len(labels), 1)
        return found

    def balanced(self, labels: Targets) -> Regression:
        """Numbers have no classes. Raises NasError."""
        raise NasError("--class-weights balanced weighs classes, and numbers have none; leave it out")

    def counts(self, labels: Targets) -> dict[str, int]:
        """Nothing is counted."""
        return {}

    def describe(self) -> dict[str, Any]:
        """See `LearningTask`."""
        return {**super().describe(), "target_mean": list(self.mean), "target_std": list(self.std)}


def _figures(std: npt.NDArray[np.float64], scores: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    errors = (scores - targets).double().numpy()
    wide = targets.double().numpy()
    spread = ((wide - wide.mean(axis=0)) ** 2).sum(axis=0)
    # A column without spread has no share of it that could be explained: such as scikit-learn, right is 1 and wrong is 0.
    exact = (errors**2).sum(axis=0) == 0
    r2 = np.where(spread > 0, 1 - (errors**2).sum(axis=0) / np.where(spread > 0, spread, 1.0), exact.astype(float))
    scaled = errors * (std if len(std) else 1.0)
    return {
        "r2": float(r2.mean()),
        "rmse": float(np.sqrt((scaled**2).mean())),
        "loss": float((errors**2).mean()),
    }
