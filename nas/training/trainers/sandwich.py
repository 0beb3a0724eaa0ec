"""The sandwich rule with in-place distillation (Yu et al., BigNAS, 2020)."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import partial
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from nas.base.seeds import generator
from nas.elastic.residual import zero_last_norms
from nas.supernet import Space
from nas.supernet.nesting import not_bounded
from nas.training.nested.divergence import DISTANCES, adaptive_alpha_divergence
from nas.training.nested.histogram import SizeHistogram
from nas.training.recipe import Recipe, own
from nas.training.trainer import Engine, Loss, Pass, StepContext, Trainer

MILLION = 1e6

PAPER_BINS = (1939.3 - 203.4) / 25
"""How many bins of 25 million multiply-adds the space of AttentiveNAS spans, from its smallest network to its largest."""


class SandwichRecipe(Recipe):
    """Figures of the sandwich rule and of its options."""

    random_networks: int = Field(2, ge=0, description="sub-networks a step besides the largest and the smallest")
    zero_last_norms: bool = Field(True, description="whether residual blocks begin as their shortcuts alone")
    sampling: Literal["uniform", "best-up", "worst-up"] = Field(
        "uniform",
        description="random networks as they come, or of several of one size the one with the lowest or highest loss",
    )
    candidates: int = Field(3, ge=1, description="networks of one size of which best-up and worst-up take one")
    size_bin: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="million multiply-adds that count as one size; null for a 69th of the space's range, which is 25 in the "
        "paper's space",
    )
    size_tries: int = Field(100, ge=1, description="draws until a network has the wanted size")
    size_sample: int = Field(20_000, ge=1, description="random networks from which the frequency of sizes is taken")
    distillation: Literal["kl", "alpha"] = Field(
        "kl", description="what the others learn from the largest by: soft cross-entropy, or the adaptive alpha-divergence"
    )
    alpha_min: float = Field(-1.0, allow_inf_nan=False, description="the one alpha of the adaptive divergence")
    alpha_max: float = Field(1.0, allow_inf_nan=False, description="its other alpha")
    alpha_clip: float = Field(5.0, gt=0, allow_inf_nan=False, description="bound on its importance weights")


class Sandwich(Trainer):
    """Every step trains the largest network, some random ones and the smallest on one batch; their gradients are summed.

    The largest learns from the labels; the others learn from its scores alone, as they are in this step, and without
    dropout and drop path. Weight decay acts on the largest only. Residual blocks begin as their shortcuts.
    """

    defaults = SandwichRecipe(
        optimiser="rmsprop",
        learning_rate=0.256,
        reference_batch=4096,
        momentum=0.9,
        squares_decay=0.9,
        epsilon=0.0316,
        weight_decay=1e-5,
        decay_on="largest",
        schedule="exponential",
        rate_decay=0.97,
        rate_decay_epochs=2.4,
        rate_floor=0.05,
        warmup=5 / 365,
        label_smoothing=0.1,
        dropout=0.2,
        drop_path=0.2,
        clip_norm=5.0,
        average=0.9999,
        epochs=365,
    )
    summary = "largest, smallest and random sub-networks a step; the largest teaches the others"
    source = "Yu et al., BigNAS: Scaling up Neural Architecture Search with Big Single-Stage Models, 2020"
    origins: ClassVar[Mapping[str, str]] = {
        "average": "recalled from the paper, not checked against it",
        "clip_norm": "github.com/xfey/pytorch-BigNAS",
        "epsilon": "code of Annavajjala et al., DepS, 2024",
        "epochs": "360 and 5 of warm-up, as in github.com/xfey/pytorch-BigNAS",
        "warmup": "github.com/xfey/pytorch-BigNAS",
        "size_sample": "ours",
    }

    def __init__(self) -> None:
        self.histogram: SizeHistogram | None = None

    @classmethod
    def misfit(cls, space: Space, recipe: Recipe) -> str | None:
        """A space whose first and last options are not its smallest and largest networks."""
        return not_bounded(space)

    @classmethod
    def tasks(cls, recipe: Recipe) -> tuple[str, ...]:
        """All, but for the alpha-divergence, which is one of distributions over classes."""
        return ("classification",) if own(recipe, SandwichRecipe).distillation == "alpha" else super().tasks(recipe)

    def prepare(self, engine: Engine) -> None:
        """Let blocks begin as their shortcuts, and count sizes where networks are drawn by size."""
        recipe = own(engine.recipe, SandwichRecipe)
        if recipe.zero_last_norms and recipe.norm_affine:  # a scale that is not trained would stay zero
            zero_last_norms(engine.supernet)
        if recipe.sampling == "uniform":
            return
        supernet = engine.supernet
        decisions = supernet.space.decisions
        cost = supernet.space.compiled("macs", supernet.task)
        width = (recipe.size_bin or 0.0) * MILLION
        if not width:
            span = float(cost(decisions.largest())[0] - cost(decisions.smallest())[0])
            width = max(span / PAPER_BINS, 1.0)
        rng = generator(engine.seed, "sizes")
        self.histogram = SizeHistogram(decisions, cost, width, rng, recipe.size_sample)

    def passes(self, context: StepContext) -> Generator[Pass, torch.Tensor, None]:
        """The largest, the random ones, the smallest."""
        recipe = own(context.recipe, SandwichRecipe)
        teacher = yield Pass(context.decisions.largest()[0], context.loss)
        taught = self._distillation(recipe, teacher, context.task.kind)
        for _ in range(recipe.random_networks):
            yield Pass(self._random(context, recipe), taught, regularised=False)
        yield Pass(context.decisions.smallest()[0], taught, regularised=False)

    def _distillation(self, recipe: SandwichRecipe, teacher: torch.Tensor, kind: str) -> Loss:
        """The loss of the other networks, which looks at no labels."""
        distance = DISTANCES[kind]
        if recipe.distillation == "alpha":
            distance = partial(
                adaptive_alpha_divergence, alpha_min=recipe.alpha_min, alpha_max=recipe.alpha_max, clip=recipe.alpha_clip
            )
        return lambda scores, _: distance(scores, teacher)

    def _random(self, context: StepContext, recipe: SandwichRecipe) -> np.ndarray:
        """One random network (D,), or the best or worst candidate of a random size on this step's batch."""
        if self.histogram is None:
            drawn: np.ndarray = context.decisions.sample(context.rng, 1)[0]
            return drawn
        wanted = self.histogram.draw_bin(context.rng)
        rows = [self.histogram.draw(context.rng, wanted, recipe.size_tries) for _ in range(recipe.candidates)]
        losses = self._losses(rows, context)
        return rows[int(losses.argmin() if recipe.sampling == "best-up" else losses.argmax())]

    def _losses(self, rows: list[np.ndarray], context: StepContext) -> torch.Tensor:
        """Cross-entropy of each candidate over the images of all processes, so that all of them choose the same."""
        engine = context.engine
        targets = engine.batch().targets
        with torch.no_grad():
            losses = torch.stack([context.loss(engine.predict(row).float(), targets) for row in rows])
        engine.ranks.average([losses])
        return losses
