"""Binary gates and REINFORCE over architecture parameters (Cai et al., ProxylessNAS, 2019)."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, ValidationInfo, field_validator

from nas.architectures import Decisions
from nas.base.errors import NasError
from nas.costs import CompiledCost, expected
from nas.elastic import Switch
from nas.supernet import Space
from nas.supernet.mixture import added
from nas.supernet.relaxation import Relaxation
from nas.training.differentiable.gates import draw_gates, draw_operator, gate_policy, keep_total, softmax_gradient
from nas.training.differentiable.parameters import Vectors
from nas.training.differentiable.resource_loss import ResourceForm, ResourceLoss, require_reference, summed_cost
from nas.training.recipe import Recipe, own
from nas.training.schedules import rate_at
from nas.training.trainer import Engine, Pass, Phase, StepContext, Trainer

ZEROS = ("none", "skip")
"""What spaces call the paper's Zero: zeros beside other edges, or nothing but the shortcut around every operator."""


class ProxylessRecipe(Recipe):
    """Figures of the search besides those of the weights. `learning_rate` is the search's, after the warm-up."""

    gradient: Literal["two", "full", "full_v2", "reinforce"] = Field(
        "two", description="of the architecture: gates over two drawn paths, over all (v2: less memory), or REINFORCE"
    )
    warmup_epochs: float = Field(40, ge=0, description="epochs with the architecture parameters as they were drawn")
    warmup_rate: float = Field(0.05, gt=0, description="peak rate of the warm-up for `reference_batch` images; cosine to 0")
    frozen_epochs: float = Field(1, ge=0, description="first epochs of the search, still without architecture steps")
    alpha_std: float = Field(1e-3, ge=0, description="standard deviation of the first architecture parameters")
    architecture_rate: float = Field(1e-3, gt=0, description="rate of the architecture parameters' Adam")
    architecture_momentum: float = Field(0.0, ge=0, lt=1, description="first beta of that Adam")
    architecture_squares: float = Field(0.999, ge=0, lt=1, description="second beta of that Adam")
    architecture_every: int = Field(5, gt=0, description="weight steps for each architecture step of the gates")
    zero: Literal["left-alone", "learnt"] = Field(
        "left-alone",
        description="an edge where the paper's Zero ('none', or a 'skip' without weights) is active: no gradient in that step, "
        "as in the authors' code, or the plain formula",
    )
    metric: str | None = Field(None, description="the resource weighed: macs, params, DEVICE-latency; null for none")
    reference: float | None = Field(
        None, gt=0, validate_default=True, description="the resource aimed at, in the metric's unit (ms, or a count)"
    )
    resource_loss: ResourceForm = Field("mul-log", description="form of the loss with a resource")
    resource_scale: float = Field(0.2, gt=0, description="alpha of mul-log: alpha L (ln E / ln reference)^beta")
    resource_power: float = Field(0.3, description="beta of mul-log")
    resource_weight: float = Field(0.1, ge=0, description="lambda of add-linear: L + lambda (E - reference) / reference")
    networks: int = Field(10, gt=0, description="networks drawn for an update of REINFORCE")
    updates_per_epoch: float = Field(300, gt=0, description="updates of REINFORCE in a pass over the data, spread evenly")
    reward_power: float = Field(0.1, description="omega of the reward: accuracy (reference / E)^omega")
    baseline_weight: float = Field(0.99, ge=0, le=1, description="of the latest mean reward in REINFORCE's baseline")

    @field_validator("reference")
    @classmethod
    def _with_metric(cls, value: float | None, info: ValidationInfo) -> float | None:
        return require_reference(value, info.data.get("metric"))


