"""A space, data and rules that train in milliseconds; importable by a subprocess too."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from nas.choices import Choice
from nas.data import CLASSIFICATION, Batch, TrainingBatches
from nas.elastic import Depth, ElasticBatchNorm2d, ElasticConv2d, ElasticLayer, ElasticLinear, OperatorChoice
from nas.supernet import Space, Supernet, Task
from nas.training import Engine, Pass, Recipe, StepContext, Stepper, Trainer

TASK = Task(1, 16, 4)

NOBODY = cast(Engine, None)
"""Runs a rule that asks nothing of its engine."""


class TinyNetwork(nn.Module):
    """Elastic width, kernel, depth and operator, plain norms included, with dropout before the classifier."""

    def __init__(self, classes: int, dropout: float) -> None:
        super().__init__()
        width = Choice("width", (4, 8))
        self.stem = nn.Sequential(ElasticConv2d(1, width, 3, stride=2), ElasticBatchNorm2d(width), nn.ReLU(inplace=True))

        def block(index: int) -> nn.Module:
            kernel = Choice(f"kernel{index}", (3, 5))
            operators = {
                "depthwise": ElasticConv2d(width, width, kernel, groups=width),
                "full": ElasticConv2d(width, width, 1),
            }
            operator = OperatorChoice(Choice(f"operator{index}", ("full", "depthwise")), operators)
            return nn.Sequential(operator, ElasticBatchNorm2d(width), nn.ReLU(inplace=True))

        self.blocks = Depth([block(0), block(1)], Choice("depth", (1, 2)))
        self.dropout = nn.Dropout(dropout)
        self.classifier = ElasticLinear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.stem(x)).mean((2, 3))
        return self.classifier(self.dropout(x))  # type: ignore[no-any-return]


def tiny_space(dropout: float = 0.0, name: str = "tiny") -> Space:
    return Space(name, lambda task: TinyNetwork(task.classes, dropout), task=TASK)


class RandomBatches:
    """The interface of TrainingBatches over noise whose mean tells the class."""

    steps_per_epoch = 8
    task = CLASSIFICATION

    def __init__(self, size: int = 8) -> None:
        self.size = size

    def batch(self, step: int) -> Batch:
        generator = torch.Generator().manual_seed(step)
        targets = torch.randint(0, TASK.classes, (self.size,), generator=generator)
        images = torch.randn((self.size, *TASK.input_shape), generator=generator) + targets[:, None, None, None] / 2
        return Batch(images.contiguous(memory_format=torch.channels_last), targets)


class Scripted(Trainer):
    """Every step trains the same rows, or row number `step` of a list of lists; all with cross-entropy."""

    def __init__(self, *rows: np.ndarray, weights: Sequence[float] = (1.0,)) -> None:
        self.rows, self.weights = rows, weights

    def passes(self, context: StepContext) -> Generator[Pass, torch.Tensor, None]:
        row = self.rows[min(context.step, len(self.rows) - 1)]
        for weight in self.weights:
            yield Pass(row, context.loss, weight)


def row(space: Space, **decisions: Any) -> np.ndarray:
    """The integer row of the largest architecture with some decisions changed."""
    return cast(np.ndarray, space.encode([space.validate({**dict(space.largest.decisions), **decisions})])[0])


def recipe(**changes: Any) -> Recipe:
    """A rate of 0.1 at the batch size in use, and weight decay and momentum large enough to see."""
    figures = {"learning_rate": 0.1, "reference_batch": 8, "batch_size": 8, "weight_decay": 0.05}
    return Recipe(**{**figures, **changes})


def stepper(
    supernet: Supernet, trainer: Trainer, figures: Recipe | None = None, steps: int = 12, seed: int = 3, **more: Any
) -> Stepper:
    return Stepper(supernet, trainer, cast(TrainingBatches, RandomBatches()), figures or recipe(), steps, seed, **more)


def parts_in_use(supernet: Supernet) -> dict[str, torch.Tensor]:
    """Copies of what the active sub-network reads of each parameter, by the parameter's name."""
    found = {}
    for name, module in supernet.network.named_modules():
        if isinstance(module, ElasticLayer):
            for parameter, part in zip(module.cuts(module.chosen()), module.parts(), strict=True):
                if part is not None:
                    found[f"{name}.{parameter}"] = part.detach().clone()
    return found


def weights(supernet: Supernet) -> dict[str, torch.Tensor]:
    """Copies of all the weights."""
    return {name: value.detach().clone() for name, value in supernet.network.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """Whether two sets of tensors are equal to the bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def long_training(optimiser: str, steps: int = 60) -> Stepper:
    """What a subprocess trains until it is killed."""
    from nas.training.trainers.uniform import Uniform

    space = tiny_space(dropout=0.2)
    figures = recipe(optimiser=optimiser, learning_rate=0.02, clip_norm=1.0, norm_affine=False)
    return stepper(space.supernet(1, 16, 4, seed=5), Uniform(), figures, steps=steps)


def train_in_subprocess(checkpoint: str, optimiser: str) -> None:
    """Writes a checkpoint after every step, and says so, slowly enough to be killed in between or in the middle."""
    import nas.training.loop
    from nas.base.progress import Silent

    class Telling(Silent):
        def advance(self, done: int, note: str = "") -> None:
            print(done, flush=True)

    nas.training.loop.CHECKPOINT_SECONDS = -1.0
    torch.set_num_threads(1)
    nas.training.loop.train(long_training(optimiser), Path(checkpoint), Telling())
