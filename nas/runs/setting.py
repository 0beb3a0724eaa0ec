"""Everything a run needs, worked out from what was asked, before any training."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from nas.base.errors import NasError
from nas.base.progress import Reporter
from nas.data import Augmentation, ImageData, LearningTask, Reading, TrainingBatches, load_data
from nas.runs.aims import Searched, checked_strategy, read_aims, read_targets
from nas.runs.config import RunConfig
from nas.runs.measured_part import measured_part
from nas.runs.proxied import open_scorer, proxies_asked, require_usable
from nas.runs.trained import SupernetFacts, read_facts
from nas.runs.training_options import EMBEDDED_EPOCHS, augmented, compute_device, steps_of, weighted
from nas.searching import Objective
from nas.searching.problem import SCORED
from nas.supernet import Space, Supernet, Task, open_space
from nas.supernet.separate import no_supernet
from nas.training import Recipe, Stepper, current_ranks, open_trainer, require_fit, require_log, require_task


@dataclass(frozen=True)
class Setting(Searched):
    """The parts of a run that trains.

    Attributes:
        trained_at: the task the supernet is trained for.
        recipe: the trainer's defaults with what was asked.
        augmentation: of the training images.
        task: what is learned of them, with the weights of classes that were asked for.
    """

    trained_at: Task
    data: ImageData
    recipe: Recipe
    augmentation: Augmentation
    compute: torch.device
    task: LearningTask

    @property
    def accuracy(self) -> Objective:
        """See `Searched`."""
        return SCORED[self.task.headline.name]

    def supernet(self) -> Supernet:
        """A fresh supernet of the whole space for the task it is trained at, laid out as in training."""
        task = self.trained_at
        supernet = self.space.whole.supernet(task.channels, task.resolution, task.classes, self.config.seed).to(self.compute)
        return supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def stepper(self, steps: int) -> Stepper:
        """A fresh training of a fresh supernet."""
        return Stepper(
            self.supernet(),
            open_trainer(self.config.trainer),
            self.batches(),
            self.recipe,
            steps,
            self.config.seed,
            self.config.precision,
            self.batches(held=True) if self.recipe.architecture_share else None,
            current_ranks(),
        )

    def batches(self, held: bool = False) -> TrainingBatches:
        """Batches for the weights, or those held for architecture parameters; this process's part of them."""
        weights = 1.0 - self.recipe.architecture_share
        share = (weights, 1.0) if held else (0.0, weights)
        ranks = current_ranks()
        part = (ranks.rank, ranks.size)
        return TrainingBatches(self.data, self.recipe.batch_size, self.config.seed, self.augmentation, share, part, self.task)


def prepare(
    config: RunConfig,
    space: Space | None = None,
    scores: Path | None = None,
    given: Any = None,
    left_out: Collection[str] | None = None,
    reporter: Reporter | None = None,
) -> Setting:
    """Resolve names, read the data, and make sure that the targets can be met.

    Args:
        space: the object that the configuration names; opened by the name where it is not given.
        scores: the file of what zero-cost proxies said before, where a run goes on.
        given: the data, where they are an object in Python.
        left_out: names of corrupt images, where all images were decoded before.
        reporter: hears how far the decoding is.

    Names, targets and their feasibility come first, so that a mistake is told before data is read.

    Raises:
        NasError: whatever is wrong with what was asked.
    """
    space = space or open_space(config.space)
    trainer = open_trainer(config.trainer)
    checked_strategy(config)
    asked = proxies_asked(config, space)
    require_log(config.log)
    if space.separate:
        _require_separate(space, config)
    recipe = trainer.defaults.changed(space.recipe).changed(config.settings)
    if not space.separate and config.supernet is None:
        require_fit(config.trainer, trainer, space.whole, recipe)
    compute = compute_device(config.compute)
    space = measured_part(space, config)
    targets, resolution = read_targets(config, space)
    facts = read_facts(Path(config.supernet)) if config.supernet is not None else None
    data = _data(config, space, facts, given, left_out, reporter)
    require_task(config.trainer, trainer, recipe, data.task)
    task = weighted(data, config)
    trained_at = Task(data.channels, data.resolution, len(data.classes))
    deployed = config.deploy_resolution or resolution or space.task.resolution
    deployed_at = replace(trained_at, resolution=deployed)
    space = space.at(trained_at, deployed_at)
    objectives, reward, bounds = read_aims(config, space, targets, deployed_at, tuple(metric.name for metric in task.metrics))
    augmentation = augmented(data, config)
    setting = Setting(
        config,
        space,
        targets,
        bounds,
        objectives,
        reward,
        deployed_at,
        asked,
        open_scorer(asked, config, space, data, compute, scores),
        trained_at,
        data,
        recipe,
        augmentation,
        compute,
        task,
    )
    require_usable(setting.proxies, asked, setting.problem(), space, config.seed)
    if config.strategy is not None:
        # Refuses a space that the strategy cannot search, before anything is trained.
        setting.opened(config.strategy, setting.problem())
    if facts is None:
        # Refuses a batch that is larger than the training data.
        setting.batches()
        if recipe.architecture_share:
            setting.batches(held=True)
    return setting


