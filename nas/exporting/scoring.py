"""Accuracy of whatever maps images to scores: a network, or a file in its runtime."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from nas.base.errors import NasError
from nas.data import Batch
from nas.exporting.comparison import Run, Scores

FIVE = 5


@dataclass(frozen=True)
class Scoring:
    """What came of scoring some images.

    Attributes:
        top1, top5: share of the images whose class has the highest score or is among the five highest, in percent; top5 is None
            where there are no more than five classes.
        loss: mean cross-entropy.
        per_class: of each class of which there were images: how many, and top1 among them.
        seconds: spent in the runtime alone.
        predicted: (N,) the class with the highest score, for each image.
    """

    images: int
    top1: float
    top5: float | None
    loss: float
    per_class: Mapping[str, Mapping[str, float]]
    seconds: float
    predicted: np.ndarray

    @property
    def images_per_second(self) -> float:
        """How many images the runtime took a second."""
        return self.images / max(self.seconds, 1e-9)

    def brief(self) -> dict[str, Any]:
        """Images, accuracies and loss."""
        return {"images": self.images, "top1": self.top1, "top5": self.top5, "loss": self.loss}

    def agreement(self, other: Scoring) -> float:
        """Of how many of the same images both say the same class, in percent."""
        return 100.0 * float((self.predicted == other.predicted).mean())


def scored(run: Run, batches: Iterable[Batch], classes: Sequence[str]) -> Scoring:
    """Score images whose targets are positions in `classes`.

    Raises:
        NasError: there is no image, the runtime returns another number of scores, or scores that are no finite numbers.
    """
    scores: list[Scores] = []
    targets: list[np.ndarray] = []
    seconds = 0.0
    for batch in batches:
        images = batch.images.contiguous().numpy()
        start = time.perf_counter()
        found = run(images)
        seconds += time.perf_counter() - start
        if found.shape != (len(images), len(classes)):
            raise NasError(f"the network gives {found.shape} scores for {len(images)} images of {len(classes)} classes")
        scores.append(found)
        targets.append(batch.labels.numpy())
    if not scores:
        raise NasError("there are no images to score")
    return _figures(np.concatenate(scores).astype(np.float64), np.concatenate(targets), classes, seconds)


def in_torch(network: nn.Module) -> Run:
    """A network, in evaluation mode on the CPU, as what maps arrays to arrays."""

    def run(images: np.ndarray) -> Scores:
        with torch.inference_mode():
            found: Scores = network(torch.from_numpy(images)).numpy()
        return found

    return run


def _figures(scores: np.ndarray, targets: np.ndarray, classes: Sequence[str], seconds: float) -> Scoring:
    if not np.isfinite(scores).all():
        raise NasError("the network gives scores that are no finite numbers; numbers of its format may be too small for it")
    own = np.take_along_axis(scores, targets[:, None], axis=1)
    predicted = scores.argmax(axis=1)
    right = predicted == targets
    high = scores.max(axis=1, keepdims=True)
    loss = np.log(np.exp(scores - high).sum(axis=1)) - (own - high)[:, 0]
    counts = np.bincount(targets, minlength=len(classes))
    hits = np.bincount(targets[right], minlength=len(classes))
    return Scoring(
        images=len(targets),
        top1=100.0 * float(right.mean()),
        top5=100.0 * float(((scores > own).sum(axis=1) < FIVE).mean()) if len(classes) > FIVE else None,
        loss=float(loss.mean()),
        per_class={
            name: {"images": int(count), "top1": 100.0 * float(hit / count)}
            for name, count, hit in zip(classes, counts, hits, strict=True)
            if count
        },
        seconds=seconds,
        predicted=predicted,
    )
