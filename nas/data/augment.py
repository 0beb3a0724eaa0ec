"""Augmentations of whole batches, without a loop over images, drawn from a generator that the caller seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from nas.base.errors import NasError
from nas.data.images import Pixels


@dataclass(frozen=True)
class Augmentation:
    """What is done to training images. Lengths are in pixels at the data's resolution.

    flip: mirror left and right with probability 0.5.
    crop_padding: pad with black (zero) pixels on all sides, then crop back at a random place.
    cutout: side of one square at a random place, set to the mean (DeVries & Taylor 2017); 0 is off.
    mixup: alpha of Beta(alpha, alpha), from which one mixing weight a batch is drawn (Zhang et al. 2018); 0 is off.
    """

    flip: bool = True
    crop_padding: int = 4
    cutout: int = 0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        for name in ("crop_padding", "cutout", "mixup"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise NasError(f"the augmentation {name}={value} is out of range; legal: 0 (off) and above")

    def check(self, resolution: int) -> None:
        """Raises NasError when a length exceeds the images' side."""
        for name in ("crop_padding", "cutout"):
            value = getattr(self, name)
            if value > resolution:
                raise NasError(f"the augmentation {name}={value} exceeds the resolution; legal: 0 to {resolution}")


NO_AUGMENTATION = Augmentation(flip=False, crop_padding=0, cutout=0, mixup=0.0)


def move(pixels: Pixels, augmentation: Augmentation, rng: np.random.Generator) -> Pixels:
    """Crop and flip uint8 pixels (B, R, R, C), which may be overwritten; the result has the same shape."""
    count, side = len(pixels), pixels.shape[1]
    if augmentation.crop_padding:
        pad = augmentation.crop_padding
        padded = np.zeros((count, side + 2 * pad, side + 2 * pad, pixels.shape[3]), dtype=np.uint8)
        padded[:, pad : pad + side, pad : pad + side] = pixels
        top, left = rng.integers(0, 2 * pad + 1, size=(2, count))
        # (B, rows, columns, C, R, R): every possible crop is a view, and indexing copies the chosen one of each image.
        windows = sliding_window_view(padded, (side, side), axis=(1, 2))
        pixels = windows.transpose(0, 1, 2, 4, 5, 3)[np.arange(count), top, left]
    if augmentation.flip:
        mirrored = rng.random(count) < 0.5
        pixels[mirrored] = pixels[mirrored, :, ::-1]
    return pixels


def cut_out(values: torch.Tensor, side: int, rng: np.random.Generator) -> None:
    """Set one square of each image to zero, in place, in normalised values (B, R, R, C), where zero is the mean.

    The square's centre is any pixel, so that it may reach over the border and lose what lies outside.
    """
    count, resolution = values.shape[0], values.shape[1]
    first = rng.integers(0, resolution, size=(2, count, 1)) - side // 2
    along = np.arange(resolution)
    rows, columns = (along >= first) & (along < first + side)
    keep = ~(rows[:, :, None] & columns[:, None, :])
    values.mul_(torch.from_numpy(keep[..., None].astype(np.float32)))


def mix(values: torch.Tensor, targets: torch.Tensor, alpha: float, rng: np.random.Generator) -> torch.Tensor:
    """Mix each image with another one of the batch, in place; returns the mixed targets.

    values (B, R, R, C); targets one-hot float32 (B, classes). One weight serves the whole batch, as in the paper.
    """
    weight = float(rng.beta(alpha, alpha))
    partner = torch.from_numpy(rng.permutation(len(values)))
    values.lerp_(values.index_select(0, partner), 1 - weight)
    return targets.lerp(targets[partner], 1 - weight)
