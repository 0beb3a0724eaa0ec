"""One training step, whatever the rule."""

from __future__ import annotations

import math

import torch

from nas.base.errors import NasError
from nas.base.seeds import generator, integer_seed
from nas.data import TrainingBatches
from nas.elastic import DirectGradients, ElasticBatchNorm2d
from nas.supernet import Supernet
from nas.training.optimisers import build_optimiser, rate_at
from nas.training.recipe import Recipe
from nas.training.trainer import StepContext, Trainer


class Diverged(NasError):
    """A loss that is no finite number."""


class Stepper:
    """A supernet being trained by a rule; use as a context, which attaches the direct gradients.

    Every random number of a step comes from the seed and the step's number, so that any step can be done again.
    """

    def __init__(
        self,
        supernet: Supernet,
        trainer: Trainer,
        batches: TrainingBatches,
        recipe: Recipe,
        steps: int,
        seed: int,
        precision: str = "32-true",
    ) -> None:
        self.supernet = supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.trainer, self.batches, self.recipe = trainer, batches, recipe
        self.steps, self.seed, self.precision = steps, seed, precision
        self.device = next(supernet.parameters()).device
        for module in supernet.modules():
            if isinstance(module, ElasticBatchNorm2d):
                module.requires_grad_(recipe.norm_affine)
        self.optimiser = build_optimiser(supernet, recipe)
        self._gradients = DirectGradients(supernet)
        self._dropout = torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else [])

    def __enter__(self) -> Stepper:
        self.supernet.train()
        self._dropout.__enter__()
        self._gradients.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._gradients.__exit__(None, None, None)
        self._dropout.__exit__(None, None, None)

    def run(self, step: int) -> float:
        """Do one step; returns the weighted sum of the losses. Raises Diverged when that is no finite number."""
        batch = self.batches.batch(step)
        images = batch.images.to(self.device, non_blocking=True)
        targets = batch.targets.to(self.device, non_blocking=True)
        self._seed_dropout(step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.recipe, step, self.steps)
        self._gradients.begin()
        total = self._passes(step, images, targets)
        self._gradients.end()
        if not math.isfinite(total):
            raise Diverged(
                f"the loss is {total} at step {step + 1}: training diverged; lower the rate, for example with "
                f"--set learning_rate={self.recipe.learning_rate / 4:g}, or clip gradients with --set clip_norm=1"
            )
        if self.recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.supernet.parameters(), self.recipe.clip_norm)
        self.optimiser.step()
        return total

    def _passes(self, step: int, images: torch.Tensor, targets: torch.Tensor) -> float:
        """Forward and backward for everything that the rule asks for; gradients add up."""
        rng = generator(self.seed, "architectures", step)
        context = StepContext(step, self.steps, self.supernet.space.decisions, rng, self.recipe)
        rule = self.trainer.passes(context)
        total = 0.0
        asked = next(rule, None)
        while asked is not None:
            self.supernet.activate(asked.row)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16-mixed"):
                scores = self.supernet(images)
                loss = asked.loss(scores, targets) * asked.weight
            loss.backward()
            total += float(loss.detach())
            try:
                asked = rule.send(scores.detach())
            except StopIteration:
                asked = None
        return total

    def _seed_dropout(self, step: int) -> None:
        """Dropout draws from torch's own generator, which is this loop's alone until it ends."""
        drawn = integer_seed(self.seed, "dropout", step)
        torch.default_generator.manual_seed(drawn)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(drawn)
