"""A space of operator choices that trains in milliseconds, and batches for it."""

from __future__ import annotations

from typing import Any, cast

import torch
from tiny_training import TASK, RandomBatches
from torch import nn

from nas.choices import Choice
from nas.data import Batch, TrainingBatches
from nas.elastic import ElasticBatchNorm2d, ElasticConv2d, OperatorChoice
from nas.supernet import Space, Supernet, Task
from nas.training import Recipe, Stepper, Trainer

OPERATORS = ("none", "skip", "conv1", "conv3", "depthwise")
WIDTH = 8


class Zero(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 0.0


class Relaxable(nn.Module):
    """Three choices of operators, one after the other, smooth so that derivatives of all orders exist."""

    def __init__(self, task: Task, width: int = WIDTH) -> None:
        super().__init__()
        self.stem = nn.Conv2d(task.channels, width, 3, stride=4, padding=1)

        def convolution(kernel: int, groups: int = 1) -> nn.Module:
            layer = ElasticConv2d(width, width, kernel, groups=groups)
            return nn.Sequential(nn.SiLU(), layer, ElasticBatchNorm2d(width))

        def edge(name: str) -> nn.Module:
            made: dict[str, nn.Module] = {"none": Zero(), "skip": nn.Identity()}
            made |= {"conv1": convolution(1), "conv3": convolution(3), "depthwise": convolution(3, width)}
            return OperatorChoice(Choice(name, OPERATORS), made)

        self.edges = nn.Sequential(*(edge(f"edge{number}") for number in range(3)))
        self.classifier = nn.Linear(width, task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.edges(self.stem(x)).mean((2, 3)))  # type: ignore[no-any-return]


def relaxable_space() -> Space:
    return Space("relaxable", Relaxable, task=TASK)


class Held(RandomBatches):
    """Other images than those of the weights."""

    def batch(self, step: int) -> Batch:
        return super().batch(step + 1000)


def figures(trainer: Trainer, **changes: Any) -> Recipe:
    """The trainer's own, for the tiny batches, with some changed."""
    return trainer.defaults.changed({"batch_size": 8, "reference_batch": 8, **changes})


def searching(trainer: Trainer, supernet: Supernet | None = None, steps: int = 6, seed: int = 3, **changes: Any) -> Stepper:
    """A training of the tiny space; `changes` are of the recipe."""
    supernet = supernet or relaxable_space().supernet(1, 16, 4, seed=5)
    batches, held = cast(TrainingBatches, RandomBatches()), cast(TrainingBatches, Held())
    return Stepper(supernet, trainer, batches, figures(trainer, **changes), steps, seed, held=held)
