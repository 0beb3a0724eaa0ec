"""What reading a source yields, whatever it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nas.base.errors import NasError
from nas.data.decode import Pictures
from nas.data.tasks import LearningTask
from nas.data.tasks.learning_task import Targets

LAYOUTS = (
    "legal layouts: FOLDER/<class>/*.jpg, FOLDER/{train,val,test}/<class>/*.jpg, a CSV file of paths and labels, or "
    "FOLDER/{train,validation,test}-00000-of-00001.parquet (these may also lie in FOLDER/data)"
)

SPLITS = ("train", "validation", "test")
"""All splits, in the order in which they are told."""

SPLIT_NAMES: Mapping[str, str] = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
"""Names that folders and files use, and the split each one means."""


@dataclass(frozen=True)
class Part:
    """Encoded pictures and their labels, in a fixed order."""

    pictures: Pictures
    labels: Targets


@dataclass(frozen=True)
class Found:
    """The task of a source and its parts: 'train', and 'validation' and 'test' where the source has them.

    `identity` lists what must stay the same for the data to count as the same.
    """

    task: LearningTask
    parts: Mapping[str, Part]
    identity: tuple[str, ...]
    note: str = ""


def require_two_classes(root: Path, classes: tuple[str, ...]) -> None:
    """Raises NasError when there is nothing to tell apart."""
    if len(classes) < 2:
        raise NasError(f"{root} holds only one class ('{classes[0]}'); classification needs at least two: {LAYOUTS}")


def require_known(place: str, given: set[str], classes: tuple[str, ...]) -> None:
    """Raises NasError when a held-out part has classes that the training part lacks."""
    extra = sorted(given - set(classes))
    if extra:
        raise NasError(
            f"{place} has classes that the training images lack: {', '.join(extra)}; "
            f"add training images of them or remove them (training has: {', '.join(sorted(classes))})"
        )
