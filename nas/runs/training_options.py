"""What the options of a training come to, be it a supernet's or that of one network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from nas.base.errors import NasError
from nas.data import Augmentation, ImageData, LearningTask, TrainingBatches
from nas.runs.config import RunConfig
from nas.training import Stepper, steps_for_minutes

EMBEDDED_EPOCHS = 30.0
"""Training of the embedded digits when no budget is given: enough to tell good networks from bad ones in a minute or two.
The trainers' own defaults are for data sets a hundred times that size."""

MANY = 1_000_000
"""Steps of a training that is only timed: each of its phases has some."""


def weighted(data: ImageData, config: RunConfig) -> LearningTask:
    """What is learned of the data, with the weights of classes that were asked for. Raises NasError where there are none."""
    return data.task if config.class_weights == "none" else data.task.balanced(data.train.labels)


def augmented(data: ImageData, config: RunConfig) -> Augmentation:
    """The augmentation of the data with what was asked. Raises NasError where that does not suit the images."""
    found = replace(
        data.augmentation,
        cutout=config.cutout,
        mixup=config.mixup,
        cutmix=config.cutmix,
        randaugment=config.randaugment,
    )
    found.check(data.resolution)
    return found


def compute_device(name: str) -> torch.device:
    """The device for 'auto', 'cpu' or 'cuda'. Raises NasError where there is no CUDA device."""
    if name == "cuda" and not torch.cuda.is_available():
        raise NasError("--compute cuda was asked, and torch finds no CUDA device here; use --compute cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def steps_of(config: RunConfig, epochs: float, batches: TrainingBatches, stepper: Callable[[int], Stepper]) -> int:
    """How many training steps the budget comes to.

    Args:
        epochs: without any budget.
        stepper: makes a training of so many steps; one is spent where minutes are given.
    """
    if config.steps is not None:
        return config.steps
    if config.minutes is not None:
        return steps_for_minutes(config.minutes, stepper(MANY))
    return max(1, round((config.epochs or epochs) * batches.steps_per_epoch))
