"""Training of one network by itself."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import torch

from nas.training.recipe import Recipe
from nas.training.trainer import Pass, StepContext, Trainer


class Alone(Trainer):
    """One pass a step with the recipe's cross-entropy: what every trainer comes to where nothing is shared.

    For spaces without a supernet, whose candidates are trained one by one.
    """

    defaults = Recipe()
    summary = "one network by itself"
    source = ""

    def passes(self, context: StepContext) -> Generator[Pass, torch.Tensor, None]:
        """One pass; the network is not chosen by decisions, and the row is empty."""
        yield Pass(np.empty(0, dtype=np.uint8), context.loss)
