"""Images that cannot be decoded are left out of a data set, and named; too many of them are an error."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from nas.base.errors import NasError
from nas.base.progress import Reporter, Silent
from nas.data.images import LazySplit
from nas.data.tasks import LearningTask

MOST = 0.5
"""Share of a split's images that may be left out: with more the data set is not what its labels say."""


def leave_out(
    splits: Mapping[str, LazySplit],
    task: LearningTask | None,
    known: Collection[str] | None,
    reporter: Reporter | None = None,
) -> tuple[dict[str, LazySplit], dict[str, str]]:
    """The splits without corrupt images, and these by name with the reason.

    Args:
        task: what is to be learned from them; None where nothing is.
        known: the names of the corrupt ones, where all images were decoded before; by default every image is decoded.
        reporter: hears how far the decoding is.

    Raises:
        NasError: more than half of a split is corrupt, or all training images of a class or label.
    """
    faulty = _faults(splits, reporter or Silent()) if known is None else [_known(split, known) for split in splits.values()]
    kept: dict[str, LazySplit] = {}
    left_out: dict[str, str] = {}
    for (name, split), faults in zip(splits.items(), faulty, strict=True):
        kept[name] = split.without(faults) if faults else split
        left_out |= {split.where(place): reason for place, reason in sorted(faults.items())}
        if faults:
            _require_enough(name, split, kept[name], faults, task)
    return kept, left_out


def _faults(splits: Mapping[str, LazySplit], reporter: Reporter) -> list[dict[int, str]]:
    """The corrupt images of each split, by their places, with the reason."""
    found: list[dict[int, str]] = []
    done = 0
    reporter.start("reading images", sum(map(len, splits.values())))
    try:
        for split in splits.values():
            found.append(split.faults(partial(_advance, reporter, done)))
            done += len(split)
    finally:
        reporter.finish()
    return found


def _advance(reporter: Reporter, before: int, count: int) -> None:
    reporter.advance(before + count)


def _known(split: LazySplit, known: Collection[str]) -> dict[int, str]:
    if not known:
        return {}
    names = set(known)
    return {place: "left out before" for place in range(len(split)) if split.where(place) in names}


def _require_enough(name: str, split: LazySplit, kept: LazySplit, faults: Mapping[int, str], task: LearningTask | None) -> None:
    place, reason = min(faults.items())
    first = f"the first is {split.where(place)} ({reason})"
    if len(faults) > MOST * len(split):
        raise NasError(
            f"{len(faults)} of the {len(split)} {name} images cannot be decoded; {first}; check the paths and the files"
        )
    if name != "train" or task is None:
        return
    before, after = task.counts(split.labels), task.counts(kept.labels)
    gone = [label for label, count in before.items() if count and not after[label]]
    if gone:
        raise NasError(f"no training image of '{gone[0]}' can be decoded; {first}; replace the images, or remove the class")
