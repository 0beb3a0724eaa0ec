"""A data set ready for training: three splits, and all that must be known of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas.base.errors import NasError, unknown
from nas.data.augment import Augmentation
from nas.data.decode import HIGHEST_RESOLUTION, LOWEST_RESOLUTION, probe
from nas.data.digits import CLASSES, DEFAULT_RESOLUTION, read_digits
from nas.data.folders import read_folders
from nas.data.images import ArraySplit, Indices, LazySplit, Split
from nas.data.parquet import find_parquet, read_parquet
from nas.data.splits import stratified
from nas.data.statistics import channel_statistics

DIGITS = "digits"


@dataclass(frozen=True)
class ImageData:
    """Labelled images of one size in three splits.

    `mean` and `std` are per channel, of training images scaled to [0, 1]. `fingerprint` changes when the files, labels,
    splits or resolution do. `note` is a caveat worth printing beside results, or ''.
    """

    name: str
    source: str
    classes: tuple[str, ...]
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


def load_data(
    source: str | Path = DIGITS,
    *,
    resolution: int | None = None,
    seed: int = 0,
    validation: float = 0.2,
    test: float = 0.2,
) -> ImageData:
    """Load 'digits', or a folder of class folders, of split folders, or of Parquet files.

    Splits that a folder has are kept; missing ones are cut from its training images, each class by itself: the
    fractions `validation` and `test` of them, drawn by `seed`. `resolution` is the side in pixels (8 to 1024); None
    takes 32 for digits, the native side of small square images, and 224 for everything else. Raises NasError, in one
    sentence, when the source or an argument cannot be used.
    """
    _check(resolution, seed, validation, test)
    fractions = {"validation": validation, "test": test}
    if source == DIGITS:
        return _digits(resolution or DEFAULT_RESOLUTION, seed, fractions)
    return _folder(_existing_folder(source), resolution, seed, fractions)


def _digits(resolution: int, seed: int, fractions: Mapping[str, float]) -> ImageData:
    images, labels = read_digits(resolution)
    positions = dict(zip(("train", *fractions), stratified(labels, CLASSES, [*fractions.values()], seed), strict=True))
    splits = {name: ArraySplit(images[chosen], labels[chosen]) for name, chosen in positions.items()}
    content = hashlib.sha256(images.tobytes()).hexdigest()
    note = f"scikit-learn's digits are 8x8 pixels, up-sampled to {resolution}x{resolution}"
    # A mirrored 2 is no digit.
    augmentation = Augmentation(flip=False, crop_padding=resolution // 8)
    return _assemble(DIGITS, DIGITS, CLASSES, 1, resolution, splits, positions, (content,), note, augmentation)


def _folder(root: Path, resolution: int | None, seed: int, fractions: Mapping[str, float]) -> ImageData:
    files = find_parquet(root)
    found = read_parquet(root, files) if files else read_folders(root)
    train = found.parts["train"]
    missing = [name for name in fractions if name not in found.parts]
    pieces = stratified(train.labels, found.classes, [fractions[name] for name in missing], seed)
    positions: dict[str, Indices] = dict(zip(("train", *missing), pieces, strict=True))
    channels, native = probe(train.pictures)
    side = resolution or native
    splits = {}
    for name in ("train", *fractions):
        part = found.parts.get(name, train)
        chosen = positions.setdefault(name, np.arange(len(part.labels)))
        splits[name] = LazySplit(part.pictures, chosen, part.labels[chosen], channels, side)
    augmentation = Augmentation(crop_padding=side // 8)
    return _assemble(
        root.name, str(root), found.classes, channels, side, splits, positions, found.identity, found.note, augmentation
    )


def _assemble(
    name: str,
    source: str,
    classes: tuple[str, ...],
    channels: int,
    resolution: int,
    splits: Mapping[str, Split],
    positions: Mapping[str, Indices],
    identity: Iterable[str],
    note: str,
    augmentation: Augmentation,
) -> ImageData:
    mean, std = channel_statistics(splits["train"], channels)
    digest = hashlib.sha256(repr((*identity, *classes, channels, resolution)).encode())
    for split in ("train", "validation", "test"):
        digest.update(repr((split, len(splits[split]))).encode())
        digest.update(positions[split].astype("<i8").tobytes())
        digest.update(splits[split].labels.astype("<i8").tobytes())
    return ImageData(
        name=name,
        source=source,
        classes=classes,
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


def _existing_folder(source: str | Path) -> Path:
    given = str(source)
    path = Path(source).expanduser()
    if path.is_dir():
        return path.resolve()
    if path.exists():
        raise NasError(f"{given} is a file; give the folder that holds the images, or '{DIGITS}'")
    if isinstance(source, Path) or path.name != given:
        raise NasError(f"the folder {given} does not exist; check the path, or use '{DIGITS}'")
    raise unknown("data", given, (DIGITS, "the path of a folder"))
