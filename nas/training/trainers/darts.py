"""Differentiable architecture search (Liu et al., DARTS: Differentiable architecture search, 2019)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import nn

from nas.architectures import Decisions
from nas.base.errors import NasError
from nas.data import Batch
from nas.supernet import Space
from nas.training.differentiable.collapse import CollapseMonitor
from nas.training.differentiable.parameters import Vectors, frozen
from nas.training.differentiable.resource_loss import ResourceLoss, require_reference
from nas.training.differentiable.soft_cost import SoftCost
from nas.training.differentiable.unrolled import unrolled_gradients
from nas.training.recipe import Recipe, own
from nas.training.trainer import Engine, Phase, StepContext, Trainer


class DartsRecipe(Recipe):
    """Figures of the architecture parameters besides those of the weights."""

    order: Literal["first", "second"] = Field(
        "second", description="of the architecture gradient: at the weights as they are, or after one step of them"
    )
    architecture_rate: float = Field(3e-4, gt=0, allow_inf_nan=False, description="rate of the architecture parameters' Adam")
    architecture_momentum: float = Field(0.5, ge=0, lt=1, description="first beta of that Adam")
    architecture_squares: float = Field(0.999, ge=0, lt=1, description="second beta of that Adam")
    architecture_decay: float = Field(1e-3, ge=0, allow_inf_nan=False, description="weight decay of that Adam")
    alpha_std: float = Field(1e-3, ge=0, allow_inf_nan=False, description="deviation of the first architecture parameters")
    frozen_epochs: float = Field(0, ge=0, description="epochs before the architecture parameters make their first step")
    difference: float = Field(
        0.01, gt=0, allow_inf_nan=False, description="second order: how far weights are moved for the finite difference"
    )
    metric: str | None = Field(None, description="the resource weighed: macs, params, DEVICE-latency; null for none")
    reference: float | None = Field(
        None, gt=0, validate_default=True, description="the resource aimed at, in the metric's unit (ms, or a count)"
    )
    resource_weight: float = Field(
        0.1, ge=0, allow_inf_nan=False, description="lambda of the architecture loss: L + lambda (E - reference) / reference"
    )
    skip_warning: float = Field(
        0.5, ge=0, le=1, description="share of skip connections among the derived operators above which to warn"
    )

    @field_validator("reference")
    @classmethod
    def _with_metric(cls, value: float | None, info: ValidationInfo) -> float | None:
        return require_reference(value, info.data.get("metric"))


class Darts(Trainer):
    """Each edge is the sum of all its operators, weighed by the softmax of its architecture parameters.

    A step first moves the architecture parameters, on images kept from the weights, then the weights, on the others. The
    paper keeps the second half of the training images; here every class is halved, since folders of images are in the order
    of their classes.
    """

    defaults: ClassVar[Recipe] = DartsRecipe(
        optimiser="sgd",
        learning_rate=0.025,
        last_rate=0.001,
        reference_batch=64,
        batch_size=64,
        momentum=0.9,
        weight_decay=3e-4,
        decay_of="all",
        schedule="cosine",
        label_smoothing=0.0,
        clip_norm=5.0,
        norm_affine=False,
        architecture_share=0.5,
        epochs=50,
    )
    summary = "all operators of an edge at once, weighed by a softmax; second or first order"
    source = "Liu et al., DARTS: Differentiable Architecture Search, 2019"
    origins: ClassVar[Mapping[str, str]] = {
        "skip_warning": "ours: half of the operators",
        "metric": "ours: the paper weighs none",
        "reference": "ours: the paper weighs none",
        "resource_weight": "as in ProxylessNAS, add-linear",
    }

    _exact = False

    @classmethod
    def misfit(cls, space: Space, recipe: Recipe) -> str | None:
        """Its decisions must be choices between operators; the second order needs SGD."""
        figures = own(recipe, DartsRecipe)
        if space.unrelaxable is not None:
            return space.unrelaxable
        if recipe.architecture_share == 0.0:
            return "architecture parameters need images that no weight is trained on; use --set architecture_share=0.5"
        if figures.order == "second" and recipe.optimiser != "sgd":
            return (
                f"the second order looks one step of SGD ahead and the optimiser is {recipe.optimiser}; use --set order=first"
            )
        if figures.metric is not None:
            try:
                SoftCost(space, figures.metric, space.task)
            except NasError as error:
                return str(error)
        return None

    def is_direct(self, recipe: Recipe) -> bool:
        """Architecture parameters are learnt through the supernet."""
        return False

    def prepare(self, engine: Engine) -> None:
        """Draw the architecture parameters and make their optimiser."""
        figures = own(engine.recipe, DartsRecipe)
        self.relaxation = engine.supernet.space.relax(engine.supernet.network)
        self.monitor = CollapseMonitor(self.relaxation, figures.skip_warning)
        self._resource: SoftCost | None = None
        if figures.metric is not None:
            self._resource = SoftCost(engine.supernet.space, figures.metric, engine.supernet.task)
        self.state: nn.Module = self.make_parameters(engine).to(engine.device)
        self._alphas = list(self.state.parameters())
        betas = (figures.architecture_momentum, figures.architecture_squares)
        self._adam = torch.optim.Adam(
            self._alphas, lr=figures.architecture_rate, betas=betas, weight_decay=figures.architecture_decay
        )
        self.optimisers = {"architecture": self._adam}

    def phases(self, steps: int, recipe: Recipe) -> list[Phase]:
        """Weights alone at first, where the architecture parameters wait."""
        start = recipe.step_of(own(recipe, DartsRecipe).frozen_epochs, steps)
        if start == 0:
            return []
        return [Phase("weights", 0, "weights alone"), Phase("search", start, "architecture parameters and weights")]

    def make_parameters(self, engine: Engine) -> nn.Module:
        """The architecture parameters: one vector (O,) for each edge."""
        sizes = [len(edge.operators) for edge in self.relaxation.edges]
        return Vectors(sizes, own(engine.recipe, DartsRecipe).alpha_std, engine.seed, "architecture parameters")

    def weights(self) -> list[torch.Tensor]:
        """The weights of the operators, (O,) for each edge; gradients reach the architecture parameters."""
        assert isinstance(self.state, Vectors)
        return [alpha.softmax(0) for alpha in self.state.values()]

    def mixed(self, weights: Sequence[torch.Tensor]) -> AbstractContextManager[None]:
        """Inside, the network weighs its operators so."""
        return self.relaxation.weighed(weights)

    def held_loss(self, context: StepContext, engine: Engine) -> torch.Tensor:
        """What the architecture parameters minimise, at the weights as they are."""
        loss = self._loss(engine.held_batch(), self.weights(), context, engine)
        figures = own(context.recipe, DartsRecipe)
        if self._resource is None or figures.reference is None:
            return loss
        weigh = ResourceLoss("add-linear", figures.reference, weight=figures.resource_weight)
        return weigh(loss, self._resource(self.probabilities()))

    def probabilities(self) -> list[torch.Tensor]:
        """How likely each operator is, (O,) for each edge, whose sum is 1; the resource is expected under them."""
        return self.weights()[: len(self.relaxation.edges)]

    def constrain(self, context: StepContext, engine: Engine) -> None:
        """Called after each step of the architecture parameters."""

    def scores(self) -> list[np.ndarray]:
        """How good each operator is, (O,) for each edge; the architecture is derived from them."""
        with torch.no_grad():
            return [weight.cpu().numpy().astype(np.float64) for weight in self.weights()]

    def step(self, context: StepContext, engine: Engine) -> float:
        """A step of the architecture parameters, then the gradients of the weights."""
        recipe = own(context.recipe, DartsRecipe)
        if context.step >= recipe.step_of(recipe.frozen_epochs, context.steps):
            gradients = self.architecture_gradients(context, engine)
            for alpha, gradient in zip(self._alphas, gradients, strict=True):
                alpha.grad = gradient
            self._adam.step()
            self._adam.zero_grad(set_to_none=True)
            self.constrain(context, engine)
        loss = self._training_loss(context, engine)
        loss.backward()
        return float(loss.detach())

    def architecture_gradients(self, context: StepContext, engine: Engine) -> list[torch.Tensor]:
        """The gradient of each architecture parameter, over all processes."""
        figures = own(context.recipe, DartsRecipe)
        if figures.order == "second":
            assert isinstance(engine.optimiser, torch.optim.SGD)
            with self._in_full_precision():
                return unrolled_gradients(
                    self._alphas,
                    engine.optimiser,
                    lambda: self._loss(engine.batch(), self.weights(), context, engine),
                    lambda: self.held_loss(context, engine),
                    figures.difference,
                    engine.ranks,
                )
        learned = [weight for weight in engine.supernet.parameters() if weight.requires_grad]
        with frozen(learned):
            found = torch.autograd.grad(self.held_loss(context, engine), self._alphas, allow_unused=True)
        gradients = [torch.zeros_like(a) if part is None else part for a, part in zip(self._alphas, found, strict=True)]
        engine.ranks.average(gradients)
        return gradients

    def after(self, context: StepContext, engine: Engine) -> None:
        """After each pass over the data: count the skip connections that would be derived."""
        if (context.step + 1) % engine.steps_per_epoch and context.step + 1 < context.steps:
            return
        warning = self.monitor.observe(self.scores())
        if warning is not None:
            engine.say(f"step {context.step + 1}: {warning}")

    def facts(self) -> dict[str, Any]:
        """The shares of skip connections, pass after pass over the data."""
        return {"skips": self.monitor.shares}

    def restore(self, facts: dict[str, Any]) -> None:
        """Take up the shares."""
        self.monitor.shares = list(facts["skips"])

    def derive(self, decisions: Decisions) -> np.ndarray:
        """The architecture of the best operators, as the space's relaxation keeps them."""
        return self.relaxation.derive(self.scores())

    @contextlib.contextmanager
    def _in_full_precision(self) -> Iterator[None]:
        """Inside, nothing is computed in bfloat16, which a finite difference of weights would be lost in."""
        self._exact = True
        try:
            yield
        finally:
            self._exact = False

    def _autocast(self, engine: Engine) -> AbstractContextManager[Any]:
        return contextlib.nullcontext() if self._exact else engine.autocast()

    def _training_loss(self, context: StepContext, engine: Engine) -> torch.Tensor:
        with torch.no_grad():
            weights = self.weights()
        return self._loss(engine.batch(), weights, context, engine)

    def _loss(self, batch: Batch, weights: Sequence[torch.Tensor], context: StepContext, engine: Engine) -> torch.Tensor:
        with self._autocast(engine), self.mixed(weights):
            return context.loss(engine.supernet(batch.images), batch.targets)
