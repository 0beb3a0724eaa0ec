"""Labelled images of any source for a network that exists: at its resolution, in its channels and colours, by its classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nas.base.errors import NasError, unknown
from nas.data.batches import Batch
from nas.data.dataset import DIGITS, Colours, existing_source, load_data, read_source
from nas.data.digits import CLASSES, read_digits
from nas.data.images import ArraySplit, LazySplit, Split
from nas.data.normalise import Normaliser, to_images, to_pixels
from nas.data.reading import Reading
from nas.data.tasks import Classification

ALL = "all"
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Expected:
    """What a network expects.

    Attributes:
        classes: in the order of its scores.
        fingerprint, trained_resolution, seed: of the data trained on, by which this is recognised; '' where they are not known.
    """

    classes: tuple[str, ...]
    channels: int
    resolution: int
    colours: Colours
    fingerprint: str = ""
    trained_resolution: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Labelled:
    """Images to score.

    Attributes:
        split: which: train, validation, test or all.
        own: whether they are of the data that the network was trained on, in the splits of its training.
        classes: those that the source has, in its own order.
    """

    name: str
    split: str
    own: bool
    parts: tuple[Split, ...]
    classes: tuple[str, ...]
    expected: Expected

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def batches(self, size: int) -> Iterator[Batch]:
        """The images in order, normalised as the network expects them; labels are positions among its classes."""
        expected = self.expected
        normalise = Normaliser(*expected.colours, expected.resolution)
        order = np.array([expected.classes.index(name) for name in self.classes])
        for part in self.parts:
            for start in range(0, len(part), size):
                chosen = np.arange(start, min(start + size, len(part)))
                values = normalise(to_pixels(part.images(chosen)))
                yield Batch(to_images(values), torch.from_numpy(order[part.labels[chosen]]))


def load_labelled(source: str | Path, expected: Expected, split: str | None = None) -> Labelled:
    """The images of a source that a network is to be scored on.

    Args:
        split: 'train', 'validation', 'test' or 'all'; by default the test images, where the source has such a split or the
            network was trained on the source, and else all images.

    Raises:
        NasError: the source cannot be read, lacks the split, or has classes that the network does not know.
    """
    if split is not None and split not in (*SPLITS, ALL):
        raise unknown("split", split, (*SPLITS, ALL))
    own = _own(source, expected)
    name, classes, found = own or _foreign(source, expected)
    extra = [known for known in classes if known not in expected.classes]
    if extra:
        raise NasError(
            f"{source} has classes that the network does not know: {_listed(extra)}; it knows: {_listed(expected.classes)}"
        )
    chosen = split or ("test" if "test" in found else ALL)
    if chosen != ALL and chosen not in found:
        raise NasError(
            f"{source} has no {chosen} split; it has {' and '.join(found)}: ask for one of these, or for --split {ALL}"
        )
    parts = tuple(found.values()) if chosen == ALL else (found[chosen],)
    return Labelled(name, chosen, own is not None, parts, classes, expected)


def _own(source: str | Path, expected: Expected) -> tuple[str, tuple[str, ...], Mapping[str, Split]] | None:
    """Name, classes and splits of the data that the network was trained on; None for other data."""
    if not expected.fingerprint:
        return None
    given = {"seed": expected.seed, "channels": expected.channels, "colours": expected.colours}
    try:
        data = load_data(source, resolution=expected.trained_resolution, **given)  # type: ignore[arg-type]
        if data.fingerprint != expected.fingerprint:
            return None
        if expected.resolution != expected.trained_resolution:
            data = load_data(source, resolution=expected.resolution, **given)  # type: ignore[arg-type]
    except NasError:  # what is wrong with it is told where it is read as other data
        return None
    return data.name, data.classes, {"train": data.train, "validation": data.validation, "test": data.test}


def _foreign(source: str | Path, expected: Expected) -> tuple[str, tuple[str, ...], Mapping[str, Split]]:
    """Name, classes and splits of any other data; what has no splits is all 'train'."""
    if source == DIGITS:
        images, labels = read_digits(expected.resolution)
        return DIGITS, CLASSES, {"train": ArraySplit(np.repeat(images, expected.channels, axis=3), labels)}
    path = existing_source(source)
    found = read_source(path, Reading())
    if not isinstance(found.task, Classification):
        raise NasError(f"{source} holds {found.task.kind} targets; accuracy is told of images with one class each")
    parts = {
        name: LazySplit(part.pictures, np.arange(len(part.labels)), part.labels, expected.channels, expected.resolution)
        for name, part in found.parts.items()
    }
    return path.stem if path.is_file() else path.name, found.task.names, parts


def _listed(names: Sequence[str], most: int = 12) -> str:
    """Some names in a sentence."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
