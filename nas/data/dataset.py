"""A data set ready for training: three splits, and all that must be known of them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from nas.base.errors import NasError, unknown
from nas.base.progress import Reporter
from nas.data.augment import Augmentation
from nas.data.csv_files import CSV_SUFFIXES, read_csv
from nas.data.decode import HIGHEST_RESOLUTION, LOWEST_RESOLUTION, probe
from nas.data.digits import CLASSES, DEFAULT_RESOLUTION, read_digits
from nas.data.folders import read_folders
from nas.data.given import GIVEN, name_of, read_given
from nas.data.images import ArraySplit, Indices, LazySplit, Split
from nas.data.left_out import leave_out
from nas.data.parquet import find_parquet, read_parquet
from nas.data.reading import Learned, Reading
from nas.data.sources import SPLITS, Found
from nas.data.splits import cut, stratified
from nas.data.statistics import channel_statistics
from nas.data.tasks import Classification, LearningTask
from nas.data.tasks.learning_task import Targets

DIGITS = "digits"

Colours = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and deviation of each channel."""


@dataclass(frozen=True)
class ImageData:
    """Labelled images of one size in three splits.

    `task` is what is learned of them; `mean` and `std` are per channel, of training images scaled to [0, 1]. `fingerprint`
    changes when the files, labels, splits or resolution do. `note` is a caveat worth printing beside results, or ''.
    `left_out` are images that cannot be decoded, by name, with the reason. `reading` is how the source was read. `seed`
    drew the splits that the source does not have.
    """

    name: str
    source: str
    task: LearningTask
    channels: int
    resolution: int
    train: Split
    validation: Split
    test: Split
    mean: tuple[float, ...]
    std: tuple[float, ...]
    note: str
    fingerprint: str
    augmentation: Augmentation
    left_out: Mapping[str, str] = field(default_factory=dict)
    reading: Reading = field(default_factory=Reading)
    seed: int = 0

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by name."""
        return dict(zip(SPLITS, (self.train, self.validation, self.test), strict=True))

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of a network's outputs: classes, labels, or columns of numbers."""
        return self.task.names


def load_data(
    source: Any = DIGITS,
    *,
    resolution: int | None = None,
    seed: int = 0,
    validation: float = 0.2,
    test: float = 0.2,
    reading: Reading | None = None,
    left_out: Collection[str] | None = None,
    channels: int | None = None,
    colours: Colours | None = None,
    reporter: Reporter | None = None,
) -> ImageData:
    """Load 'digits', a folder of class folders, of split folders or of Parquet files, a CSV file, or a data set in Python.

    Splits that a source has are kept; missing ones are cut from its training images, each class by itself: the
    fractions `validation` and `test` of them, drawn by `seed`. `resolution` is the side in pixels (8 to 1024); None
    takes 32 for digits, the native side of small square images, and 224 for everything else. Every image is decoded
    once; those that cannot be are left out, unless `left_out` names them from an earlier time. Raises NasError, in one
    sentence, when the source or an argument cannot be used.

    Args:
        source: a name or path, or an object as in `nas.data.given`.
        reading: how to read it, where it does not say so itself.
        channels: 1 or 3, for a network that expects so many; by default the pictures decide.
        colours: mean and deviation of each channel, for a network that expects certain ones; by default those of the training
            images.
        reporter: hears how far the decoding is.
    """
    _check(resolution, seed, validation, test)
    fractions = {"validation": validation, "test": test}
    reading = reading or Reading()
    asked = (resolution, seed, fractions, reading, left_out, channels, colours, reporter)
    if not isinstance(source, str | Path):
        found, name = read_given(source, reading), name_of(source)
        return _cut(name, f"{GIVEN}{name}", found, *asked)
    if source == DIGITS:
        reading.require_classes(f"'{DIGITS}'")
        return replace(_digits(resolution or DEFAULT_RESOLUTION, seed, fractions, colours), seed=seed)
    path = existing_source(source)
    name = path.stem if path.is_file() else path.name
    return _cut(name, str(path), read_source(path, reading), *asked)


