"""One training step in double precision, for comparison with plain autograd."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from tiny_training import RandomBatches, stepper
from torch import nn

from nas.data import Batch
from nas.supernet import Space, Supernet
from nas.training import Pass, Recipe, Stepper, Trainer


class DoubleBatches(RandomBatches):
    """The same images in double precision."""

    def batch(self, step: int) -> Batch:
        batch = super().batch(step)
        return Batch(batch.images.double(), batch.targets)


@dataclass
class ExactStep:
    """A step that was done, and a supernet with the weights before it.

    Attributes:
        asked: the passes, in order.
        gradients: by name, those of weights that have one after the step.
        before, after: the weights by name.
        reference: in training mode but without dropout, on the ordinary path of autograd.
    """

    stepper: Stepper
    asked: list[Pass]
    total: float
    gradients: dict[str, torch.Tensor]
    before: dict[str, torch.Tensor]
    after: dict[str, torch.Tensor]
    reference: Supernet
    batch: Batch

    def compare(self) -> None:
        """The reference's gradients are the step's, and are missing for the same weights."""
        for name, weight in self.reference.named_parameters():
            if weight.requires_grad:
                assert (weight.grad is None) == (name not in self.gradients), name
            if weight.grad is not None:
                torch.testing.assert_close(self.gradients[name], weight.grad, rtol=1e-9, atol=1e-12, msg=name)


def exact_step(space: Space, trainer: Trainer, figures: Recipe, seed: int = 3, step: int = 0) -> ExactStep:
    """Do one step of a training of 12."""
    supernet, reference = (space.supernet(1, 16, 4, seed).double().train() for _ in range(2))
    made = stepper(supernet, trainer, figures, seed=seed)
    made.batches = DoubleBatches()  # type: ignore[assignment]
    asked: list[Pass] = []
    learn = made.learn

    def noting(one: Pass) -> Any:
        asked.append(one)
        return learn(one)

    made.learn = noting  # type: ignore[method-assign]
    before = {name: value.detach().clone() for name, value in supernet.named_parameters()}
    reference.load_state_dict(supernet.state_dict())
    for module in reference.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    with made:
        total = made.run(step)
        gradients = {name: value.grad.clone() for name, value in supernet.named_parameters() if value.grad is not None}
    after = {name: value.detach().clone() for name, value in supernet.named_parameters()}
    return ExactStep(made, asked, total, gradients, before, after, reference, DoubleBatches().batch(step))
