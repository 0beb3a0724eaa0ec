"""One class for each image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from nas.data.tasks.learning_task import LOSS, LearningTask, Metric, Targets

FIVE = 5


@dataclass(frozen=True)
class Classification(LearningTask):
    """Softmax and cross-entropy.

    Attributes:
        weights: of the classes in the training loss; None for all the same.
    """

    weights: tuple[float, ...] | None = None

    kind: ClassVar[str] = "classification"
    noun: ClassVar[str] = "class"
    nouns: ClassVar[str] = "classes"
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("top1", "maximize", "top-1", "{:.2f} %", percent=True), LOSS)
    agreement: ClassVar[Metric] = Metric("same_class", "maximize", "same class", "{:.2f} %", percent=True)
    meaning: ClassVar[str] = "the class with the highest score; a softmax of the scores gives probabilities"

    def loss(self, scores: torch.Tensor, targets: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        """Cross-entropy, the mean over the images; see `LearningTask`.

        With weights it is the sum of each image's weight times its loss, divided by the number of images, not by the sum of
        their weights: so parts of a batch in several processes add up to the whole.
        """
        if self.weights is None:
            return F.cross_entropy(scores, targets, label_smoothing=smoothing)
        weights = scores.new_tensor(self.weights)
        return F.cross_entropy(scores, targets, weights, reduction="none", label_smoothing=smoothing).mean()

    def meter(self) -> ClassificationMeter:
        """See `LearningTask`."""
        return ClassificationMeter()

    def by_name(self, scores: Targets, targets: Targets) -> dict[str, dict[str, float]]:
        """Of each class that has images: how many, and 'top1' among them."""
        right = targets[scores.argmax(axis=1) == targets]
        counts, hits = (np.bincount(found, minlength=len(self.names)) for found in (targets, right))
        return {
            name: {"images": int(count), "top1": 100.0 * float(hit / count)}
            for name, count, hit in zip(self.names, counts, hits, strict=True)
            if count
        }

    def agreed(self, scores: Targets, others: Targets) -> float:
        """Of how many images both say the same class, in percent."""
        return 100.0 * float((scores.argmax(axis=1) == others.argmax(axis=1)).mean())

    def further(self, scores: Targets, targets: Targets) -> dict[str, float | None]:
        """'top5': of how many images the class is among the five highest, in percent; None with no more than five classes."""
        own = np.take_along_axis(scores, targets[:, None], axis=1)
        found = 100.0 * float(((scores > own).sum(axis=1) < FIVE).mean())
        return {"top5": found if len(self.names) > FIVE else None}

    def mixable(self, targets: torch.Tensor) -> torch.Tensor:
        """One-hot."""
        return F.one_hot(targets, len(self.names)).float()

    def groups(self, labels: Targets) -> npt.NDArray[np.int64]:
        """The classes."""
        return labels

    def balanced(self, labels: Targets) -> Classification:
        """Each class weighs N / (classes x images of the class): the 'balanced' heuristic of scikit-learn, after King and
        Zeng, Logistic regression in rare events data, 2001."""
        counts = np.bincount(labels, minlength=len(self.names))
        return replace(self, weights=tuple((len(labels) / (len(counts) * counts)).tolist()))

    def counts(self, labels: Targets) -> dict[str, int]:
        """Images of each class."""
        return dict(zip(self.names, np.bincount(labels, minlength=len(self.names)).tolist(), strict=True))


class ClassificationMeter:
    """'top1' in percent and mean cross-entropy 'loss'."""

    def __init__(self) -> None:
        self._right, self._loss, self._count = 0, 0.0, 0

    def add(self, scores: torch.Tensor, targets: torch.Tensor) -> None:
        """See `Meter`."""
        self._right += int((scores.argmax(dim=1) == targets).sum())
        self._loss += float(F.cross_entropy(scores, targets, reduction="sum"))
        self._count += len(targets)

    def result(self) -> dict[str, float]:
        """See `Meter`."""
        return {"top1": 100.0 * self._right / self._count, "loss": self._loss / self._count}


CLASSIFICATION = Classification()
"""Where nothing is known of the classes."""