def _digits(resolution: int, seed: int, fractions: Mapping[str, float], colours: Colours | None) -> ImageData:
    images, labels = read_digits(resolution)
    positions = dict(zip(("train", *fractions), stratified(labels, CLASSES, [*fractions.values()], seed), strict=True))
    splits = {name: ArraySplit(images[chosen], labels[chosen]) for name, chosen in positions.items()}
    content = hashlib.sha256(images.tobytes()).hexdigest()
    note = f"scikit-learn's digits are 8x8 pixels, up-sampled to {resolution}x{resolution}"
    # A mirrored 2 is no digit.
    augmentation = Augmentation(flip=False, crop_padding=resolution // 8)
    task = Classification(CLASSES)
    return _assemble(DIGITS, DIGITS, task, 1, resolution, splits, positions, (content,), note, augmentation, colours)


def read_source(path: Path, reading: Reading, known: Learned | None = None) -> Found:
    """A folder or a CSV file in the splits that it has; see `read_csv`. Raises NasError where it cannot be read."""
    if path.is_file():
        return read_csv(path, reading, known)
    reading.require_classes(path)
    files = find_parquet(path)
    return read_parquet(path, files) if files else read_folders(path)


def _cut(
    name: str,
    source: str,
    found: Found,
    resolution: int | None,
    seed: int,
    fractions: Mapping[str, float],
    reading: Reading,
    known: Collection[str] | None,
    channels: int | None,
    colours: Colours | None,
    reporter: Reporter | None,
) -> ImageData:
    """The three splits of a source, some cut from its training images, without what is corrupt."""
    train = found.parts["train"]
    missing = [part for part in fractions if part not in found.parts]
    pieces = _pieces(found.task, train.labels, [fractions[part] for part in missing], seed)
    positions: dict[str, Indices] = dict(zip(("train", *missing), pieces, strict=True))
    both = channels is not None and resolution is not None
    seen, native = (channels or 0, resolution or 0) if both else probe(train.pictures)
    deep = channels or seen
    side = resolution or native
    whole = {}
    for part in ("train", *fractions):
        held = found.parts.get(part, train)
        chosen = positions.get(part, np.arange(len(held.labels)))
        whole[part] = LazySplit(held.pictures, chosen, held.labels[chosen], deep, side)
    splits, left_out = leave_out(whole, found.task, known, reporter)
    count = len(left_out)
    notes = [found.note, f"{count} image{'s' * (count > 1)} could not be decoded and {'were' if count > 1 else 'was'} left out"]
    made = _assemble(
        name,
        source,
        found.task,
        deep,
        side,
        splits,
        {part: split.positions for part, split in splits.items()},
        found.identity,
        "; ".join(note for note in notes[: 2 if left_out else 1] if note),
        Augmentation(crop_padding=side // 8),
        colours,
    )
    return replace(made, left_out=left_out, reading=reading, seed=seed)


def _pieces(task: LearningTask, labels: Targets, fractions: list[float], seed: int) -> list[Indices]:
    """What stays for training, then a piece for each fraction."""
    if isinstance(task, Classification):
        return stratified(labels, task.names, fractions, seed)
    return cut(task.groups(labels), fractions, seed)


def _assemble(
    name: str,
    source: str,
    task: LearningTask,
    channels: int,
    resolution: int,
    splits: Mapping[str, Split],
    positions: Mapping[str, Indices],
    identity: Iterable[str],
    note: str,
    augmentation: Augmentation,
    colours: Colours | None,
) -> ImageData:
    mean, std = channel_statistics(splits["train"], channels) if colours is None else colours
    digest = hashlib.sha256(repr((*identity, *task.names, channels, resolution)).encode())
    for split in SPLITS:
        labels = splits[split].labels
        digest.update(repr((split, len(labels))).encode())
        digest.update(positions[split].astype("<i8").tobytes())
        digest.update(labels.astype("<i8" if labels.ndim == 1 else "<f4").tobytes())
    return ImageData(
        name=name,
        source=source,
        task=task,
        channels=channels,
        resolution=resolution,
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        mean=mean,
        std=std,
        note=note,
        fingerprint=digest.hexdigest(),
        augmentation=augmentation,
    )


def _check(resolution: int | None, seed: int, validation: float, test: float) -> None:
    if resolution is not None and not LOWEST_RESOLUTION <= resolution <= HIGHEST_RESOLUTION:
        raise NasError(
            f"the resolution {resolution} is out of range; legal: {LOWEST_RESOLUTION} to {HIGHEST_RESOLUTION} pixels"
        )
    if seed < 0:
        raise NasError(f"the seed {seed} is negative; legal: 0 and above")
    if not (0 < validation < 1 and 0 < test < 1 and validation + test < 1):
        raise NasError(
            f"the fractions validation={validation:g} and test={test:g} leave no sound split; "
            "legal: each between 0 and 1, and less than 1 together, such as 0.2 and 0.2"
        )


def existing_source(source: str | Path) -> Path:
    """The folder or the CSV file that a text names. Raises NasError where there is none."""
    given = str(source)
    if given.startswith(GIVEN):
        raise NasError(
            f"the data set {given.removeprefix(GIVEN)} was an object in Python and cannot be read again by a name; give the "
            "same object again, in Python, as data=DATA_SET"
        )
    path = Path(source).expanduser()
    if path.is_dir() or (path.is_file() and path.suffix.lower() in CSV_SUFFIXES):
        return path.resolve()
    if path.exists():
        raise NasError(
            f"{given} is a file; give the folder that holds the images, a CSV file of paths and labels, or '{DIGITS}'"
        )
    if isinstance(source, Path) or path.name != given:
        raise NasError(f"the folder {given} does not exist; check the path, or use '{DIGITS}'")
    raise unknown("data", given, (DIGITS, "the path of a folder", "the path of a CSV file"))
