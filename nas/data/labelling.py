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
    known: LearningTask | None = None,
) -> Found:
    """A source whose labels are read.

    Args:
        source: what to call it in errors.
        kind: of the task.
        written: of each part, one entry an image: a class, a sequence of labels, or a sequence of numbers; 'train' is among
            them where no task is known.
        names: the order of classes or labels, where it is known, or the names of columns of numbers.
        known: the task of a network that the images are for: labels are read as its, whichever of them there are.

    Raises:
        NasError: fewer than two classes, no label at all, a number that is not finite, or one that is the same everywhere;
            with a known task, labels that it does not know.
    """
    if known is not None:
        task, labels = known, _KNOWN[kind](source, written, names, known)
    else:
        task, labels = _READERS[kind](source, written, names)
    parts = {part: Part(pictures[part], labels[part]) for part in written}
    return Found(task, parts, tuple(identity))


def _classes(
    source: object, written: Mapping[str, Sequence[Any]], order: Sequence[str]
) -> tuple[LearningTask, dict[str, Targets]]:
    names = _names(set(written["train"]), order)
    if len(names) < 2:
        raise NasError(f"{source} has only one class ('{names[0]}'); classification needs at least two")
    for part, labels in written.items():
        require_known(f"the {part} part of {source}", set(labels), names)
    return Classification(names), _classes_as(source, written, order, Classification(names))


def _classes_as(
    source: object, written: Mapping[str, Sequence[Any]], order: Sequence[str], known: LearningTask
) -> dict[str, Targets]:
    require_names(source, {label for labels in written.values() for label in labels}, known)
    places = {name: place for place, name in enumerate(known.names)}
    return {part: np.array([places[label] for label in labels], dtype=np.int64) for part, labels in written.items()}


def _labels(
    source: object, written: Mapping[str, Sequence[Any]], order: Sequence[str]
) -> tuple[LearningTask, dict[str, Targets]]:
    names = _names({label for labels in written["train"] for label in labels}, order)
    if not names:
        raise NasError(f"{source} has no label for any training image; give at least one")
    for part, images in written.items():
        require_known(f"the {part} part of {source}", {label for labels in images for label in labels}, names)
    return MultiLabel(names), _labels_as(source, written, order, MultiLabel(names))


def _labels_as(
    source: object, written: Mapping[str, Sequence[Any]], order: Sequence[str], known: LearningTask
) -> dict[str, Targets]:
    require_names(source, {label for images in written.values() for labels in images for label in labels}, known)
    places = {name: place for place, name in enumerate(known.names)}
    found = {}
    for part, images in written.items():
        found[part] = np.zeros((len(images), len(known.names)), dtype=np.float32)
        for row, labels in enumerate(images):
            found[part][row, [places[label] for label in labels]] = 1
    return found


def _numbers(
    source: object, written: Mapping[str, Sequence[Any]], names: Sequence[str]
) -> tuple[LearningTask, dict[str, Targets]]:
    values = _values(source, written)
    mean, std = values["train"].mean(axis=0), values["train"].std(axis=0)
    columns = tuple(names) or tuple(f"target {number}" for number in range(1, len(mean) + 1))
    constant = [name for name, spread in zip(columns, std, strict=True) if not spread > 0]
    if constant:
        raise NasError(f"the target '{constant[0]}' of {source} is the same for all training images; there is nothing to learn")
    task = Regression(columns, tuple(mean.tolist()), tuple(std.tolist()))
    return task, {part: ((numbers - mean) / std).astype(np.float32) for part, numbers in values.items()}


def _numbers_as(
    source: object, written: Mapping[str, Sequence[Any]], names: Sequence[str], known: LearningTask
) -> dict[str, Targets]:
    assert isinstance(known, Regression)
    values = _values(source, written)
    width = next(iter(values.values())).shape[1]
    if width != len(known.names):
        raise NasError(
            f"{source} has {width} number{'s' * (width != 1)} for each image, and the network gives {len(known.names)}: "
            f"{', '.join(known.names)}"
        )
    # Columns of other names are taken in the order in which they were given.
    order = [list(names).index(name) for name in known.names] if set(names) == set(known.names) else list(range(width))
    mean, std = np.array(known.mean), np.array(known.std)
    return {part: ((numbers[:, order] - mean) / std).astype(np.float32) for part, numbers in values.items()}


def _values(source: object, written: Mapping[str, Sequence[Any]]) -> dict[str, Targets]:
    """The numbers as arrays, float64 (N, columns). Raises NasError where images have not as many, or one is not finite."""
    widths = {len(row) for rows in written.values() for row in rows}
    if len(widths) > 1:
        raise NasError(f"{source} has images with {min(widths)} and with {max(widths)} targets; give each as many")
    values = {part: np.array(rows, dtype=np.float64).reshape(len(rows), -1) for part, rows in written.items()}
    for part, numbers in values.items():
        wrong = np.flatnonzero(~np.isfinite(numbers).all(axis=1))
        if len(wrong):
            raise NasError(f"the {part} part of {source} has a target that is not finite, image {wrong[0] + 1} of it; mend it")
    return values


_READERS = {"classification": _classes, "multi-label": _labels, "regression": _numbers}
_KNOWN = {"classification": _classes_as, "multi-label": _labels_as, "regression": _numbers_as}

LISTED = 12
"""Names that an error lists."""


def require_names(source: object, given: set[str], known: LearningTask) -> None:
    """Raise NasError for names that a network does not know."""
    extra = sorted(given - set(known.names))
    if extra:
        raise NasError(
            f"{source} has {known.nouns} that the network does not know: {_listed(extra)}; it knows: {_listed(known.names)}"
        )


def _listed(names: Sequence[str]) -> str:
    """Some names in a sentence."""
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")


def _names(present: set[str], order: Sequence[str]) -> tuple[str, ...]:
    """Names in the order given, or in order of their numbers where all are numbers, else of the alphabet."""
    if order:
        return tuple(name for name in order if name in present)
    if all(name.isdecimal() for name in present):
        return tuple(sorted(present, key=lambda name: (int(name), name)))
    return tuple(sorted(present))
