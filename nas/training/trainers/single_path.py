"""Superkernels with trainable thresholds (Stamoulis et al., Single-Path NAS, 2019)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from nas.architectures import Decisions
from nas.base.errors import NasError
from nas.elastic import ElasticLayer
from nas.supernet import Space, Task
from nas.supernet.superkernels import Superkernels, superkernels
from nas.training.differentiable.resource_loss import summed_cost
from nas.training.differentiable.runtime_model import ExactRuntime, LayerwiseRuntime, RuntimeForm, probabilities
from nas.training.differentiable.thresholds import Drop, Indicators, Masked, mask
from nas.training.optimisers import build_optimiser
from nas.training.recipe import Recipe, own
from nas.training.trainer import Engine, Pass, Phase, StepContext, Trainer

Runtime = LayerwiseRuntime | ExactRuntime


class SinglePathRecipe(Recipe):
    """Figures of the thresholds besides those of the weights."""

    metric: str | None = Field("pixel1-latency", description="the resource R: DEVICE-latency, macs or params; null for none")
    runtime: RuntimeForm = Field(
        "paper", description="how R follows from the indicators: the paper's sum over layers, or the exact sum of the network"
    )
    resource_weight: float = Field(20.0, ge=0, description="lambda of the loss: cross-entropy + lambda ln R")
    dropped_epochs: float = Field(5, ge=0, description="first epochs, in which indicators are dropped and lambda is 0")
    keep: float = Field(0.6, gt=0, le=1, description="probability with which an indicator is kept in those epochs")
    others: Literal["refuse", "largest"] = Field(
        "refuse", description="of decisions that no threshold can express: refuse the space, or keep their last option"
    )


class Thresholds(nn.Module):
    """For each superkernel its thresholds, all 0 at first; and the architecture of the last step."""

    row: torch.Tensor

    def __init__(self, found: Superkernels, row: np.ndarray) -> None:
        super().__init__()
        self.thresholds = nn.ParameterList(nn.Parameter(torch.zeros(kernel.increments)) for kernel in found.kernels)
        self.register_buffer("row", torch.from_numpy(np.array(row, dtype=np.uint8)))


class SinglePath(Trainer):
    """One pass of the largest network a step, the parts of its weights multiplied by indicators that learn with them.

    An indicator is 1 where the norm of a part of the weights (the outer shell of a kernel, a group of channels) is at least a
    threshold, else 0; backward it has the gradient of a sigmoid. The resource of the network that the indicators stand for is
    in the loss. The paper's layers are depthwise convolutions of two kernels and two widths that may be left out; other nested
    sizes (heads and hidden widths of transformers, ...) are treated alike.
    """

    defaults = SinglePathRecipe(
        optimiser="rmsprop",
        learning_rate=0.064,
        reference_batch=1024,
        momentum=0.9,
        squares_decay=0.9,
        epsilon=0.0316,
        weight_decay=1e-5,
        decay_of="not-norms",
        schedule="exponential",
        rate_decay=0.97,
        rate_decay_epochs=2.4,
        label_smoothing=0.1,
        average=0.9999,
        epochs=8,
    )
    summary = "the largest network, its kernels, widths and layers kept or left out by trainable thresholds"
    source = "Stamoulis et al., Single-Path NAS: Designing Hardware-Efficient ConvNets in less than 4 Hours, 2019"
    origins: ClassVar[Mapping[str, str]] = {
        "epsilon": "root of 1e-3, which the authors add under the root",
        "resource_weight": "the authors' instructions",
        "others": "ours; the paper's space has none",
    }

    state: Thresholds

    @classmethod
    def misfit(cls, space: Space, recipe: Recipe) -> str | None:
        """Every decision must be a nested size, unless others may stay at their last option; and the metric must be a sum."""
        figures = own(recipe, SinglePathRecipe)
        found = superkernels(space.decisions.choices, space.walk(), space.without_memory())
        if not found.kernels:
            name, why = next(iter(found.others.items()))
            return f"none of its decisions is a nested size that thresholds can decide; of '{name}': {why}"
        if found.others and figures.others == "refuse":
            name, why = next(iter(found.others.items()))
            return (
                f"decision '{name}' is no nested size of convolutions or linear layers: {why}; --set others=largest keeps such "
                f"decisions ({len(found.others)} of {len(space.decisions)}) at their last option"
            )
        try:
            cls._runtime(space, space.task, found, figures)
        except NasError as error:
            return f"{error}; or choose another resource with --set metric=macs"
        return None

    def is_direct(self, recipe: Recipe) -> bool:
        """Thresholds are learnt through the supernet's weights."""
        return False

    def prepare(self, engine: Engine) -> None:
        """Find the superkernels and make their thresholds with an optimiser of the weights' figures."""
        recipe, space = own(engine.recipe, SinglePathRecipe), engine.supernet.space
        self._found = superkernels(space.decisions.choices, space.walk(), engine.supernet.network)
        self._runs = self._runtime(space, engine.supernet.task, self._found, recipe)
        self._largest = np.asarray(space.decisions.cardinalities - 1, dtype=np.uint8)
        self.state = Thresholds(self._found, self._largest).to(engine.device)
        self.optimisers = {"thresholds": build_optimiser(self.state, recipe.model_copy(update={"decay_of": "all"}))}

    def phases(self, steps: int, recipe: Recipe) -> list[Phase]:
        """Indicators dropped at random, then weighed against the resource."""
        figures = own(recipe, SinglePathRecipe)
        start = figures.step_of(figures.dropped_epochs, steps)
        weighed = (
            "without a resource" if figures.metric is None else f"{figures.resource_weight:g} ln {figures.metric} in the loss"
        )
        last = Phase("search", start, f"all weights and thresholds, {weighed}")
        if start == 0:
            return [last]
        return [Phase("dropped", 0, f"all weights and thresholds, indicators kept with probability {figures.keep:g}"), last]

    def step(self, context: StepContext, engine: Engine) -> float:
        """One pass of the largest network under the indicators."""
        recipe = own(context.recipe, SinglePathRecipe)
        early = context.step < recipe.step_of(recipe.dropped_epochs, context.steps)

        def drop(indicator: torch.Tensor) -> torch.Tensor:
            return indicator * (float(context.rng.random() < recipe.keep) / recipe.keep) if early else indicator

        masked = self._mask(engine, drop)
        indicators = [one.indicators for one in masked]
        self._note(indicators, context.decisions)

        def loss(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            crossed = context.loss(scores, targets)
            if early or self._runs is None:
                return crossed
            return crossed + recipe.resource_weight * self._runs(indicators).log()

        with self._masked(masked):
            return engine.learn(Pass(self._largest, loss))[1]

    def after(self, context: StepContext, engine: Engine) -> None:
        """The thresholds' own step, at the rate of the weights."""
        engine.step_along(self.optimisers["thresholds"])
        if context.step + 1 == context.steps:
            with torch.no_grad():
                indicators = [one.indicators for one in self._mask(engine, lambda indicator: indicator)]
            self._note(indicators, context.decisions)

    def derive(self, decisions: Decisions) -> np.ndarray:
        """What the indicators of the last step stand for; once the training has ended, those after it."""
        row = np.asfortranarray(self.state.row.cpu().numpy()[None])
        return np.asarray(decisions.canonical(row)[0])

    def _mask(self, engine: Engine, drop: Drop) -> list[Masked]:
        """The weights of each superkernel under the indicators, which `drop` may change."""
        engine.supernet.activate(self._largest)
        return [
            mask(kernel, [_used(layer) for layer in kernel.layers], thresholds, drop)
            for kernel, thresholds in zip(self._found.kernels, self.state.thresholds, strict=True)
        ]

    @torch.no_grad()
    def _note(self, indicators: Sequence[Indicators], decisions: Decisions) -> None:
        """Keep the architecture that the indicators stand for."""
        like = self.state.thresholds[0]
        found = probabilities(self._found.kernels, indicators, decisions.cardinalities, like)
        self.state.row.copy_(torch.stack([vector.argmax() for vector in found]))

    @contextlib.contextmanager
    def _masked(self, masked: Sequence[Masked]) -> Iterator[None]:
        """Inside, the layers of the superkernels compute with the masked weights."""
        layers: list[ElasticLayer] = []
        try:
            for kernel, one in zip(self._found.kernels, masked, strict=True):
                for layer, weight, rows in zip(kernel.layers, one.weights, one.rows, strict=True):
                    layers.append(layer)
                    bias = None if layer.bias is None else layer.bias[: len(rows)] * rows
                    layer.policy = _Fixed(weight, bias)
            yield
        finally:
            for touched in layers:
                touched.policy = None

    @classmethod
    def _runtime(cls, space: Space, task: Task, found: Superkernels, recipe: SinglePathRecipe) -> Runtime | None:
        if recipe.metric is None:
            return None
        cost = summed_cost(space, recipe.metric, task)
        if recipe.runtime == "exact":
            return ExactRuntime(cost, found.kernels)
        at = None if space.device_of(recipe.metric) is not None else replace(task, resolution=space.task.resolution)
        return LayerwiseRuntime(space.terms(recipe.metric, at), found.kernels, space.decisions.choices)


class _Fixed:
    """A layer's policy: parameters that are there already."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self.parameters = (weight, bias)

    def __call__(self, layer: ElasticLayer) -> tuple[torch.Tensor | None, ...]:
        return self.parameters


def _used(layer: ElasticLayer) -> torch.Tensor:
    """The weight of a layer under the settings in force."""
    weight = layer.parts()[0]
    assert weight is not None
    return weight
