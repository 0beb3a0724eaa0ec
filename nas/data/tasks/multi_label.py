"""Any number of labels for each image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from nas.base.errors import NasError
from nas.data.tasks.gathered import Gathered
from nas.data.tasks.learning_task import LOSS, LearningTask, Metric, Targets, widened


@dataclass(frozen=True)
class MultiLabel(LearningTask):
    """A sigmoid and binary cross-entropy for each label; targets are 0 or 1, or between where images were mixed.

    Attributes:
        weights: of each label where it is present and where it is absent, in the training loss; None for all the same.
    """

    weights: tuple[tuple[float, float], ...] | None = None

    kind: ClassVar[str] = "multi-label"
    noun: ClassVar[str] = "label"
    nouns: ClassVar[str] = "labels"
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("map", "maximize", "mAP", "{:.2f} %", percent=True), LOSS)
    agreement: ClassVar[Metric] = Metric("same_labels", "maximize", "same labels", "{:.2f} %", percent=True)
    meaning: ClassVar[str] = "labels with a score above 0; a sigmoid of each score gives its probability"

    def loss(self, scores: torch.Tensor, targets: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        """Binary cross-entropy, the mean over images and labels; labels are not smoothed."""
        scores, targets = widened(scores, targets)
        if self.weights is None:
            return F.binary_cross_entropy_with_logits(scores, targets)
        present, absent = scores.new_tensor(self.weights).unbind(1)
        return -(present * targets * F.logsigmoid(scores) + absent * (1 - targets) * F.logsigmoid(-scores)).mean()

    def meter(self) -> Gathered:
        """See `LearningTask`."""
        return Gathered(_figures)

    def by_name(self, scores: Targets, targets: Targets) -> dict[str, dict[str, float]]:
        """Of each label that images have: how many, and its average precision 'ap' in percent."""
        return {
            name: {"images": int(column.sum()), "ap": 100.0 * average_precision(found, column)}
            for name, found, column in zip(self.names, scores.T, targets.T, strict=True)
            if column.any()
        }

    def agreed(self, scores: Targets, others: Targets) -> float:
        """Of how many labels of images both say the same, at a probability of one half, in percent."""
        return 100.0 * float(((scores > 0) == (others > 0)).mean())

    def mixable(self, targets: torch.Tensor) -> torch.Tensor:
        """The targets, which are shares already."""
        return targets

    def groups(self, labels: Targets) -> npt.NDArray[np.int64]:
        """The rarest label of each image; images without any are a group of their own."""
        rarity = np.argsort(np.argsort(labels.sum(axis=0), kind="stable"), kind="stable")
        ranks = np.where(labels > 0, rarity, labels.shape[1])
        found: npt.NDArray[np.int64] = ranks.min(axis=1).astype(np.int64)
        return found

    def balanced(self, labels: Targets) -> MultiLabel:
        """Each label weighs N / (2 x images with it) where it is present, and N / (2 x images without it) where it is absent:
        the 'balanced' heuristic of scikit-learn for each label by itself."""
        present = labels.sum(axis=0)
        constant = [name for name, count in zip(self.names, present, strict=True) if count in (0, len(labels))]
        if constant:
            raise NasError(
                f"--class-weights balanced cannot weigh the label '{constant[0]}': all training images have it, or none has; "
                "leave the label out"
            )
        pairs = zip(len(labels) / (2 * present), len(labels) / (2 * (len(labels) - present)), strict=True)
        return replace(self, weights=tuple((float(one), float(other)) for one, other in pairs))

    def counts(self, labels: Targets) -> dict[str, int]:
        """Images with each label."""
        return dict(zip(self.names, labels.sum(axis=0).astype(int).tolist(), strict=True))


def mean_average_precision(scores: npt.NDArray[np.float64], targets: npt.NDArray[np.float64]) -> float:
    """Mean over labels of the average precision, in percent.

    The average precision of a label is the sum over thresholds of the precision there times the recall gained there, without
    interpolation; images of the same score share a threshold. Labels that no image has do not count; with none at all it is 0.

    Args:
        scores, targets: (N, labels); targets 0 or 1.
    """
    found = [
        average_precision(scores[:, label], targets[:, label]) for label in range(scores.shape[1]) if targets[:, label].any()
    ]
    return 100.0 * float(np.mean(found)) if found else 0.0


def average_precision(scores: npt.NDArray[np.float64], targets: npt.NDArray[np.float64]) -> float:
    """Of one label, 0 to 1; scores and targets (N,) with at least one target above 0."""
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(targets[order])
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # the last image of each threshold
    precision, recall = right[last] / (last + 1), right[last] / right[-1]
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def _figures(scores: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    loss = float(F.binary_cross_entropy_with_logits(scores, targets))
    return {"map": mean_average_precision(scores.double().numpy(), targets.double().numpy()), "loss": loss}
