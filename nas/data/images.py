"""A split: labels, and images that are decoded when somebody asks for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from nas.data.decode import CorruptImage, Pictures, decode
from nas.data.tasks.learning_task import Targets

Labels = npt.NDArray[np.int64]
Indices = npt.NDArray[np.integer]
Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

CACHE_LIMIT = 2**30
"""Bytes of decoded images that one split keeps in memory; a larger split is decoded anew each time."""

_CHUNK = 16
_SCANNED = 256
"""Images of which it is told at once that they were looked at."""

_SERIAL_SIDE = 64


class Split(Protocol):
    """One split of a data set: labels, int64 (N,) or float32 (N, outputs), and as many images."""

    labels: Targets

    def __len__(self) -> int:
        """N, the number of images."""

    def images(self, indices: Indices) -> torch.Tensor:
        """A new uint8 tensor (B, C, R, R), in channels-last memory order. Raises NasError at a corrupt image."""


class ArraySplit:
    """A split whose images (N, R, R, C) are in memory already."""

    def __init__(self, images: Pixels, labels: Targets) -> None:
        self.labels = labels
        self._images = images

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, indices: Indices) -> torch.Tensor:
        """A new uint8 tensor (B, C, R, R)."""
        return _as_tensor(np.take(self._images, indices, axis=0))


class LazySplit:
    """A split whose images stay encoded until first used, and then decoded if they all fit under CACHE_LIMIT.

    `positions` (N,) says which of `pictures` belong to the split; `labels` (N,) are theirs.
    """

    def __init__(self, pictures: Pictures, positions: Indices, labels: Targets, channels: int, resolution: int) -> None:
        self.labels = labels
        self._pictures = pictures
        self._positions = positions
        self._shape = (resolution, resolution, channels)
        self._fits = len(labels) * resolution * resolution * channels <= CACHE_LIMIT
        self._cache: Pixels | None = None
        self._decoded = np.zeros(len(labels), dtype=bool)

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, indices: Indices) -> torch.Tensor:
        """A new uint8 tensor (B, C, R, R). Raises NasError at a corrupt image."""
        indices = np.asarray(indices)
        if not self._fits:
            out = np.empty((len(indices), *self._shape), dtype=np.uint8)
            self._decode_into(out, np.arange(len(indices)), indices)
            return _as_tensor(out)
        if self._cache is None:
            self._cache = np.empty((len(self), *self._shape), dtype=np.uint8)
        missing = np.unique(indices[~self._decoded[indices]])
        if len(missing):
            self._decode_into(self._cache, missing, missing)
            self._decoded[missing] = True
        return _as_tensor(np.take(self._cache, indices, axis=0))

    def faults(self, told: Callable[[int], None]) -> dict[int, str]:
        """Decode every image once; those that cannot be decoded, by their places, with the reason.

        Where the split fits under CACHE_LIMIT they are kept, so that nothing is decoded twice.

        Args:
            told: is told every now and then how many of the images have been looked at.
        """
        found: dict[int, str] = {}
        pixels = np.empty((len(self) if self._fits else _SCANNED, *self._shape), dtype=np.uint8)
        for start in range(0, len(self), _SCANNED):
            indices = np.arange(start, min(start + _SCANNED, len(self)))
            self._decode_into(pixels, indices if self._fits else indices - start, indices, found)
            told(int(indices[-1]) + 1)
        if self._fits:
            self._cache = pixels
            self._decoded[:] = True
            self._decoded[list(found)] = False
        return found

    def where(self, index: int) -> str:
        """What an image is called."""
        return self._pictures.where(int(self._positions[index]))

    def without(self, places: Collection[int]) -> LazySplit:
        """The split without some images; what is decoded is kept."""
        kept = np.setdiff1d(np.arange(len(self)), np.array(sorted(places), dtype=np.int64))
        found = LazySplit(self._pictures, self._positions[kept], self.labels[kept], self._shape[2], self._shape[0])
        if self._cache is not None and found._fits:
            found._cache, found._decoded = self._cache[kept], self._decoded[kept]
        return found

    @property
    def positions(self) -> Indices:
        """(N,) which of the pictures they are."""
        return self._positions

    def _decode_into(self, out: Pixels, rows: Indices, indices: Indices, faults: dict[int, str] | None = None) -> None:
        """Decode image `indices[i]` into `out[rows[i]]`, large ones in threads: the decoders release Python's lock.

        Small ones are mostly Python's own work, which threads slow down (CIFAR-10 by a third on two cores).

        Args:
            faults: takes down what cannot be decoded; without it that is an error.
        """

        def work(start: int) -> None:
            for row, index in zip(rows[start : start + _CHUNK], indices[start : start + _CHUNK], strict=True):
                try:
                    out[row] = decode(self._pictures, int(self._positions[index]), self._shape[2], self._shape[0])
                except CorruptImage as error:
                    if faults is None:
                        raise
                    faults[int(index)] = error.reason

        starts = range(0, len(indices), _CHUNK)
        workers = 1 if self._shape[0] <= _SERIAL_SIDE else min(os.cpu_count() or 1, len(starts))
        if workers <= 1:
            for start in starts:
                work(start)
            return
        # The pool lives for one call only, so that a split can be copied and a process can fork at any other time.
        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(work, starts):
                pass


def _as_tensor(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)
