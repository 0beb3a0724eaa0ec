"""From labels as they are written to those that a network is trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nas.base.errors import NasError
from nas.data.decode import Pictures
from nas.data.sources import Found, Part, require_known
from nas.data.tasks import Classification, LearningTask, MultiLabel, Regression
from nas.data.tasks.learning_task import Targets


def labelled(
    source: object,
    kind: str,
    written: Mapping[str, Sequence[Any]],
    pictures: Mapping[str, Pictures],
    identity: Sequence[str],
    names: Sequence[str] = (),
    note: str = "",
) -> Found:
    """A source whose labels are read.

    Args:
        source: what to call it in errors.
        kind: of the task.
        written: of each part, 'train' among them, one entry an image: a class, a sequence of labels, or a sequence of numbers.
        names: the order of classes or labels, where it is known, or the names of columns of numbers.

    Raises:
        NasError: fewer than two classes, no label at all, a number that is not finite, or one that is the same everywhere.
    """
    task, labels = _READERS[kind](source, written, names)
    parts = {part: Part(pictures[part], labels[part]) for part in written}
    return Found(task, parts, tuple(identity), note)


def _classes(
    source: object, written: Mapping[str, Sequence[Any]], order: Sequence[str]
) -> tuple[LearningTask, dict[str, Targets]]:
    names = _names(set(written["train"]), order)
    if len(names) < 2:
        raise NasError(f"{source} has only one class ('{names[0]}'); classification needs at least two")
    for part, labels in written.items():
        require_known(f"the {part} part of {source}", set(labels), names)
    places = {name: place for place, name in enumerate(names)}
    found = {part: np.array([places[label] for label in labels], dtype=np.int64) for part, labels in written.items()}
    return Classification(names), found


def _labels(
    source: object, written: Mapping[str, Sequence[Any]], order: Sequence[str]
) -> tuple[LearningTask, dict[str, Targets]]:
    names = _names({label for labels in written["train"] for label in labels}, order)
    if not names:
        raise NasError(f"{source} has no label for any training image; give at least one")
    places = {name: place for place, name in enumerate(names)}
    found = {}
    for part, images in written.items():
        require_known(f"the {part} part of {source}", {label for labels in images for label in labels}, names)
        found[part] = np.zeros((len(images), len(names)), dtype=np.float32)
        for row, labels in enumerate(images):
            found[part][row, [places[label] for label in labels]] = 1
    return MultiLabel(names), found


def _numbers(
    source: object, written: Mapping[str, Sequence[Any]], names: Sequence[str]
) -> tuple[LearningTask, dict[str, Targets]]:
    widths = {len(row) for rows in written.values() for row in rows}
    if len(widths) > 1:
        raise NasError(f"{source} has images with {min(widths)} and with {max(widths)} targets; give each as many")
    values = {part: np.array(rows, dtype=np.float64).reshape(len(rows), -1) for part, rows in written.items()}
    for part, numbers in values.items():
        wrong = np.flatnonzero(~np.isfinite(numbers).all(axis=1))
        if len(wrong):
            raise NasError(f"the {part} part of {source} has a target that is not finite, image {wrong[0] + 1} of it; mend it")
    mean, std = values["train"].mean(axis=0), values["train"].std(axis=0)
    columns = tuple(names) or tuple(f"target {number}" for number in range(1, len(mean) + 1))
    constant = [name for name, spread in zip(columns, std, strict=True) if not spread > 0]
    if constant:
        raise NasError(f"the target '{constant[0]}' of {source} is the same for all training images; there is nothing to learn")
    task = Regression(columns, tuple(mean.tolist()), tuple(std.tolist()))
    return task, {part: ((numbers - mean) / std).astype(np.float32) for part, numbers in values.items()}


_READERS = {"classification": _classes, "multi-label": _labels, "regression": _numbers}


def _names(present: set[str], order: Sequence[str]) -> tuple[str, ...]:
    """Names in the order given, or in order of their numbers where all are numbers, else of the alphabet."""
    if order:
        return tuple(name for name in order if name in present)
    if all(name.isdecimal() for name in present):
        return tuple(sorted(present, key=lambda name: (int(name), name)))
    return tuple(sorted(present))
