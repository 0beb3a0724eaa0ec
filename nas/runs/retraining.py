"""Everything that training one network of a run by itself needs, worked out before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import fx

from nas.architectures import Architecture
from nas.base.errors import NasError
from nas.data import ImageData, TrainingBatches, fixed_batches
from nas.runs.config import RunConfig, illegal
from nas.runs.folder import RunFolder
from nas.runs.manifest import Manifest
from nas.runs.stages import EVALUATION_BATCH
from nas.runs.trained import load_trained, locate
from nas.runs.training_options import EMBEDDED_EPOCHS, augmented, compute_device, steps_of, weighted
from nas.runs.winner import winner_of
from nas.searching import Evaluator
from nas.supernet import Space, Supernet, Task
from nas.training import Alone, Distilled, Recipe, Stepper, current_ranks, settle_norms
from nas.training.trainers.distilled import TEMPERATURE, WEIGHT

INHERIT, SCRATCH = "inherit", "scratch"

INHERITED_RATE = 0.25
"""Learning rate of a network that goes on with weights, as a share of that of the run: a full one would undo what they know."""

INHERITED_EPOCHS = 1 / 3
"""Length of its training where no budget is given, as a share of that from scratch."""


class Retrain(BaseModel):
    """What was asked of a retraining besides the options that every training has; kept in its manifest's plan.

    Attributes:
        run: the run that found the network: a path, relative to the retraining's folder where it lies in the run's.
        start: whether the network begins with the weights that the run gave it, or with fresh ones.
        network: what it is called, such as 'winner' or 'runner-up 2'.
        architecture: as `Architecture.to_json` gives it.
        distill: whether the supernet's largest network teaches it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str
    start: Literal["inherit", "scratch"]
    network: str
    architecture: dict[str, Any]
    distill: bool = False
    distill_weight: float = Field(WEIGHT, ge=0, le=1)
    temperature: float = Field(TEMPERATURE, gt=0, allow_inf_nan=False)

    @staticmethod
    def checked(**given: Any) -> Retrain:
        """The same, or an error that names the option, what was given and what is legal."""
        try:
            return Retrain.model_validate(given)
        except ValidationError as error:
            raise illegal(error) from error


@dataclass(frozen=True)
class Retraining:
    """The parts of a retraining.

    Attributes:
        config: budget, seed, augmentation and the like.
        source: the manifest of the run that found the network.
        run: that run's folder.
        recipe: figures of the training.
    """

    config: RunConfig
    asked: Retrain
    source: Manifest
    run: RunFolder
    space: Space
    architecture: Architecture
    task: Task
    data: ImageData
    recipe: Recipe

    @property
    def compute(self) -> torch.device:
        """Where it is trained."""
        return compute_device(self.config.compute)

    def batches(self) -> TrainingBatches:
        """Training batches, this process's part of them. Raises NasError where a batch is larger than the data, or the
        augmentation does not suit it."""
        learned, augmentation, ranks = weighted(self.data, self.config), augmented(self.data, self.config), current_ranks()
        part = (ranks.rank, ranks.size)
        return TrainingBatches(self.data, self.recipe.batch_size, self.config.seed, augmentation, part=part, task=learned)

    def network(self) -> fx.GraphModule:
        """The network as it is before the training, on the CPU.

        Raises:
            NasError: the weights that it is to begin with are gone, or are another network's.
        """
        if self.asked.start == SCRATCH:
            return self.space.network(self.architecture, self.task, self.config.seed)
        if self.asked.network != "winner":
            return self._extracted(self.architecture)
        return winner_of(self.run, self.space, self.architecture, self.task)

    def stepper(self, steps: int) -> Stepper:
        """The training, before its first step."""
        network, ranks = self.network(), current_ranks()
        if ranks.size > 1:
            # Batch norms that each process has estimated anew may differ in their last bits.
            network.load_state_dict(ranks.share(network.state_dict))
        alone = Supernet(self.space, network, self.task).to(self.compute)
        trainer = Alone()
        if self.asked.distill:
            teacher = self._extracted(self.space.whole.largest).eval().requires_grad_(False)
            trainer = Distilled(
                teacher.to(device=self.compute, memory_format=torch.channels_last),  # type: ignore[call-overload]
                self.asked.distill_weight,
                self.asked.temperature,
            )
        config = self.config
        return Stepper(alone, trainer, self.batches(), self.recipe, steps, config.seed, config.precision, ranks=ranks)

    def planned_steps(self) -> int:
        """How many steps the budget comes to; without one, as many epochs as the recipe has, fewer for inherited weights."""
        usual = EMBEDDED_EPOCHS if self.data.source == "digits" else self.recipe.epochs
        epochs = usual * (INHERITED_EPOCHS if self.asked.start == INHERIT else 1.0)
        return steps_of(self.config, epochs, self.batches(), self.stepper)

    def finished(self, stepper: Stepper) -> fx.GraphModule:
        """The trained network in evaluation mode, on the CPU."""
        network: fx.GraphModule = stepper.supernet.network
        if self.recipe.average is not None:
            images = fixed_batches(self.data, "train", EVALUATION_BATCH, self.source.config.calibration_images)
            settle_norms(network, (batch.images.to(self.compute) for batch in images))
        return network.to(device="cpu", memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload,no-any-return]

    def _extracted(self, architecture: Architecture) -> fx.GraphModule:
        """An architecture with the supernet's weights, its batch norms re-estimated as in the search."""
        space, task = self.space.whole, self.task
        supernet = space.supernet(task.channels, task.resolution, task.classes, self.source.config.seed)
        supernet = supernet.to(device=self.compute, memory_format=torch.channels_last)  # type: ignore[call-overload]
        load_trained(supernet_of(self.source, self.run), supernet)
        calibration = fixed_batches(self.data, "train", EVALUATION_BATCH, self.source.config.calibration_images)
        return Evaluator(supernet, calibration, ()).network(space.encode([architecture])[0])


def supernet_of(source: Manifest, run: RunFolder) -> Path:
    """The trained supernet of a run. Raises NasError where it has none, or where it is gone."""
    return locate(run.path if source.config.supernet is None else Path(source.config.supernet))


def recipe_for(start: str, recipe: Mapping[str, Any], settings: Mapping[str, Any]) -> Recipe:
    """The figures of a retraining: those of the run, without what only a supernet needs, then what was asked.

    Args:
        recipe: of the run's training; figures of its trainer's own are left out.
        settings: what was asked.

    Raises:
        NasError: a setting is unknown or illegal.
    """
    common = {name: value for name, value in recipe.items() if name in Recipe.model_fields}
    common |= {"norm_affine": True, "sync_norms": False, "architecture_share": 0.0, "decay_on": "all"}
    if start == INHERIT:
        for name in ("learning_rate", "last_rate"):
            common[name] = INHERITED_RATE * common.get(name, Recipe.model_fields[name].default)
    found = Recipe.model_validate(common).changed(settings)
    if found.sync_norms:
        raise NasError(
            "sync_norms is for supernets: a network that is trained by itself has torch's own batch norms, which use each "
            "process's own images; leave out --set sync_norms"
        )
    return found
