"""The score of a sub-network with the supernet's weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import fx

from nas.data import CLASSIFICATION, Batch, LearningTask
from nas.searching.fidelity import part
from nas.supernet import Statistics, Supernet


class Scorer(Protocol):
    """What a search evaluates architectures with.

    Attributes:
        calibration: batches of training images that batch norm is re-estimated on.
        validation: batches of validation images.
    """

    calibration: list[torch.Tensor]
    validation: list[Batch]

    def __call__(self, row: np.ndarray, fidelity: float = 1.0) -> dict[str, float]:
        """The figures of the task for the architecture of a row, for a share of a full evaluation: of classes 'top1' in percent
        and 'loss'."""

    def network(self, row: np.ndarray) -> fx.GraphModule:
        """The network that was scored, in plain torch, in evaluation mode on the processor."""


class Evaluator:
    """How well a sub-network does on validation images after batch norm was re-estimated for this very sub-network.

    The statistics are estimated on a fixed slice of the training images and kept on buffers of their own, so that the
    order in which candidates are scored changes nothing. Test images are never seen here.

    Args:
        calibration: batches of training images, normalised.
        validation: batches of validation images.
        task: what was learned.
    """

    def __init__(
        self,
        supernet: Supernet,
        calibration: Iterable[Batch],
        validation: Iterable[Batch],
        task: LearningTask = CLASSIFICATION,
    ) -> None:
        self.task = task
        self.supernet = supernet.eval()
        self.device = next(supernet.parameters()).device
        self.calibration = [batch.images.to(self.device) for batch in calibration]
        self.validation = list(validation)

    def statistics(self, row: np.ndarray, fidelity: float = 1.0) -> Statistics:
        """Batch-norm statistics of the sub-network of a row, from a share of the calibration batches."""
        self.supernet.activate(row)
        return self.supernet.calibrate(self.calibration[: part(len(self.calibration), fidelity)])

    def network(self, row: np.ndarray) -> fx.GraphModule:
        """The sub-network of a row in plain torch, with its statistics."""
        return self.supernet.extract(row, self.statistics(row)).eval().cpu()

    def __call__(self, row: np.ndarray, fidelity: float = 1.0) -> dict[str, float]:
        """The figures of the task on the validation images, or on the first ones.

        Args:
            fidelity: the share of the validation images and of the calibration batches.
        """
        statistics = self.statistics(row, fidelity)
        with self.supernet.using(statistics):
            return score(self.supernet, first_images(self.validation, fidelity), self.task)


def first_images(batches: Sequence[Batch], fidelity: float) -> list[Batch]:
    """A share of the images of some batches, from the first on; at least one."""
    left = part(sum(len(batch.targets) for batch in batches), fidelity)
    found = []
    for batch in batches:
        if left > 0:
            found.append(Batch(batch.images[:left], batch.targets[:left]))
            left -= len(batch.targets)
    return found


@torch.no_grad()
def score(network: torch.nn.Module, batches: Iterable[Batch], task: LearningTask = CLASSIFICATION) -> dict[str, float]:
    """The figures of a task for a network in evaluation mode; of classes 'top1' in percent and mean cross-entropy 'loss'."""
    device = next(network.parameters()).device
    meter = task.meter()
    for batch in batches:
        meter.add(network(batch.images.to(device)).float(), batch.targets.to(device))
    return meter.result()
