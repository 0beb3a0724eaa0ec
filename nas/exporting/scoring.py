"""How good whatever maps images to scores is: a network, or a file in its runtime."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from nas.base.errors import NasError
from nas.data import Batch, LearningTask
from nas.exporting.comparison import Run, Scores


@dataclass(frozen=True)
class Scoring:
    """What came of scoring some images.

    Attributes:
        figures: of the task, by name, the headline first; of classes 'top1', 'top5' (None with no more than five classes) and
            'loss'.
        per_class: figures of each class, label or column by itself; see `LearningTask.by_name`.
        seconds: spent in the runtime alone.
        scores: float32 (N, outputs).
    """

    task: LearningTask
    images: int
    figures: Mapping[str, float | None]
    per_class: Mapping[str, Mapping[str, float]]
    seconds: float
    scores: Scores

    @property
    def images_per_second(self) -> float:
        """How many images the runtime took a second."""
        return self.images / max(self.seconds, 1e-9)

    def brief(self) -> dict[str, Any]:
        """Images and the figures of all of them."""
        return {"images": self.images, **self.figures}

    def agreement(self, other: Scoring) -> float:
        """How far both come to the same answers for the same images; see `LearningTask.agreement`."""
        return self.task.agreed(self.scores, other.scores)


def scored(run: Run, batches: Iterable[Batch], task: LearningTask) -> Scoring:
    """Score images whose targets are those of a task.

    Raises:
        NasError: there is no image, the runtime returns another number of scores, or scores that are no finite numbers.
    """
    scores: list[Scores] = []
    targets: list[np.ndarray] = []
    meter, seconds, outputs = task.meter(), 0.0, len(task.names)
    for batch in batches:
        images = batch.images.contiguous().numpy()
        start = time.perf_counter()
        found = run(images)
        seconds += time.perf_counter() - start
        if found.shape != (len(images), outputs):
            raise NasError(f"the network gives {found.shape} scores for {len(images)} images, of a task with {outputs} outputs")
        if not np.isfinite(found).all():
            raise NasError("the network gives scores that are no finite numbers; numbers of its format may be too small for it")
        found = np.array(found, dtype=np.float32)
        meter.add(torch.from_numpy(found), batch.targets)
        scores.append(found)
        targets.append(batch.targets.numpy())
    if not scores:
        raise NasError("there are no images to score")
    whole, known = np.concatenate(scores), np.concatenate(targets)
    figures: dict[str, float | None] = {**meter.result(), **task.further(whole, known)}
    figures["loss"] = figures.pop("loss")  # last, after what is read first
    return Scoring(task, len(whole), figures, task.by_name(whole, known), seconds, whole)


def in_torch(network: nn.Module) -> Run:
    """A network, in evaluation mode on the CPU, as what maps arrays to arrays."""

    def run(images: np.ndarray) -> Scores:
        with torch.inference_mode():
            found: Scores = network(torch.from_numpy(images)).numpy()
        return found

    return run
