"""Delayed epsilon-shrinking (Khare et al., DepS, 2024)."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import nn

from nas.architectures.decisions import Rows
from nas.elastic import ElasticLayer, sort_channels
from nas.elastic.layer import Cut
from nas.supernet import Space
from nas.training.nested.divergence import DISTANCES
from nas.training.nested.openings import OPEN, SIZES, Openings
from nas.training.recipe import Recipe, own
from nas.training.trainer import Engine, Pass, Phase, StepContext, Trainer


class DelayedRecipe(Recipe):
    """Figures of the shrinking besides those of the training."""

    epochs: float = Field(270, gt=0, allow_inf_nan=False, description="length when no budget is given")
    teacher_warmup: float = Field(
        150, gt=0, validate_default=True, description="epochs after which smaller networks have their full weight"
    )
    smallnet_warmup: float = Field(
        5, ge=0, validate_default=True, description="epochs before that in which their weight grows from 0"
    )
    networks: int = Field(4, gt=1, description="sub-networks a step once it shrinks: largest, smallest and random ones")
    max_weight: float = Field(1.0, ge=0, description="factor of the largest network's gradient")
    min_weight: float = Field(1.0, ge=0, description="factor of the smallest network's gradient")
    other_weight: float = Field(1.0, ge=0, description="factor of the random networks' gradients")
    temperature: float = Field(1.0, gt=0, description="of the distillation from the largest network")
    aggregation: Literal["sum", "avg", "avg_sqrt"] = Field(
        "sum",
        description="gradients of a step summed; or divided, entry by entry, by the number of networks using it, or its root",
    )
    sampling: Literal["random", "compofa"] = Field(
        "random", description="of random networks; compofa: in a stage of less depth all widths are smaller too (CompOFA)"
    )
    sort_channels: Literal["within", "all", "off"] = Field(
        "within", description="by importance when shrinking starts: inside each width but the smallest, among all, or not"
    )

    @field_validator("teacher_warmup")
    @classmethod
    def _before_the_end(cls, value: float, info: ValidationInfo) -> float:
        if value >= info.data.get("epochs", math.inf):
            raise ValueError(f"it must be less than epochs, which is {info.data['epochs']:g}")
        return value

    @field_validator("smallnet_warmup")
    @classmethod
    def _before_full_weight(cls, value: float, info: ValidationInfo) -> float:
        if value > info.data.get("teacher_warmup", math.inf):
            raise ValueError(f"it cannot be more than teacher_warmup, which is {info.data['teacher_warmup']:g}")
        return value


class DelayedShrinking(Trainer):
    """The largest network alone for half of the training, then the sandwich, with gradients of small networks that grow from 0.

    From the start of shrinking, a step trains the largest network with the labels, then the smallest and random ones with
    the scores of the largest and nothing else, without dropout. A small network's gradient is scaled by
    beta = min(1, ramp / rate), where the ramp rises linearly to the rate at the end of the warm-up: its effective learning
    rate is warmed up while the largest network's goes on. Where resolution is searched, one is drawn for each step.

    The defaults are those of the paper's MobileNetV3 on ImageNet. Its space has kernels of 7 alone; AutoAugment and random
    erasing are the data's matter.
    """

    defaults = DelayedRecipe(
        optimiser="sgd",
        learning_rate=0.1625,
        reference_batch=128,
        momentum=0.9,
        nesterov=True,
        weight_decay=3e-5,
        decay_of="matrices",
        schedule="cosine",
        label_smoothing=0.1,
        dropout=0.1,
        epochs=270,
    )
    summary = "the largest network for half of the time, then largest, smallest and random ones with growing weight"
    source = "Khare et al., DepS: Delayed epsilon-Shrinking for Faster Once-For-All Training, 2024"
    origins: ClassVar[Mapping[str, str]] = {
        "learning_rate": "the authors' README, for each of their processes of 128 images",
        "sort_channels": "'within' is what the authors' code does",
    }

    def __init__(self) -> None:
        self._openings: Openings | None = None
        self._sums: dict[nn.Parameter, torch.Tensor] = {}
        self._counts: dict[nn.Parameter, torch.Tensor] = {}

    @classmethod
    def misfit(cls, space: Space, recipe: Recipe) -> str | None:
        """A space needs sizes that shrink; CompOFA sampling also widths inside stages of elastic depth."""
        if set(SIZES).isdisjoint(space.dimensions.values()):
            return "none of its decisions is a kernel, a depth or a width, so that no network is part of a larger one"
        if own(recipe, DelayedRecipe).sampling == "compofa" and not space.widths_by_depth:
            return "none of its widths is decided inside a stage of elastic depth, to which sampling=compofa ties them"
        return None

    def is_direct(self, recipe: Recipe) -> bool:
        """Means of gradients are taken from gradients that are kept apart."""
        return own(recipe, DelayedRecipe).aggregation == "sum"

    def prepare(self, engine: Engine) -> None:
        """Nothing has a state."""
        self._openings = Openings(engine.supernet.space, dict.fromkeys((*SIZES, "operator"), OPEN))

    def phases(self, steps: int, recipe: Recipe) -> list[Phase]:
        """The largest network, the growing weight, the rest."""
        start, full = _shrinking(steps, recipe)
        networks = own(recipe, DelayedRecipe).networks
        found = [
            Phase("largest", 0, "the largest network alone"),
            Phase("shrinking", start, "small networks too, their weight growing to its full value"),
            Phase("sandwich", full, f"{networks} networks a step: the largest, the smallest, random ones"),
        ]
        ends = [start, full, steps]
        return [phase for phase, end in zip(found, ends, strict=True) if phase.start < end]

    def beta(self, step: int, steps: int, recipe: Recipe) -> float:
        """The factor of a small network's gradient in one step."""
        start, full = _shrinking(steps, recipe)
        if step >= full:
            return 1.0
        if step < start:
            return 0.0
        ramp = self.rate(min(full, steps - 1), steps, recipe) * (step + 1 - start) / (full - start)
        return min(1.0, ramp / self.rate(step, steps, recipe))

    def passes(self, context: StepContext) -> Generator[Pass, torch.Tensor, None]:
        """The largest network; once it shrinks, the smallest and random ones."""
        figures = own(context.recipe, DelayedRecipe)
        random = self._draw(context, max(figures.networks - 2, 1))
        assert self._openings is not None
        largest, smallest = (
            self._openings.at_resolution_of(random[0], rows)[0]
            for rows in (context.decisions.largest(), context.decisions.smallest())
        )
        if context.step < _shrinking(context.steps, context.recipe)[0]:
            yield Pass(largest, context.loss)
            return
        beta, temperature = self.beta(context.step, context.steps, context.recipe), figures.temperature
        taught = (yield Pass(largest, context.loss, figures.max_weight)) / temperature

        def loss(scores: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
            return DISTANCES[context.task.kind](scores / temperature, taught) * temperature**2

        yield Pass(smallest, loss, beta * figures.min_weight, regularised=False)
        for row in random[: figures.networks - 2]:
            yield Pass(row, loss, beta * figures.other_weight, regularised=False)

    def step(self, context: StepContext, engine: Engine) -> float:
        """The passes; where shrinking starts, channels are sorted before."""
        figures = own(context.recipe, DelayedRecipe)
        start, _ = _shrinking(context.steps, context.recipe)
        if context.step == start and figures.sort_channels != "off":
            self._sort(figures, engine)
        total = super().step(context, engine)
        # Divided by the number of passes and not by their weights, which would cancel the growing weight of small networks
        # where the largest has no part.
        for parameter, gradient in self._sums.items():
            count = self._counts[parameter]
            divisor = count if figures.aggregation == "avg" else count.sqrt()
            parameter.grad = torch.where(divisor > 0, gradient / divisor, 0.0)
        self._sums, self._counts = {}, {}
        return total

    def after_pass(self, context: StepContext) -> None:
        """For a mean, keep each pass's gradient apart, and for each entry of a weight the number of passes that used it."""
        if self.is_direct(context.recipe) or context.step < _shrinking(context.steps, context.recipe)[0]:
            return
        for parameter, cut in used(context.engine.supernet):
            assert parameter.grad is not None
            self._sums[parameter] = parameter.grad + self._sums.get(parameter, 0.0)
            self._counts.setdefault(parameter, torch.zeros_like(parameter))[cut] += 1.0
            parameter.grad = None

    def _sort(self, figures: DelayedRecipe, engine: Engine) -> None:
        """What the largest network computes stays, and so does its momentum."""
        larger = Openings.all_but_smallest(engine.supernet.space)
        within = figures.sort_channels == "within"
        sort_channels(engine.supernet, lambda width: larger.values(width) if within else (), engine.companions)

    def _draw(self, context: StepContext, count: int) -> Rows:
        assert self._openings is not None
        rows = self._openings.sample(context.rng, count)
        if own(context.recipe, DelayedRecipe).sampling == "random":
            return rows
        return coupled(self._openings.space, rows)


def used(network: nn.Module) -> list[tuple[nn.Parameter, Cut]]:
    """The parameters that have a gradient, each with the part that the active sub-network uses."""
    found: list[tuple[nn.Parameter, Cut]] = []
    for module in network.modules():
        cuts = module.cuts(module.chosen()) if isinstance(module, ElasticLayer) else {}
        for name, parameter in module._parameters.items():
            if parameter is not None and parameter.grad is not None:
                found.append((parameter, cuts.get(name, ())))
    return found


def coupled(space: Space, rows: Rows) -> Rows:
    """Rows whose widths inside a stage follow its depth, option for option, or in proportion where there are fewer.

    Sahni et al., CompOFA, 2021: depth 2, 3, 4 goes with expansion 3, 4, 6.
    """
    decisions = space.decisions
    result = np.array(rows, order="F")
    for width, depth in space.widths_by_depth.items():
        of, by = decisions.column[width], decisions.column[depth]
        share = rows[:, by] / (decisions.cardinalities[by] - 1)
        result[:, of] = np.floor(share * (decisions.cardinalities[of] - 1) + 0.5)
    return decisions.canonical(result)


def _shrinking(steps: int, recipe: Recipe) -> tuple[int, int]:
    """The first step with small networks, and the first in which they have their full weight."""
    figures = own(recipe, DelayedRecipe)
    start = figures.step_of(figures.teacher_warmup - figures.smallnet_warmup, steps)
    return start, figures.step_of(figures.teacher_warmup, steps)
