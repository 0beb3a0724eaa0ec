"""The contract of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch

Targets = npt.NDArray[Any]
"""Labels as a split holds them: classes int64 (N,), or float32 (N, outputs)."""


@dataclass(frozen=True)
class Metric:
    """A figure that scoring a network finds.

    Attributes:
        direction: whether it is to be large or small.
        title: what people call it.
        text: format of a value.
        percent: whether it is a share from 0 to 100 %, which can be weighed against a cost.
    """

    name: str
    direction: Literal["maximize", "minimize"]
    title: str
    text: str
    percent: bool = False

    def format(self, value: float) -> str:
        """A value with its unit."""
        return self.text.format(value)


LOSS = Metric("loss", "minimize", "loss", "{:.4g}")
"""Mean loss over the scored images, without weights of classes and without label smoothing."""


class Meter(Protocol):
    """Adds up what scoring a network finds, batch by batch."""

    def add(self, scores: torch.Tensor, targets: torch.Tensor) -> None:
        """Outputs float32 (N, outputs) of one batch and its targets, on one device."""

    def result(self) -> dict[str, float]:
        """Every metric of the task by name."""


@dataclass(frozen=True)
class LearningTask(ABC):
    """What a network is to learn from images and labels.

    Attributes:
        names: of the outputs: classes, labels or columns.
        kind: what the command line calls it.
        noun, nouns: what an output stands for, as a word; and several.
        metrics: what scoring finds; the first is searched for where nothing else is asked.
        agreement: what `agreed` tells.
        meaning: how an output becomes an answer, in words.
    """

    names: tuple[str, ...] = ()

    kind: ClassVar[str]
    noun: ClassVar[str]
    nouns: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]
    agreement: ClassVar[Metric]
    meaning: ClassVar[str]

    @property
    def headline(self) -> Metric:
        """The first metric."""
        return self.metrics[0]

    @abstractmethod
    def loss(self, scores: torch.Tensor, targets: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        """What training minimises, a scalar.

        Args:
            scores: (N, outputs).
            targets: (N,) classes, or (N, outputs) of images that were mixed or of other tasks.
            smoothing: of the labels; classification alone has it.
        """

    @abstractmethod
    def meter(self) -> Meter:
        """A fresh meter."""

    @abstractmethod
    def by_name(self, scores: Targets, targets: Targets) -> dict[str, dict[str, float]]:
        """Figures of each output that can be told from these images, under its name.

        Args:
            scores: (N, outputs).
            targets: as a split holds them.
        """

    @abstractmethod
    def agreed(self, scores: Targets, others: Targets) -> float:
        """How far two networks' outputs (N, outputs) for the same images come to the same answers; see `agreement`."""

    def further(self, scores: Targets, targets: Targets) -> dict[str, float | None]:
        """Figures beside `metrics` that nothing is searched for; None where one means nothing."""
        return {}

    @abstractmethod
    def mixable(self, targets: torch.Tensor) -> torch.Tensor:
        """Targets as float32 (N, outputs), of which shares can be mixed."""

    @abstractmethod
    def groups(self, labels: Targets) -> npt.NDArray[np.int64]:
        """(N,) a number from 0 for each image: splits and slices take of each number in proportion."""

    @abstractmethod
    def balanced(self, labels: Targets) -> LearningTask:
        """The same with a loss that weighs rare labels as much as frequent ones in all; see `docs/data.md`.

        Raises:
            NasError: the task has no such weights.
        """

    @abstractmethod
    def counts(self, labels: Targets) -> dict[str, int]:
        """How many images have each name; {} where that means nothing."""

    def describe(self) -> dict[str, Any]:
        """What a manifest says of it."""
        return {"task": self.kind, "metric": self.headline.name}


def widened(scores: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both in the wider of their types: rounded to the half precision of scores, targets would be other numbers."""
    wide = torch.promote_types(scores.dtype, targets.dtype)
    return scores.to(wide), targets.to(wide)