class Proxyless(Trainer):
    """Weight steps train one path drawn by p = softmax(alpha); now and then the architecture parameters make a step.

    Such a step runs one operator of an edge, too, on images kept from the weights, and learns from the gradients of the binary
    gates, or, with `gradient='reinforce'`, from the rewards of drawn networks. The result is the operator of largest p.
    """

    defaults = ProxylessRecipe(
        optimiser="sgd",
        learning_rate=0.025,
        reference_batch=256,
        momentum=0.9,
        nesterov=True,
        weight_decay=4e-5,
        decay_of="all",
        schedule="cosine",
        label_smoothing=0.1,
        architecture_share=0.039,
        epochs=160,
    )
    summary = "one path drawn by learnt probabilities; binary gates or REINFORCE, with a resource in the loss"
    origins: ClassVar[Mapping[str, str]] = {
        "decay_of": "the authors' code",
        "architecture_share": "50,000 of ImageNet's images",
        "zero": "the authors' code",
        "metric": "ours; the paper's is latency, with 80 ms",
        "resource_scale": "the authors' configuration",
        "resource_power": "the authors' configuration",
        "resource_weight": "the authors' configuration",
        "baseline_weight": "the authors' code; 0.01 is the usual",
    }
    source = "Cai et al., ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware, 2019"

    state: Vectors

    @classmethod
    def misfit(cls, space: Space, recipe: Recipe) -> str | None:
        """Its decisions must be choices between operators, and the metric a sum that is known for them."""
        recipe = own(recipe, ProxylessRecipe)
        if space.unrelaxable is not None:
            return space.unrelaxable
        if recipe.architecture_share == 0.0:
            return "architecture parameters need images that no weight is trained on; use --set architecture_share=0.1"
        if recipe.metric is None:
            return None
        if not space.relax(space.without_memory()).decided:
            return (
                f"its edges are not its decisions, so the expectation of '{recipe.metric}' over edges is not the cost of a "
                "network; leave out the metric, and bound it in the search that follows"
            )
        try:
            cost = summed_cost(space, recipe.metric, space.task)
        except NasError as error:
            return str(error)
        if recipe.gradient != "reinforce" and recipe.resource_loss == "mul-log":
            assert recipe.reference is not None
            if min(cost.minimum(), recipe.reference) <= 1.0:
                return (
                    f"mul-log takes the logarithm of '{recipe.metric}', which must be above 1, and it can be "
                    f"{min(cost.minimum(), recipe.reference):g}; use --set resource_loss=add-linear"
                )
        return None

    def prepare(self, engine: Engine) -> None:
        """Draw the architecture parameters and make their optimiser."""
        recipe = own(engine.recipe, ProxylessRecipe)
        space = engine.supernet.space
        self._relaxation = space.relax(engine.supernet.network)
        self._zeros = _zeros(self._relaxation, recipe)
        self._cost: CompiledCost | None = None
        if recipe.metric is not None:
            self._cost = summed_cost(space, recipe.metric, engine.supernet.task)
        self._baseline: float | None = None
        sizes = [len(edge.operators) for edge in self._relaxation.edges]
        self.state = Vectors(sizes, recipe.alpha_std, engine.seed, "architecture").to(engine.device)
        betas = (recipe.architecture_momentum, recipe.architecture_squares)
        self._adam = torch.optim.Adam(self.state.parameters(), lr=recipe.architecture_rate, betas=betas)
        self.optimisers = {"architecture": self._adam}

    def phases(self, steps: int, recipe: Recipe) -> list[Phase]:
        """Warm-up and search."""
        figures = own(recipe, ProxylessRecipe)
        start, learns = figures.step_of(figures.warmup_epochs, steps), _architecture_start(steps, figures)
        by = "REINFORCE" if figures.gradient == "reinforce" else f"binary gates ({figures.gradient})"
        found = [
            Phase("warm-up", 0, "weights of paths drawn almost uniformly"),
            Phase("weights", start, "the same with the schedule of the search"),
            Phase("search", learns, f"weights, and architecture parameters by {by}"),
        ]
        ends = [start, learns, steps]
        return [phase for phase, end in zip(found, ends, strict=True) if phase.start < end]

    def cycle(self, recipe: Recipe, steps_per_epoch: int) -> int:
        """From one step of the architecture parameters to the next."""
        figures = own(recipe, ProxylessRecipe)
        if figures.gradient != "reinforce":
            return figures.architecture_every
        return max(1, math.ceil(steps_per_epoch / figures.updates_per_epoch))

    def rate(self, step: int, steps: int, recipe: Recipe) -> float:
        """Two schedules, one after the other."""
        figures = own(recipe, ProxylessRecipe)
        start = figures.step_of(figures.warmup_epochs, steps)
        if step < start:
            return rate_at(recipe.model_copy(update={"learning_rate": figures.warmup_rate}), step, start)
        return rate_at(recipe, step - start, steps - start)

    def step(self, context: StepContext, engine: Engine) -> float:
        """Train the weights of one drawn path."""
        with self._path(self._draw(context.rng), engine) as row:
            return engine.learn(Pass(row, context.loss))[1]

    def after(self, context: StepContext, engine: Engine) -> None:
        """The architecture steps that are due."""
        recipe = own(context.recipe, ProxylessRecipe)
        done = context.step - _architecture_start(context.steps, recipe)
        if done < 0:
            return
        if recipe.gradient != "reinforce":
            if (done + 1) % recipe.architecture_every == 0:
                self._step_gates(context, engine)
            return
        every = recipe.updates_per_epoch / engine.steps_per_epoch
        for _ in range(math.floor((done + 1) * every) - math.floor(done * every)):
            self._step_reinforce(context, engine)

    def facts(self) -> dict[str, Any]:
        """The baseline of REINFORCE."""
        return {"baseline": self._baseline}

    def restore(self, facts: dict[str, Any]) -> None:
        """Take up the baseline."""
        self._baseline = facts["baseline"]

    @classmethod
    def tasks(cls, recipe: Recipe) -> tuple[str, ...]:
        """All, but for REINFORCE, whose reward is a share of right classes."""
        return ("classification",) if own(recipe, ProxylessRecipe).gradient == "reinforce" else super().tasks(recipe)

    def derive(self, decisions: Decisions) -> np.ndarray:
        """The operator of largest p on every edge."""
        return self._relaxation.derive([p.detach().cpu().numpy() for p in self._probabilities()])

    def _probabilities(self) -> list[torch.Tensor]:
        """p of each edge, (O,)."""
        return [alpha.softmax(0) for alpha in self.state.values()]

    def _draw(self, rng: np.random.Generator) -> list[int]:
        """One operator for each edge, by p."""
        return [draw_operator(alpha, rng) for alpha in self.state.values()]

    def _step_gates(self, context: StepContext, engine: Engine) -> None:
        """One step by the gradients of binary gates, on held images."""
        recipe = own(context.recipe, ProxylessRecipe)
        assert recipe.gradient != "reinforce"
        alphas = self.state.values()
        draws = [draw_gates(alpha, recipe.gradient, context.rng) for alpha in alphas]
        batch = engine.held_batch()
        with self._path([draw.active for draw in draws], engine) as row:
            engine.supernet.activate(row)
            for edge, draw in zip(self._relaxation.edges, draws, strict=True):
                for place in edge.places:
                    place.policy = gate_policy(draw, recipe.gradient)
            if recipe.zero == "learnt":  # an edge on which `none` is active has gates, too
                for node in self._relaxation.sums:
                    node.policy = added
            with engine.autocast():
                loss = context.task.loss(engine.supernet(batch.images), batch.targets)
            loss = self._with_resource(loss, recipe)
            # Only the gates and what the resource depends on: no gradient of a weight is computed.
            gates = [draw.gates for draw in draws]
            found = torch.autograd.grad(loss, [*gates, *alphas], allow_unused=True)
        learnt = []
        for number, (draw, alpha) in enumerate(zip(draws, alphas, strict=True)):
            if draw.active in self._zeros[number]:
                alpha.grad = None
                continue
            of_gates, of_resource = found[number], found[len(draws) + number]
            alpha.grad = torch.zeros_like(alpha) if of_resource is None else of_resource.clone()
            if of_gates is not None:
                index = torch.tensor(draw.involved, device=alpha.device)
                alpha.grad[index] += softmax_gradient(of_gates, alpha.detach()[index])
            learnt.append((draw, alpha, alpha.detach().clone()))
        engine.ranks.average([alpha.grad for _, alpha, _ in learnt if alpha.grad is not None])
        self._adam.step()
        if recipe.gradient == "two":
            for draw, alpha, before in learnt:
                keep_total(alpha.data, draw.involved, before)

    def _step_reinforce(self, context: StepContext, engine: Engine) -> None:
        """One step by the rewards of drawn networks on held images; updates of the same weight step share these."""
        recipe = own(context.recipe, ProxylessRecipe)
        drawn = [self._draw(context.rng) for _ in range(recipe.networks)]
        rewards = torch.tensor([self._reward(active, engine, recipe) for active in drawn], device=engine.device)
        engine.ranks.average([rewards])
        mean = float(rewards.mean())
        self._baseline = mean if self._baseline is None else self._baseline + recipe.baseline_weight * (mean - self._baseline)
        advantages = (rewards - self._baseline) / recipe.networks
        for number, alpha in enumerate(self.state.values()):
            alpha.grad = torch.zeros_like(alpha)
            p = alpha.detach().softmax(0)
            for active, advantage in zip(drawn, advantages.tolist(), strict=True):
                # The gradient of -ln p of the operator drawn is p minus its one-hot vector.
                alpha.grad += advantage * p
                alpha.grad[active[number]] -= advantage
        self._adam.step()

    @torch.no_grad()
    def _reward(self, active: Sequence[int], engine: Engine, recipe: ProxylessRecipe) -> float:
        """Share of right answers, times (reference / E)^omega where there is a metric."""
        batch = engine.held_batch()
        with self._path(active, engine) as row, engine.autocast():
            engine.supernet.activate(row)
            right = float((engine.supernet(batch.images).argmax(1) == batch.labels).float().mean())
        if self._cost is None or recipe.reference is None:
            return right
        return reward(right, float(self._cost(row[None])[0]), recipe.reference, recipe.reward_power)

    def _with_resource(self, loss: torch.Tensor, recipe: ProxylessRecipe) -> torch.Tensor:
        if self._cost is None or recipe.reference is None:
            return loss
        weigh = ResourceLoss(
            recipe.resource_loss, recipe.reference, recipe.resource_scale, recipe.resource_power, recipe.resource_weight
        )
        return weigh(loss, expected(self._cost, self._probabilities()))

    @contextlib.contextmanager
    def _path(self, active: Sequence[int], engine: Engine) -> Iterator[np.ndarray]:
        """Inside, the operators of one path are in force once the row given is activated.

        Where edges are decisions a path is an architecture, which runs what the space says. Else every edge takes part.
        """
        try:
            if self._relaxation.decided:
                yield np.array(active, dtype=np.uint8)
                return
            for edge, number in zip(self._relaxation.edges, active, strict=True):
                for place in edge.places:
                    place.policy = partial(_run_operator, number)
            for node in self._relaxation.sums:
                node.policy = added
            yield engine.supernet.space.decisions.largest()[0]
        finally:
            self._relaxation.remove_policies()


def reward(accuracy: float, resource: float, reference: float, power: float) -> float:
    """accuracy * (reference / resource)^power, for an accuracy of 0 to 1."""
    return float(accuracy * (reference / resource) ** power)


def _run_operator(number: int, switch: Switch, x: torch.Tensor) -> torch.Tensor:
    return switch.candidates[number](x)  # type: ignore[no-any-return]


def _zeros(relaxation: Relaxation, recipe: ProxylessRecipe) -> list[set[int]]:
    """For each edge the numbers of the operators whose steps are left out: those named so, and without weights."""
    if recipe.zero == "learnt":
        return [set() for _ in relaxation.edges]
    found = []
    for edge in relaxation.edges:
        weightless = [
            not any(True for place in edge.places for _ in place.candidates[number].parameters())
            for number in range(len(edge.operators))
        ]
        found.append({n for n, name in enumerate(edge.operators) if name in ZEROS and weightless[n]})
    return found


def _architecture_start(steps: int, recipe: ProxylessRecipe) -> int:
    """The first weight step that an architecture step may follow."""
    return recipe.step_of(recipe.warmup_epochs + recipe.frozen_epochs, steps)
