"""Labelled images of any source for a network that exists: at its resolution, in its channels and colours, by its names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nas.base.errors import NasError, unknown
from nas.base.progress import Reporter
from nas.data.batches import Batch
from nas.data.dataset import DIGITS, Colours, existing_source, load_data, read_source
from nas.data.digits import CLASSES, read_digits
from nas.data.given import name_of, read_given
from nas.data.images import ArraySplit, LazySplit, Split
from nas.data.labelling import require_names
from nas.data.left_out import leave_out
from nas.data.normalise import Normaliser, to_images, to_pixels
from nas.data.reading import Learned, Reading
from nas.data.sources import SPLITS, Found, Part
from nas.data.tasks import Classification, LearningTask

ALL = "all"


@dataclass(frozen=True)
class Expected:
    """What a network expects.

    Attributes:
        task: with the names in the order of its scores.
        fingerprint, trained_resolution, seed: of the data trained on, by which this is recognised; '' where they are not known.
        reading: how that data was read.
    """

    task: LearningTask
    channels: int
    resolution: int
    colours: Colours
    fingerprint: str = ""
    trained_resolution: int = 0
    seed: int = 0
    reading: Reading = field(default_factory=Reading)


@dataclass(frozen=True)
class Labelled:
    """Images to score, with targets of the network's task.

    Attributes:
        split: which: train, validation, test or all.
        own: whether they are of the data that the network was trained on, in the splits of its training.
        left_out: images of it that cannot be decoded, by name, with the reason; where they are `own`, of all splits.
    """

    name: str
    split: str
    own: bool
    parts: tuple[Split, ...]
    expected: Expected
    left_out: Mapping[str, str]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def batches(self, size: int) -> Iterator[Batch]:
        """The images in order, normalised as the network expects them."""
        expected = self.expected
        normalise = Normaliser(*expected.colours, expected.resolution)
        for part in self.parts:
            for start in range(0, len(part), size):
                chosen = np.arange(start, min(start + size, len(part)))
                values = normalise(to_pixels(part.images(chosen)))
                yield Batch(to_images(values), torch.from_numpy(part.labels[chosen]))


@dataclass(frozen=True)
class _Read:
    """A source: its name, splits, and images left out."""

    name: str
    parts: Mapping[str, Split]
    left_out: Mapping[str, str] = field(default_factory=dict)


def load_labelled(
    source: Any,
    expected: Expected,
    split: str | None = None,
    reading: Reading | None = None,
    reporter: Reporter | None = None,
) -> Labelled:
    """The images of a source that a network is to be scored on.

    Args:
        source: 'digits', a folder, a CSV file, or a data set as an object.
        split: 'train', 'validation', 'test' or 'all'; by default the test images, where the source has such a split or the
            network was trained on the source, and else all images.
        reading: how a CSV file is read, where it does not say so itself.
        reporter: hears how far the decoding is.

    Raises:
        NasError: the source cannot be read, lacks the split, is of another task, or has names that the network does not know.
    """
    if split is not None and split not in (*SPLITS, ALL):
        raise unknown("split", split, (*SPLITS, ALL))
    reading = reading or Reading()
    if reading.task not in (None, expected.task.kind):
        raise NasError(f"--task {reading.task} was asked, and the network learned {expected.task.kind}; leave it out")
    own = _own(source, expected, reading, reporter)
    read = own or _foreign(source, expected, split, reading, reporter)
    chosen = _chosen(source, split, read.parts)
    parts = tuple(read.parts.values()) if chosen == ALL else (read.parts[chosen],)
    return Labelled(read.name, chosen, own is not None, parts, expected, read.left_out)


def _chosen(source: Any, split: str | None, parts: Mapping[str, Any]) -> str:
    """Which of a source's splits is scored. Raises NasError where it lacks the one that is asked for."""
    chosen = split or ("test" if "test" in parts else ALL)
    if chosen != ALL and chosen not in parts:
        raise NasError(
            f"{source} has no {chosen} split; it has {' and '.join(parts)}: ask for one of these, or for --split {ALL}"
        )
    return chosen


def _own(source: Any, expected: Expected, reading: Reading, reporter: Reporter | None) -> _Read | None:
    """The data that the network was trained on; None for other data."""
    if not expected.fingerprint:
        return None
    trained = expected.reading
    as_trained = Reading(
        reading.path_column or trained.path_column, reading.label_columns or trained.label_columns, reading.task or trained.task
    )
    given: dict[str, Any] = {"seed": expected.seed, "channels": expected.channels, "colours": expected.colours}
    given |= {"reading": as_trained, "reporter": reporter}
    try:
        data = load_data(source, resolution=expected.trained_resolution, left_out=(), **given)
        if data.fingerprint != expected.fingerprint:
            # Corrupt images may be what differs; to find them every image is decoded.
            data = load_data(source, resolution=expected.trained_resolution, **given)
        if data.fingerprint != expected.fingerprint:
            return None
        if expected.resolution != expected.trained_resolution:
            data = load_data(source, resolution=expected.resolution, left_out=data.left_out, **given)
    except NasError:  # what is wrong with it is told where it is read as other data
        return None
    return _Read(data.name, data.splits, data.left_out)


def _foreign(source: Any, expected: Expected, split: str | None, reading: Reading, reporter: Reporter | None) -> _Read:
    """What is to be scored of any other data; what has no splits is all 'train'. Images that cannot be decoded are left out."""
    task = expected.task
    if isinstance(source, str) and source == DIGITS:
        images, labels = read_digits(expected.resolution)
        (part,) = _aligned(DIGITS, Classification(CLASSES), [labels], task)
        return _Read(DIGITS, {"train": ArraySplit(np.repeat(images, expected.channels, axis=3), part)})
    if isinstance(source, str | Path):
        path = existing_source(source)
        found, name = read_source(path, reading, Learned(task, expected.reading)), path.stem if path.is_file() else path.name
    else:
        found, name = read_given(source, reading, task), name_of(source)
    found = _as_known(source, found, task)
    chosen = _chosen(source, split, found.parts)
    parts = {
        name: LazySplit(part.pictures, np.arange(len(part.labels)), part.labels, expected.channels, expected.resolution)
        for name, part in found.parts.items()
        if chosen in (ALL, name)
    }
    # Nothing is learned from them, so that a class may be gone altogether.
    kept, left_out = leave_out(parts, None, None, reporter)
    return _Read(name, kept, left_out)


def _as_known(source: Any, found: Found, task: LearningTask) -> Found:
    """The same with the network's targets."""
    if found.task is task:
        return found
    labels = _aligned(source, found.task, [part.labels for part in found.parts.values()], task)
    parts = {name: Part(part.pictures, own) for (name, part), own in zip(found.parts.items(), labels, strict=True)}
    return replace(found, task=task, parts=parts)


def _aligned(source: Any, own: LearningTask, labels: list[Any], task: LearningTask) -> list[Any]:
    """Positions among the network's classes in the place of those among a source's own."""
    if not isinstance(task, Classification):
        raise NasError(
            f"{source} has one class for each image, and the network learned {task.kind}; give a CSV file of paths and labels, "
            "such as --data labels.csv"
        )
    require_names(source, set(own.names), task)
    order = np.array([task.names.index(name) for name in own.names])
    return [order[one] for one in labels]
