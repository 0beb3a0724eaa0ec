"""One training step, whatever the rule."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from nas.base.errors import NasError
from nas.base.seeds import generator, integer_seed
from nas.data import Batch, TrainingBatches
from nas.elastic import DirectGradients, ElasticBatchNorm2d
from nas.training.average import WeightAverage
from nas.training.optimisers import build_optimiser
from nas.training.parallel.joint_norms import joined
from nas.training.parallel.ranks import Ranks
from nas.training.recipe import Recipe
from nas.training.regularisers import Regularisers, run_by_largest
from nas.training.trainer import Pass, StepContext, Trainer


class Diverged(NasError):
    """A loss that is no finite number."""


def freeze_norms(network: nn.Module) -> None:
    """Let batch norms do without scale and shift: 1 and 0 for good, since a scale that began at 0 would shut its branch."""
    for module in network.modules():
        if isinstance(module, ElasticBatchNorm2d):
            module.neutralise()


def running_statistics(network: nn.Module) -> list[torch.Tensor]:
    """Means and variances that torch's own batch norms keep, which each process takes from its own images."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    return [kept for norm in norms for kept in (norm.running_mean, norm.running_var) if kept is not None]


class Stepper:
    """A supernet being trained by a rule; use as a context, which attaches the direct gradients.

    Every random number of a step comes from the seed and the step's number, so that any step can be done again. It is the
    `nas.training.trainer.Engine` of its trainer.

    Args:
        trainer: one object for each training, since a rule may have a state.
        batches: what weights are trained on, this process's part of every batch.
        held: batches for architecture parameters, where the recipe keeps a share of the images for them.
        ranks: the processes that train together.

    Attributes:
        stop_asked: asked once a step, whether somebody wants the training to stop.
        say: takes lines for the user; nobody listens until the loop does.
        stopping: whether somebody did in the last step, in any of the processes: all of them learn it at the same step.
    """

    def __init__(
        self,
        supernet: Any,
        trainer: Trainer,
        batches: TrainingBatches,
        recipe: Recipe,
        steps: int,
        seed: int,
        precision: str = "32-true",
        held: TrainingBatches | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self.supernet = supernet.to(memory_format=torch.channels_last)
        self.trainer, self.batches, self.held, self.recipe = trainer, batches, held, recipe
        self.steps, self.seed, self.precision = steps, seed, precision
        self.ranks = ranks or Ranks()
        self.steps_per_epoch = batches.steps_per_epoch
        self.device = next(supernet.parameters()).device
        if not recipe.norm_affine:
            freeze_norms(supernet)
        self._regularisers = Regularisers(supernet, recipe)
        decayed = run_by_largest(supernet) if recipe.decay_on == "largest" and recipe.weight_decay else None
        self.optimiser = build_optimiser(supernet, recipe, decayed)
        self.stop_asked: Callable[[], bool] = lambda: False
        self.say: Callable[[str], None] = lambda text: None
        self.stopping = False
        self._current: dict[str, Batch] = {}
        self._step = 0
        trainer.prepare(self)
        self.average = None if recipe.average is None else WeightAverage(supernet, recipe.average)
        self._gradients = DirectGradients(supernet) if trainer.is_direct(recipe) else None
        joint = recipe.sync_norms and self.ranks.size > 1
        self._joint_norms = joined(supernet, self.ranks) if joint else contextlib.nullcontext()
        self._dropout = torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else [])

    def __enter__(self) -> Stepper:
        self.supernet.train()
        self._dropout.__enter__()
        self._joint_norms.__enter__()
        if self._gradients is not None:
            self._gradients.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._gradients is not None:
            self._gradients.__exit__(None, None, None)
        self.optimiser.zero_grad(set_to_none=True)
        self._joint_norms.__exit__(None, None, None)
        self._dropout.__exit__(None, None, None)

    @property
    def rate(self) -> float:
        """The learning rate of the weights in the last step."""
        return float(self.optimiser.param_groups[0]["lr"])

    @property
    def parts(self) -> dict[str, tuple[nn.Module, torch.optim.Optimizer | None]]:
        """What the training consists of besides the supernet: modules by name, each with its optimiser where it has one."""
        found: dict[str, tuple[nn.Module, torch.optim.Optimizer | None]] = {}
        if self.average is not None:
            found["average"] = (self.average, None)
        if self.trainer.state is not None:
            found["rule"] = (self.trainer.state, None)
            for name, optimiser in self.trainer.optimisers.items():
                found[f"rule-{name}"] = (self.trainer.state, optimiser)
        return found

    def run(self, step: int) -> float:
        """Do one step; returns the weighted sum of the losses. Raises Diverged when that is no finite number."""
        self._step = step
        self._current.clear()
        self._seed_dropout(step)
        rate = self.trainer.rate(step, self.steps, self.recipe)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self._regularisers.set_progress(step / self.steps)
        rng = generator(self.seed, "architectures", step)
        context = StepContext(step, self.steps, self.supernet.space.decisions, rng, self.recipe, self, self.batches.task)
        if self._gradients is None:
            self.optimiser.zero_grad(set_to_none=True)
            total = self.trainer.step(context, self)
        else:
            self._gradients.begin()
            total = self.trainer.step(context, self)
            self._gradients.end()
        total = self._reduce(total)
        if not math.isfinite(total):
            raise Diverged(
                f"the loss is {total} at step {step + 1}: training diverged; lower the rate, for example with "
                f"--set learning_rate={self.recipe.learning_rate / 4:g}, or clip gradients with --set clip_norm=1"
            )
        if self.recipe.clip_value is not None:
            torch.nn.utils.clip_grad_value_(self.supernet.parameters(), self.recipe.clip_value)
        if self.recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.supernet.parameters(), self.recipe.clip_norm)
        self.optimiser.step()
        if self.average is not None:
            self.average.update(step)
        self.trainer.after(context, self)
        return total

    def finish(self) -> None:
        """After the last step: the averaged weights take the place of the last ones, where an average was kept."""
        if self.average is not None:
            self.average.apply_to_network()

    @torch.no_grad()
    def require_agreement(self) -> None:
        """Raise RuntimeError unless all processes hold the same weights to the bit, those of the rule's own included."""
        if self.ranks.size == 1:
            return
        modules = [self.supernet, *(module for module, _ in self.parts.values())]
        sums = [float(weight.double().sum()) for module in modules for weight in module.state_dict().values()]
        if any(found != sums for found in self.ranks.gather(sums)):
            raise RuntimeError(
                f"the processes' weights differ after step {self._step + 1}: trainer {type(self.trainer).__name__} changes "
                "something by gradients of one process alone; a rule averages what it learns apart from the loop's own "
                "optimiser with engine.ranks.average"
            )

    def batch(self) -> Batch:
        """See `Engine`."""
        return self._fetched("batch", self.batches)

    def held_batch(self) -> Batch:
        """See `Engine`."""
        return self._fetched("held", self._kept_images())

    def plain_batch(self) -> Batch:
        """See `Engine`."""
        return self._on_device(self.batches.plain(self._step))

    def plain_held(self, images: int) -> list[Batch]:
        """See `Engine`."""
        held = self._kept_images()
        count = min(math.ceil(images / self.recipe.batch_size), held.steps_per_epoch)
        return [self._on_device(held.plain(number)) for number in range(count)]

    def colours(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """See `Engine`."""
        return self.batches.mean, self.batches.std

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """See `Engine`."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16-mixed")

    def learn(self, asked: Pass) -> tuple[torch.Tensor, float]:
        """See `Engine`."""
        batch = self.batch()
        self.supernet.activate(asked.row)
        with self._regularisers.switched(asked.regularised):
            with self.autocast():
                scores = self.supernet(batch.images[asked.images])
                loss = asked.loss(scores, batch.targets[asked.images]) * asked.weight
            loss.backward()
        return scores.detach(), float(loss.detach())

    @torch.no_grad()
    def predict(self, row: np.ndarray) -> torch.Tensor:
        """See `Engine`."""
        self.supernet.activate(row)
        with self._regularisers.switched(False), self.autocast():
            return self.supernet(self.batch().images)  # type: ignore[no-any-return]

    def step_along(self, optimiser: torch.optim.Optimizer) -> None:
        """See `Engine`."""
        self.ranks.average([p.grad for group in optimiser.param_groups for p in group["params"] if p.grad is not None])
        for group in optimiser.param_groups:
            group["lr"] = self.rate
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    def companions(self, parameter: nn.Parameter) -> list[torch.Tensor]:
        """See `Engine`."""
        state = self.optimiser.state.get(parameter, {}).values()
        found = [value for value in state if isinstance(value, torch.Tensor) and value.shape == parameter.shape]
        return found + ([] if self.average is None else self.average.of(parameter))

    def _kept_images(self) -> TrainingBatches:
        if self.held is None:
            raise RuntimeError(
                "no images are kept for architecture parameters: the recipe's architecture_share is 0; set it above 0, for "
                "example with --set architecture_share=0.1"
            )
        return self.held

    def _fetched(self, name: str, batches: TrainingBatches) -> Batch:
        if name not in self._current:
            self._current[name] = self._on_device(batches.batch(self._step))
        return self._current[name]

    def _on_device(self, batch: Batch) -> Batch:
        return Batch(batch.images.to(self.device, non_blocking=True), batch.targets.to(self.device, non_blocking=True))

    def _reduce(self, total: float) -> float:
        """Mean of gradients, running statistics and loss over the processes; all trained the same sub-networks in this step."""
        if self.ranks.size == 1:
            self.stopping = self.stop_asked()
            return total
        told = torch.tensor([total, float(self.stop_asked())], dtype=torch.float32, device=self.device)
        gradients = [parameter.grad for parameter in self.supernet.parameters() if parameter.grad is not None]
        self.ranks.average([told, *gradients, *running_statistics(self.supernet)])
        self.stopping = bool(told[1] > 0)
        return float(told[0])

    def _seed_dropout(self, step: int) -> None:
        """Dropout draws from torch's own generator, which is this loop's alone until it ends; processes draw apart."""
        stream = ("dropout", step) if self.ranks.leads else ("dropout", step, self.ranks.rank)
        drawn = integer_seed(self.seed, *stream)
        torch.default_generator.manual_seed(drawn)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(drawn)
