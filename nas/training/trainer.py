"""What a trainer is: a rule that says, for each step, which sub-networks learn what."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import nn

from nas.architectures import Decisions
from nas.base import plugins
from nas.base.errors import NasError
from nas.data import CLASSIFICATION, Batch, LearningTask
from nas.data.tasks import TASKS
from nas.supernet import Space, Supernet
from nas.supernet.separate import no_supernet
from nas.training.parallel.ranks import Ranks
from nas.training.recipe import Recipe
from nas.training.schedules import rate_at

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Scores (N, outputs) and targets ((N,) classes, or (N, outputs) shares or numbers) -> scalar."""


@dataclass(frozen=True)
class Pass:
    """One forward and backward pass of a step.

    Attributes:
        row: the sub-network, (D,) option indices.
        loss: what it minimises on this batch.
        weight: factor of its gradient in the step's sum.
        regularised: whether dropout and drop path are on.
        images: which of the step's images it learns from, in this process.
    """

    row: np.ndarray
    loss: Loss
    weight: float = 1.0
    regularised: bool = True
    images: slice = field(default_factory=lambda: slice(None))


@dataclass(frozen=True)
class StepContext:
    """What a rule may use: where training stands, the space, random numbers of this step alone, what runs the rule, and the
    task."""

    step: int
    steps: int
    decisions: Decisions
    rng: np.random.Generator
    recipe: Recipe
    engine: Engine
    task: LearningTask = CLASSIFICATION

    @property
    def epoch(self) -> float:
        """How many epochs of the recipe's `epochs` are done; a shorter budget goes through them faster."""
        return self.step / self.steps * self.recipe.epochs

    def loss(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """What the task minimises, for classes cross-entropy with the recipe's label smoothing."""
        return self.task.loss(scores, targets, self.recipe.label_smoothing)


class Engine(Protocol):
    """What runs a rule: the one loop's step, as a trainer sees it.

    Attributes:
        optimiser: over the supernet's weights; the loop steps it after the rule.
        steps_per_epoch: batches that make one pass over the data.
    """

    supernet: Supernet
    recipe: Recipe
    steps: int
    seed: int
    device: torch.device
    ranks: Ranks
    optimiser: torch.optim.Optimizer
    steps_per_epoch: int

    def batch(self) -> Batch:
        """The training images of this step and their targets, on the device."""

    def held_batch(self) -> Batch:
        """Images for architecture parameters, from the share of the training images that weights are not trained on."""

    def plain_batch(self) -> Batch:
        """The images of this step without augmentation, for rules with augmentations of their own."""

    def plain_held(self, images: int) -> list[Batch]:
        """Fixed batches without augmentation from the share that weights are not trained on, always the same.

        Args:
            images: how many there are at least, over all processes; fewer where the share is smaller.
        """

    def colours(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of each channel with which images are normalised."""

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The precision in which passes run."""

    def say(self, text: str) -> None:
        """Tell the user one line."""

    def learn(self, asked: Pass) -> tuple[torch.Tensor, float]:
        """One forward and backward pass on this step's batch; gradients add up.

        Returns:
            The scores, detached, and the loss times its weight.
        """

    def predict(self, row: np.ndarray) -> torch.Tensor:
        """Scores of a sub-network, (D,) option indices, on this step's batch by a forward pass alone.

        The batch's own statistics, without regularisation and without gradients. Several processes see different images.
        """

    def step_along(self, optimiser: torch.optim.Optimizer) -> None:
        """A step of an optimiser of the rule's own: at the rate of the weights, by gradients over all processes, which are
        gone then.
        """

    def companions(self, parameter: nn.Parameter) -> list[torch.Tensor]:
        """What is kept for each entry of a weight, optimiser state and moving average; for rules that move weights."""


@dataclass(frozen=True)
class Phase:
    """A part of a training that differs from the others.

    Attributes:
        start: number of its first step.
        text: what is trained, for the user.
    """

    name: str
    start: int
    text: str


class Trainer:
    """A step rule. One loop runs every rule; a rule knows decisions and elastic layers, never a particular space.

    Most rules only write `passes`. A rule that does more (a second optimiser, a teacher, another kind of pass) overrides
    `step`, makes what it needs in `prepare`, and names it in `state` and `optimisers`, so that checkpoints hold it.

    Attributes:
        defaults: the paper's recipe.
        summary: one line for `nas trainers`.
        source: the paper.
        origins: name of a figure -> where its default is from, where that is not the paper.
        state: further tensors of the rule: architecture parameters, a teacher.
        optimisers: by name, over parameters of `state`.
    """

    defaults: ClassVar[Recipe]
    summary: ClassVar[str]
    source: ClassVar[str]
    origins: ClassVar[Mapping[str, str]] = {}

    state: nn.Module | None = None
    optimisers: Mapping[str, torch.optim.Optimizer] = {}

    @classmethod
    def tasks(cls, recipe: Recipe) -> tuple[str, ...]:
        """The kinds of task that the rule can learn: all where its losses are `StepContext.loss` and distances of the task."""
        return tuple(task.kind for task in TASKS)

    @classmethod
    def misfit(cls, space: Space, recipe: Recipe) -> str | None:
        """Why a space cannot be trained this way, as a sentence that goes on after 'because'; None where it can."""
        return None

    def prepare(self, engine: Engine) -> None:
        """Called once, before the first step or the reading of a checkpoint: initialise weights, make `state`.

        Random numbers come from generators made from `engine.seed`.
        """

    def is_direct(self, recipe: Recipe) -> bool:
        """Whether passes run one sub-network whose gradients are added directly (`nas.elastic.DirectGradients`).

        A rule that differentiates through the supernet itself, or looks at the gradient of each pass, says False.
        """
        return True

    def phases(self, steps: int, recipe: Recipe) -> list[Phase]:
        """The parts of a training of so many steps; none where it is of one piece."""
        return []

    def cycle(self, recipe: Recipe, steps_per_epoch: int) -> int | None:
        """After how many steps their work repeats, so that so many are timed where a budget is given in minutes.

        None where the time does not follow the number of steps, so that minutes cannot be turned into steps.
        """
        return 1

    def rate(self, step: int, steps: int, recipe: Recipe) -> float:
        """The learning rate of the weights in one step."""
        return rate_at(recipe, step, steps)

    def passes(self, context: StepContext) -> Generator[Pass, torch.Tensor, None]:
        """The passes of one step, in order.

        Each `yield` returns that pass's scores, detached, so that a later pass can learn from an earlier one:

            teacher = yield Pass(largest, context.loss)
            yield Pass(smallest, lambda scores, targets: distance(scores, teacher))

        The gradients of all passes are summed, each times its weight, before the optimiser's one step.
        """
        raise TypeError(f"{type(self).__name__} does not say which sub-networks a step trains: write passes or step")

    def step(self, context: StepContext, engine: Engine) -> float:
        """Leave the step's gradients on the supernet's weights; returns the loss, summed over passes with their weights."""
        rule = self.passes(context)
        total = 0.0
        asked = next(rule, None)
        while asked is not None:
            scores, loss = engine.learn(asked)
            total += loss
            self.after_pass(context)
            try:
                asked = rule.send(scores)
            except StopIteration:
                asked = None
        return total

    def after_pass(self, context: StepContext) -> None:
        """Called after each of the step's `passes`, whose gradients are added to those of the passes before."""

    def after(self, context: StepContext, engine: Engine) -> None:
        """Called after the optimiser's step."""

    def resume(self, step: int, engine: Engine) -> None:
        """Called before a checkpoint of so many steps is read: make what `state` holds by then and does not at the start."""

    def facts(self) -> dict[str, Any]:
        """What a checkpoint must hold besides tensors, as JSON."""
        return {}

    def restore(self, facts: dict[str, Any]) -> None:
        """Take up the facts of a checkpoint."""

    def derive(self, decisions: Decisions) -> np.ndarray | None:
        """The architecture (D,) that the training itself arrived at, where the rule learns one."""
        return None


def open_trainer(name: str) -> Trainer:
    """The installed trainer of that name. Raises NasError that lists what is installed."""
    found: Any = plugins.load("trainers", name, "trainer")
    if not (isinstance(found, type) and issubclass(found, Trainer)):
        raise NasError(f"the entry point of trainer '{name}' must be a subclass of nas.training.Trainer; it is {found!r}")
    return found()


def require_task(name: str, trainer: Trainer, recipe: Recipe, task: LearningTask) -> None:
    """Raise NasError unless the trainer can learn the task; the error names those that can."""
    if task.kind in trainer.tasks(recipe):
        return
    others = {other: open_trainer(other) for other in plugins.installed("trainers")}
    fitting = [other for other, candidate in others.items() if task.kind in candidate.tasks(candidate.defaults)]
    raise NasError(
        f"trainer '{name}' learns {', '.join(trainer.tasks(recipe))}, and the data are for {task.kind}; trainers that can: "
        f"{', '.join(fitting)}"
    )


def require_fit(name: str, trainer: Trainer, space: Space, recipe: Recipe) -> None:
    """Raise NasError unless the trainer can train the space; the error says why not and names those that can."""
    if space.separate:
        raise no_supernet(space)
    why = trainer.misfit(space, recipe)
    if why is None:
        return
    others = {other: open_trainer(other) for other in plugins.installed("trainers")}
    fitting = [other for other, candidate in others.items() if candidate.misfit(space, candidate.defaults) is None]
    raise NasError(
        f"trainer '{name}' cannot train space '{space.name}', because {why}; trainers that can: {', '.join(fitting)}"
    )
