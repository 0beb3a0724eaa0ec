"""What is learned from labelled images: the loss, the figures that tell how good a network is, and what its outputs mean."""

from nas.data.tasks.classification import CLASSIFICATION, Classification
from nas.data.tasks.learning_task import LOSS, LearningTask, Meter, Metric
from nas.data.tasks.multi_label import MultiLabel
from nas.data.tasks.regression import Regression

TASKS: tuple[type[LearningTask], ...] = (Classification, MultiLabel, Regression)
"""All kinds of task."""

METRICS = {metric.name: metric for task in TASKS for metric in task.metrics}
"""Every figure that scoring a network can find, by name."""

HEADLINES = tuple(task.metrics[0].name for task in TASKS)
"""The figure of each kind of task that is searched for where nothing else is asked."""

__all__ = [
    "CLASSIFICATION",
    "HEADLINES",
    "LOSS",
    "METRICS",
    "TASKS",
    "Classification",
    "LearningTask",
    "Meter",
    "Metric",
    "MultiLabel",
    "Regression",
]
