"""A frozen copy of a supernet at one moment of its training, whose largest network teaches the others."""

from __future__ import annotations

import contextlib

import numpy as np
import torch
from torch import nn

from nas.supernet import Supernet
from nas.training.parallel.joint_norms import joined
from nas.training.parallel.ranks import Ranks
from nas.training.recipe import Recipe
from nas.training.regularisers import Regularisers


class Teacher(nn.Module):
    """The supernet's weights as they are now, in a network of its own.

    Batch norms use the statistics of the batch, as in training (of all processes' images where the recipe's `sync_norms` asks
    for that); dropout and drop path are off.
    """

    def __init__(self, supernet: Supernet, recipe: Recipe, ranks: Ranks | None = None) -> None:
        super().__init__()
        self._joint = ranks if ranks is not None and ranks.size > 1 and recipe.sync_norms else None
        self.supernet = supernet.frozen_copy()
        self._regularisers = Regularisers(self.supernet, recipe)

    @torch.no_grad()
    def scores(self, row: np.ndarray, images: torch.Tensor) -> torch.Tensor:
        """(N, classes) of images (N, C, H, W) by one sub-network."""
        self.supernet.train()
        self.supernet.activate(row)
        joint = contextlib.nullcontext() if self._joint is None else joined(self.supernet, self._joint)
        with joint, self._regularisers.switched(False):
            return self.supernet(images)  # type: ignore[no-any-return]
