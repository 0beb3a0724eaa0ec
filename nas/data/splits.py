"""Cutting held-out parts from labelled images, each class by itself, and an order in which every prefix is balanced."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.data.images import Indices, Labels


def stratified(labels: Labels, classes: Sequence[str], fractions: Sequence[float], seed: int) -> list[Indices]:
    """Disjoint ascending positions: what remains, then one part for each fraction, every class in every part.

    Raises NasError when a class has fewer images than there are parts.
    """
    parts: list[list[Indices]] = [[] for _ in range(len(fractions) + 1)]
    for name, members in zip(classes, by_class(labels, len(classes)), strict=True):
        if len(members) < len(parts):
            raise NasError(
                f"the class '{name}' has {len(members)} image(s), but each of the {len(parts)} splits needs one; "
                "add images or remove the class"
            )
        sizes = _sizes(len(members), fractions)
        shuffled = generator(seed, "split", name).permutation(members)
        for part, piece in zip(parts, np.split(shuffled, np.cumsum(sizes)[:-1]), strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part)) for part in parts]


def cut(groups: Labels, fractions: Sequence[float], seed: int) -> list[Indices]:
    """The same for groups that need not be in every part: those with too few images for that are taken together.

    Args:
        groups: (N,) numbers from 0.

    Raises:
        NasError: fewer images than parts.
    """
    parts = len(fractions) + 1
    if len(groups) < parts:
        raise NasError(f"there are {len(groups)} training image(s), but each of the {parts} splits needs one; add images")
    counts = np.bincount(groups)
    small = (counts < parts)[groups]
    if 0 < small.sum() < parts:
        small |= groups == counts.argmax()
    merged = np.where(small, len(counts), groups)
    _, numbered = np.unique(merged, return_inverse=True)
    names = [str(number) for number in range(int(numbered.max()) + 1)]
    return stratified(numbered.astype(np.int64), names, fractions, seed)


def balanced_order(labels: Labels) -> Indices:
    """All positions in a fixed mixed order of which every prefix holds the classes in proportion (to within one image).

    The order depends on the labels alone, not on the seed of a run, so that two runs score on the same images.
    """
    rng = generator(0, "slice")
    keys = np.empty(len(labels))
    for members in by_class(labels, int(labels.max(initial=-1)) + 1):
        keys[members] = (rng.permutation(len(members)) + 0.5) / max(len(members), 1)
    return np.lexsort((rng.permutation(len(labels)), keys))


def by_class(labels: Labels, classes: int) -> list[Indices]:
    """The ascending positions of each class."""
    counts = np.bincount(labels, minlength=classes)
    return list(np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])) if classes else []


def _sizes(count: int, fractions: Sequence[float]) -> list[int]:
    """The size of the remainder and of each part: rounded, never zero."""
    sizes = [max(1, round(count * fraction)) for fraction in fractions]
    while sum(sizes) >= count:
        sizes[sizes.index(max(sizes))] -= 1
    return [count - sum(sizes), *sizes]
