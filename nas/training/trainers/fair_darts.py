"""Operators that do not exclude one another (Chu et al., Fair DARTS: Eliminating unfair advantages in differentiable
architecture search, 2020)."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from nas.training.differentiable.parameters import Vectors
from nas.training.recipe import Recipe, own
from nas.training.trainer import Engine, StepContext
from nas.training.trainers.darts import Darts, DartsRecipe


class FairDartsRecipe(DartsRecipe):
    """Figures of the sigmoids."""

    zero_one_weight: float = Field(10.0, ge=0, allow_inf_nan=False, description="w of the zero-one loss")
    zero_one: Literal["square", "absolute"] = Field("square", description="distance of a weight from a half in that loss")
    threshold: float = Field(0.85, gt=0, lt=1, description="weight above which an operator is kept")


class FairDarts(Darts):
    """Each edge is the sum of its operators, each weighed by a sigmoid of its own; `none` is left out.

    Without a softmax an advantage of skip connections is nobody's disadvantage. The zero-one loss, -w times the mean of
    (sigmoid - 0.5)^2, drives the weights of the architecture loss towards 0 and 1. The paper keeps operators above a
    threshold, at most two edges a node. Where a space has `none`, it stands for the edges whose operators all stay below;
    where a node must have its two edges (cells:darts), the best are taken, and a line says how many stay below.
    """

    defaults: ClassVar[Recipe] = FairDartsRecipe(
        optimiser="sgd",
        learning_rate=0.005,
        last_rate=0.001,
        reference_batch=128,
        batch_size=128,
        momentum=0.9,
        weight_decay=3e-4,
        decay_of="all",
        schedule="cosine",
        label_smoothing=0.0,
        clip_norm=5.0,
        norm_affine=False,
        architecture_share=0.5,
        epochs=50,
        order="first",
        architecture_rate=3e-3,
        alpha_std=0.0,
    )
    summary = "darts with a sigmoid for each operator, and a loss that drives them to 0 or 1"
    source = "Chu et al., Fair DARTS: Eliminating Unfair Advantages in Differentiable Architecture Search, 2020"
    origins: ClassVar = {
        **Darts.origins,
        **dict.fromkeys(("last_rate", "weight_decay", "clip_norm", "architecture_decay", "epochs"), "as in DARTS"),
    }

    def prepare(self, engine: Engine) -> None:
        """As for darts."""
        self._threshold = own(engine.recipe, FairDartsRecipe).threshold
        super().prepare(engine)

    def weights(self) -> list[torch.Tensor]:
        """Sigmoids, (O,) for each edge; that of `none` is 0."""
        assert isinstance(self.state, Vectors)
        found = []
        for edge, alpha in zip(self.relaxation.edges, self.state.values(), strict=True):
            kept = torch.ones_like(alpha)
            if edge.none is not None:
                kept[edge.none] = 0.0
            found.append(alpha.sigmoid() * kept)
        return found

    def held_loss(self, context: StepContext, engine: Engine) -> torch.Tensor:
        """Cross-entropy and zero-one loss."""
        recipe = own(context.recipe, FairDartsRecipe)
        weights = []
        for edge, weight in zip(self.relaxation.edges, self.weights(), strict=True):
            weights += [factor for number, factor in enumerate(weight) if number != edge.none]
        loss = zero_one_loss(torch.stack(weights), recipe.zero_one)
        return super().held_loss(context, engine) + recipe.zero_one_weight * loss

    def probabilities(self) -> list[torch.Tensor]:
        """The sigmoids as shares of their sum."""
        return [weight / weight.sum() for weight in self.weights()]

    def scores(self) -> list[np.ndarray]:
        """Sigmoids; that of `none` is the threshold, so that it is the best where no other passes it."""
        found = super().scores()
        for edge, score in zip(self.relaxation.edges, found, strict=True):
            if edge.none is not None:
                score[edge.none] = self._threshold
        return found

    def after(self, context: StepContext, engine: Engine) -> None:
        """As for darts; at the end says how many operators the threshold leaves out, or would if it could."""
        super().after(context, engine)
        if context.step + 1 < context.steps:
            return
        scores = self.scores()
        kept = self.relaxation.kept(scores)
        below = sum(scores[edge][operator] < self._threshold for edge, operator in kept)
        if below:
            engine.say(
                f"{below} of the {len(kept)} derived operators weigh less than the threshold of {self._threshold:g}, and are "
                "kept because this space needs them"
            )
        empty = sum(operator == self.relaxation.edges[edge].none for edge, operator in kept)
        if empty:
            engine.say(
                f"on {empty} of {len(kept)} edges no operator weighs more than the threshold of {self._threshold:g}, and "
                "`none` is derived; a longer training or a lower --set threshold keeps more"
            )


def zero_one_loss(weights: torch.Tensor, kind: Literal["square", "absolute"] = "square") -> torch.Tensor:
    """Minus the mean distance of weights (W,) from a half, squared or absolute: least where all are 0 or 1."""
    distance = weights - 0.5
    return -(distance.square() if kind == "square" else distance.abs()).mean()
