"""Strictly fair single-path training (Chu et al., FairNAS: Rethinking Evaluation Fairness of Weight Sharing NAS, 2019)."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import ClassVar

import numpy as np
import torch

from nas.base.seeds import generator
from nas.training.recipe import Recipe
from nas.training.trainer import Pass, StepContext, Trainer


class Fair(Trainer):
    """Every step trains several sub-networks on one batch, so that each option of each decision is used once in it.

    For each decision the options come in random order, one for each sub-network; the gradients of all are summed before the
    one update. There are as many sub-networks as the decision with the most options has. A decision with fewer goes
    through its options again, each time in a new random order, and goes on in the next step where it stopped: after any number
    of steps no option was used more than once more often than another of the same decision.

    Fairness is over what is drawn: where a decision does not matter, because another one left its layer out, its option has
    nothing to train.
    """

    defaults = Recipe(
        optimiser="sgd",
        learning_rate=0.045,
        reference_batch=1024,
        momentum=0.9,
        weight_decay=4e-5,
        schedule="cosine",
        label_smoothing=0.0,
        epochs=150,
    )
    summary = "as many sub-networks a step as there are options, each option used exactly once"
    source = "Chu et al., FairNAS: Rethinking Evaluation Fairness of Weight Sharing Neural Architecture Search, 2019"
    origins: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("learning_rate", "reference_batch", "schedule", "weight_decay", "label_smoothing", "epochs"),
        "recalled from the paper, not checked against it",
    )

    def passes(self, context: StepContext) -> Generator[Pass, torch.Tensor, None]:
        """One pass for each option of the largest decision."""
        cardinalities = context.decisions.cardinalities.tolist()
        count = max(cardinalities)
        rows = np.empty((count, len(cardinalities)), dtype=np.uint8)
        for column, options in enumerate(cardinalities):
            rows[:, column] = _stretch(context.engine.seed, column, options, context.step * count, count)
        # Rows stay as drawn: the usual representative of equal architectures would exchange options between decisions.
        for row in rows:
            yield Pass(row, context.loss)


def _stretch(seed: int, column: int, options: int, start: int, count: int) -> np.ndarray:
    """Options number `start` to `start + count` of a decision's endless row of random orders."""
    first, last = start // options, (start + count - 1) // options
    orders = [generator(seed, "fair", column, block).permutation(options) for block in range(first, last + 1)]
    begin = start - first * options
    stretch: np.ndarray = np.concatenate(orders)[begin : begin + count]
    return stretch