def planned_steps(setting: Setting) -> int:
    """How many training steps the budget comes to, for each candidate where they are trained one by one; 0 where a trained
    supernet is used."""
    config = setting.config
    if config.supernet is not None:
        return 0
    embedded = config.data == "digits" and not setting.space.separate
    epochs = EMBEDDED_EPOCHS if embedded else setting.recipe.epochs
    return steps_of(config, epochs, setting.batches(), setting.stepper)


def describe_data(data: ImageData) -> dict[str, Any]:
    """What the manifest and the exported model say of the data."""
    return {
        "name": data.name,
        "source": data.source,
        "fingerprint": data.fingerprint,
        "seed": data.seed,
        "classes": list(data.classes),
        "channels": data.channels,
        "resolution": data.resolution,
        **data.task.describe(),
        "reading": data.reading.to_json(),
        "counts": data.task.counts(data.train.labels),
        "left_out": list(data.left_out),
        "images": {name: len(split) for name, split in data.splits.items()},
        "mean": list(data.mean),
        "std": list(data.std),
        "note": data.note,
    }


def _require_separate(space: Space, config: RunConfig) -> None:
    """Refuse what only makes sense for a supernet."""
    if config.supernet is not None:
        raise no_supernet(space)
    if config.trainer != RunConfig.model_fields["trainer"].default:
        raise NasError(
            f"space '{space.name}' trains its networks one by one, and trainer '{config.trainer}' is for supernets; leave out "
            "--trainer, and change figures of the training with --set"
        )
    if config.log != "none" or current_ranks().size > 1:
        option = "--log" if config.log != "none" else "several processes"
        raise NasError(f"space '{space.name}' trains its networks one by one, and {option} are for supernets; leave them out")
    if config.minutes is not None:
        raise NasError(
            f"space '{space.name}' trains its networks one by one, each for the same number of steps; give --steps or --epochs "
            "(for each candidate) instead of --minutes"
        )


def _data(
    config: RunConfig,
    space: Space,
    facts: SupernetFacts | None,
    given: Any,
    left_out: Collection[str] | None,
    reporter: Reporter | None,
) -> ImageData:
    """The data; with a trained supernet, in the splits it was trained on, so that no image it learnt is validated on."""
    source = config.data if given is None else given
    if facts is None:
        return load_data(
            source,
            resolution=config.resolution,
            seed=config.seed,
            reading=config.reading,
            left_out=left_out,
            reporter=reporter,
        )
    facts.require(space.name)
    known = facts.data if config.reading == Reading() else {}
    data = load_data(
        source,
        resolution=config.resolution or facts.data["resolution"],
        seed=facts.seed,
        reading=Reading(**known["reading"]) if "reading" in known else config.reading,
        left_out=facts.data.get("left_out") if left_out is None else left_out,
        reporter=reporter,
    )
    if data.fingerprint != facts.data["fingerprint"]:
        raise NasError(
            f"supernet {config.supernet} was trained on '{facts.data['name']}' ({facts.data['source']}); the data given, "
            f"'{data.name}', is not the same: use the same --data, or train a supernet on this one"
        )
    return data
