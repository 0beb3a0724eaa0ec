"""Nested sub-networks trained together without a teacher (Valipour et al., SortedNet, 2023)."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import ClassVar

import torch
from pydantic import Field

from nas.base.errors import NasError
from nas.supernet import Space
from nas.supernet.nesting import not_nested
from nas.training.recipe import Recipe, own
from nas.training.trainer import Engine, Pass, StepContext, Trainer


class SortedRecipe(Recipe):
    """Figures of SortedNet."""

    accumulated: int = Field(
        2, ge=1, description="sub-networks whose gradients make one update, each on its own equal share of the batch"
    )


class SortedNet(Trainer):
    """Random sub-networks, each the first part of every dimension, learn from the labels; gradients add up to one update.

    A step's batch is divided among the sub-networks, as in training with that many smaller batches for each update, and
    the mean over all its images is what is minimised. There is no distillation and nothing is sorted by importance:
    what is in the most sub-networks learns the most.
    """

    defaults = SortedRecipe(
        optimiser="sgd",
        learning_rate=0.1,
        reference_batch=128,
        momentum=0.9,
        weight_decay=5e-4,
        decay_of="all",
        schedule="cosine",
        label_smoothing=0.0,
        epochs=200,
    )
    summary = "random nested sub-networks, gradients of several for one update, no teacher"
    source = "Valipour et al., SortedNet: A Scalable and Generalized Framework for Training Modular Deep Neural Networks, 2023"
    origins: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (
            *("accumulated", "optimiser", "learning_rate", "reference_batch", "momentum"),
            *("weight_decay", "decay_of", "schedule", "label_smoothing", "epochs"),
        ),
        "ours: what is usual for networks of this size",
    )

    @classmethod
    def misfit(cls, space: Space, recipe: Recipe) -> str | None:
        """A space whose networks are not the largest one cut smaller."""
        return not_nested(space)

    def prepare(self, engine: Engine) -> None:
        """See that every sub-network gets images for its batch norms."""
        recipe = own(engine.recipe, SortedRecipe)
        images = recipe.batch_size // engine.ranks.size
        if images < 2 * recipe.accumulated:
            raise NasError(
                f"{images} images a step in each process cannot be shared by {recipe.accumulated} sub-networks, which need at "
                f"least 2 each; set batch_size to {2 * recipe.accumulated * engine.ranks.size} or more, or accumulated to less"
            )

    def passes(self, context: StepContext) -> Generator[Pass, torch.Tensor, None]:
        """One pass for each sub-network."""
        count = own(context.recipe, SortedRecipe).accumulated
        images = len(context.engine.batch().targets)
        for index, row in enumerate(context.decisions.sample(context.rng, count)):
            begin, end = images * index // count, images * (index + 1) // count
            yield Pass(row, context.loss, (end - begin) / images, images=slice(begin, end))
