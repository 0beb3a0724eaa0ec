"""Progressive shrinking (Cai et al., Once-for-All, 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F

from nas.elastic import Dimension, sort_channels
from nas.supernet import Space
from nas.training.nested.divergence import DISTANCES
from nas.training.nested.openings import SIZES, Openings
from nas.training.nested.progressive_schedule import Placed, ProgressiveRecipe, Stage, place, rate_in, stages
from nas.training.nested.teacher import Teacher
from nas.training.optimisers import forget
from nas.training.recipe import Recipe, own
from nas.training.trainer import Engine, Pass, Phase, StepContext, Trainer


class ProgressiveShrinking(Trainer):
    """The full network first, then smaller kernels, then fewer blocks, then narrower ones, each taught by the full network.

    A phase opens one dimension, from its largest options down; what was opened stays open, what was not stays at its
    largest. Resolution is open from the start: one is drawn for each batch. What a decision changes is read from the elastic
    layers that hold it, and a space without one of the dimensions has no phase for it. Widths are all of them, those inside
    blocks and those of the network; only channels inside blocks are sorted.

    Every phase has its own rate, warm-up and cosine, and begins with a fresh optimiser. From the second phase on, the loss of a
    sub-network is cross-entropy plus `kd_ratio` times the distance to the scores of the full network as it was after the first
    phase; gradients of a step's sub-networks are summed.
    """

    defaults = ProgressiveRecipe(
        optimiser="sgd",
        learning_rate=2.6 / 32,
        reference_batch=64,
        momentum=0.9,
        nesterov=True,
        weight_decay=3e-5,
        decay_of="matrices",
        schedule="cosine",
        label_smoothing=0.1,
        dropout=0.1,
        epochs=180 + 125 + 25 + 125 + 25 + 125,
    )
    summary = "full network, then smaller kernels, depths and widths in phases, taught by the full network"
    source = "Cai et al., Once-for-All: Train One Network and Specialize it for Efficient Deployment, 2020"
    origins: ClassVar[Mapping[str, str]] = {
        "learning_rate": "the full network's, 2.6 for 2048 images; not in the authors' script, the usual figure elsewhere",
        "full_epochs": "not in the authors' script, the usual figure elsewhere",
        "warmup": "not in the authors' script for the full network",
        "epochs": "the sum over the phases",
    }

    def __init__(self) -> None:
        self._space: Space | None = None
        self._schedules: dict[tuple[int, Recipe], list[Placed]] = {}
        self._openings: dict[int, Openings] = {}
        """For each stage, by its number."""

    @classmethod
    def misfit(cls, space: Space, recipe: Recipe) -> str | None:
        """A space needs sizes that shrink: kernels, depths or widths."""
        if set(SIZES).isdisjoint(space.dimensions.values()):
            return "none of its decisions is a kernel, a depth or a width, so that no network is part of a larger one"
        return None

    def prepare(self, engine: Engine) -> None:
        """Learn which phases the space has, and what is open in them."""
        self._space = engine.supernet.space
        self._schedules.clear()
        placed = self._placed(engine.steps, engine.recipe)
        self._openings = {each.index: Openings(self._space, each.stage.parts) for each in placed}

    def phases(self, steps: int, recipe: Recipe) -> list[Phase]:
        """The schedule; of a space that is not known yet, that of one with all dimensions."""
        return [Phase(each.stage.name, each.start, each.stage.text(recipe)) for each in self._placed(steps, recipe)]

    def rate(self, step: int, steps: int, recipe: Recipe) -> float:
        """That of the phase."""
        return rate_in(self._at(step, steps, recipe), step, recipe)

    def resume(self, step: int, engine: Engine) -> None:
        """The teacher is in every checkpoint that was written after the first step with one."""
        if own(engine.recipe, ProgressiveRecipe).kd_ratio and step > self._placed(engine.steps, engine.recipe)[0].end:
            self.state = Teacher(engine.supernet, engine.recipe, engine.ranks)

    def step(self, context: StepContext, engine: Engine) -> float:
        """The passes of the phase's sub-networks; before the first of a phase, what the phase begins with."""
        placed = self._at(context.step, context.steps, context.recipe)
        if placed.index and context.step == placed.start:
            self._begin(placed, engine)
        figures, openings = own(context.recipe, ProgressiveRecipe), self._openings[placed.index]
        rows = openings.sample(context.rng, placed.stage.networks)
        taught = None
        if placed.index and figures.kd_ratio:
            assert isinstance(self.state, Teacher)
            full = openings.at_resolution_of(rows[0], context.decisions.largest())[0]
            with engine.autocast():
                taught = self.state.scores(full, engine.batch().images)

        def loss(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            hard = context.loss(scores, targets)
            if taught is None:
                return hard
            distance = DISTANCES[context.task.kind] if figures.kd_type == "soft" else F.mse_loss
            return figures.kd_ratio * distance(scores, taught) + hard

        return sum(engine.learn(Pass(row, loss))[1] for row in rows)

    def _begin(self, placed: Placed, engine: Engine) -> None:
        figures = own(engine.recipe, ProgressiveRecipe)
        if figures.kd_ratio and self.state is None:
            self.state = Teacher(engine.supernet, engine.recipe, engine.ranks)
        if placed.stage.opens == "width" and figures.sort_channels:
            earlier = [each for each in self._placed(engine.steps, engine.recipe) if each.end == placed.start]
            sort_channels(engine.supernet, self._openings[earlier[0].index].values, engine.companions)
        forget(engine.optimiser)

    def _stages(self, recipe: Recipe) -> list[Stage]:
        options: dict[Dimension, list[int]] = {size: [3] for size in SIZES}
        if self._space is not None:
            options = {}
            for name, dimension in self._space.dimensions.items():
                column = self._space.decisions.column[name]
                options.setdefault(dimension, []).append(int(self._space.decisions.cardinalities[column]))
        return stages(own(recipe, ProgressiveRecipe), options)

    def _placed(self, steps: int, recipe: Recipe) -> list[Placed]:
        key = (steps, recipe)
        if key not in self._schedules:
            self._schedules[key] = place(self._stages(recipe), steps)
        return self._schedules[key]

    def _at(self, step: int, steps: int, recipe: Recipe) -> Placed:
        return next(each for each in self._placed(steps, recipe) if step < each.end)
