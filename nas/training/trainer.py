"""What a trainer is: a rule that says, for each step, which sub-networks learn what."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F

from nas.architectures import Decisions
from nas.base import plugins
from nas.base.errors import NasError
from nas.training.recipe import Recipe

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Scores (N, classes) and targets ((N,) labels or (N, classes) shares) -> scalar."""


@dataclass(frozen=True)
class Pass:
    """One forward and backward pass of a step.

    Attributes:
        row: the sub-network, (D,) option indices.
        loss: what it minimises on this batch.
        weight: factor of its gradient in the step's sum.
    """

    row: np.ndarray
    loss: Loss
    weight: float = 1.0


@dataclass(frozen=True)
class StepContext:
    """What a rule may use: where training stands, the space, and random numbers of this step alone."""

    step: int
    steps: int
    decisions: Decisions
    rng: np.random.Generator
    recipe: Recipe

    def cross_entropy(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Cross-entropy with the recipe's label smoothing."""
        return F.cross_entropy(scores, targets, label_smoothing=self.recipe.label_smoothing)


class Trainer(ABC):
    """A step rule. One loop runs every rule; a rule knows decisions, never a particular space.

    Attributes:
        defaults: the paper's recipe.
        summary: one line for `nas trainers`.
        source: the paper.
    """

    defaults: ClassVar[Recipe]
    summary: ClassVar[str]
    source: ClassVar[str]

    @abstractmethod
    def passes(self, context: StepContext) -> Generator[Pass, torch.Tensor, None]:
        """The passes of one step, in order.

        Each `yield` returns that pass's scores, detached, so that a later pass can learn from an earlier one:

            teacher = yield Pass(largest, context.cross_entropy)
            yield Pass(smallest, lambda scores, targets: distance(scores, teacher))

        The gradients of all passes are summed, each times its weight, before the optimiser's one step.
        """


def open_trainer(name: str) -> Trainer:
    """The installed trainer of that name. Raises NasError that lists what is installed."""
    found: Any = plugins.load("trainers", name, "trainer")
    if not (isinstance(found, type) and issubclass(found, Trainer)):
        raise NasError(f"the entry point of trainer '{name}' must be a subclass of nas.training.Trainer; it is {found!r}")
    return found()
