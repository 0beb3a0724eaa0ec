"""Uniform single-path training (Guo et al., Single Path One-Shot, 2020)."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import ClassVar

import torch

from nas.training.recipe import Recipe
from nas.training.trainer import Pass, StepContext, Trainer


class Uniform(Trainer):
    """One sub-network a step, each decision drawn uniformly.

    The defaults are the paper's: SGD with momentum 0.9, rate 0.5 for a batch of 1024 falling linearly to 0, weight decay
    4e-5 on tensors of more than one dimension, label smoothing 0.1, batch norms without scale and shift in the supernet.
    """

    defaults = Recipe(
        optimiser="sgd",
        learning_rate=0.5,
        reference_batch=1024,
        momentum=0.9,
        weight_decay=4e-5,
        schedule="linear",
        label_smoothing=0.1,
        norm_affine=False,
        epochs=120,
    )
    summary = "one random sub-network a step"
    source = "Guo et al., Single Path One-Shot Neural Architecture Search with Uniform Sampling, 2020"

    origins: ClassVar[Mapping[str, str]] = {"dropout": "the space's own; the paper's network has 0.1 before its classifier"}

    def passes(self, context: StepContext) -> Generator[Pass, torch.Tensor, None]:
        """One pass of one random path."""
        row = context.decisions.sample(context.rng, 1)[0]
        yield Pass(row, context.loss)
