"""Training of one network by itself that a larger one teaches (Hinton et al., Distilling the knowledge in a neural network,
2015)."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import torch
from torch import nn

from nas.training.nested.divergence import soft_cross_entropy
from nas.training.trainer import Pass, StepContext
from nas.training.trainers.alone import Alone

WEIGHT = 0.5
"""Share of the teacher in the loss: that of the paper's speech recognition."""

TEMPERATURE = 2.0
"""The best of those that the paper tried there."""


class Distilled(Alone):
    """The loss is (1 - weight) times the recipe's cross-entropy plus weight times temperature^2 times the cross-entropy between
    the softmax of the teacher's scores and that of the network's, both divided by the temperature.

    The square keeps the two parts' gradients in proportion whatever the temperature is. The teacher sees the images that the
    network sees, augmented as they are.

    Args:
        teacher: in evaluation mode, on the device of the training; it is not trained.
        weight: 0 (labels alone) to 1 (the teacher alone).
        temperature: above 0.
    """

    summary = "one network by itself, taught by a larger one"
    source = "Hinton et al., Distilling the knowledge in a neural network, 2015"

    def __init__(self, teacher: nn.Module, weight: float = WEIGHT, temperature: float = TEMPERATURE) -> None:
        self.teacher, self.weight, self.temperature = teacher, weight, temperature

    def passes(self, context: StepContext) -> Generator[Pass, torch.Tensor, None]:
        """One pass; the network is not chosen by decisions, and the row is empty."""
        with torch.no_grad(), context.engine.autocast():
            soft = self.teacher(context.engine.batch().images) / self.temperature

        def loss(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            taught = self.temperature**2 * soft_cross_entropy(scores / self.temperature, soft)
            return (1.0 - self.weight) * context.loss(scores, targets) + self.weight * taught

        yield Pass(np.empty(0, dtype=np.uint8), loss)
