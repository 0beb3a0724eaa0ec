"""What is learned from labelled images: the loss, the figures that tell how good a network is, and what its outputs mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas.base.errors import unknown
from nas.data.tasks.classification import CLASSIFICATION, Classification
from nas.data.tasks.learning_task import LOSS, LearningTask, Meter, Metric
from nas.data.tasks.multi_label import MultiLabel
from nas.data.tasks.regression import Regression

TASKS: tuple[type[LearningTask], ...] = (Classification, MultiLabel, Regression)
"""All kinds of task."""

METRICS = {metric.name: metric for task in TASKS for metric in task.metrics}
"""Every figure that scoring a network can find, by name."""

KINDS: Mapping[str, type[LearningTask]] = {task.kind: task for task in TASKS}
"""Every kind of task, by what the command line calls it."""

HEADLINES = tuple(task.metrics[0].name for task in TASKS)
"""The figure of each kind of task that is searched for where nothing else is asked."""


def kind_in(described: Mapping[str, Any]) -> type[LearningTask]:
    """The kind of task of a manifest's data or of results' figures; what earlier versions wrote knows classes alone.

    Raises:
        NasError: there is no such kind.
    """
    name = described.get("task", CLASSIFICATION.kind)
    if name not in KINDS:
        raise unknown("task", str(name), KINDS)
    return KINDS[name]


def task_in(described: Mapping[str, Any], names: Sequence[str]) -> LearningTask:
    """The task that `LearningTask.describe` told of.

    Args:
        names: of the outputs.

    Raises:
        NasError: there is no such kind.
        KeyError, TypeError, ValueError: the description is damaged.
    """
    kind = kind_in(described)
    if kind is not Regression:
        return kind(tuple(names))
    mean, std = (tuple(float(value) for value in described[name]) for name in ("target_mean", "target_std"))
    if not len(mean) == len(std) == len(names) or not all(value > 0 for value in std):
        raise ValueError(f"target_mean {mean} and target_std {std} do not fit the columns {', '.join(names)}")
    return Regression(tuple(names), mean, std)


__all__ = [
    "CLASSIFICATION",
    "HEADLINES",
    "KINDS",
    "LOSS",
    "METRICS",
    "TASKS",
    "Classification",
    "LearningTask",
    "Meter",
    "Metric",
    "MultiLabel",
    "Regression",
    "kind_in",
    "task_in",
]
