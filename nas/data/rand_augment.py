"""RandAugment: Cubuk et al., RandAugment: Practical automated data augmentation with a reduced search space, 2020.

Every image goes through N operators, each drawn uniformly from the paper's 14, all of one magnitude. The figures of magnitude
10 are the largest of AutoAugment (Cubuk et al. 2019), and every operator grows stronger with the magnitude. The arithmetic is
Pillow's, in which the paper's code is written, over all images that drew an operator at once.

It is written here rather than taken from kornia because kornia's draws the operators once for a whole batch, without
replacement, and from torch's global generator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.data.images import Indices, Pixels

STRONGEST = 10.0
"""The magnitude at which an operator reaches the end of its range in AutoAugment."""

HIGHEST_MAGNITUDE = 30.0
"""Beyond 10 the figures grow on in proportion, as far as an operator has a meaning there."""

ROTATION, SHEAR, TRANSLATION, ENHANCEMENT, BITS = 30.0, 0.3, 150 / 331, 0.9, 4
"""Largest figures: degrees; slope; share of the side; distance of the factor from 1; bits that posterize takes away."""

GREY = 128
"""What is seen beyond an image's border."""

Operator = Callable[[Pixels, float, npt.NDArray[Any]], Pixels]
"""Pixels (B, R, R, C), strength (magnitude / 10) and directions (B,), 1 or -1 -> new pixels of the same shape."""


def rand_augment(pixels: Pixels, magnitude: float, operators: Indices, signs: Indices) -> None:
    """Put each image through its operators, in place.

    Args:
        pixels: uint8 (B, R, R, C) with 1 or 3 channels.
        operators: (N, B) places in `OPERATORS`.
        signs: (N, B) 1 or -1.
    """
    for drawn, directions in zip(operators, signs, strict=True):
        for place, operator in enumerate(OPERATORS.values()):
            chosen = np.flatnonzero(drawn == place)
            if len(chosen) and operator is not _identity:
                pixels[chosen] = operator(pixels[chosen], magnitude / STRONGEST, directions[chosen])


def _identity(pixels: Pixels, strength: float, signs: npt.NDArray[Any]) -> Pixels:
    return pixels


def _auto_contrast(pixels: Pixels, strength: float, signs: npt.NDArray[Any]) -> Pixels:
    """Stretch each channel from black to full."""
    low, high = (extreme(axis=(1, 2), keepdims=True).astype(float) for extreme in (pixels.min, pixels.max))
    scale = 255.0 / np.where(high > low, high - low, 255.0)
    stretched = np.clip(pixels * scale - low * scale, 0, 255).astype(np.uint8)
    result: Pixels = np.where(high > low, stretched, pixels)
    return result


def _equalize(pixels: Pixels, strength: float, signs: npt.NDArray[Any]) -> Pixels:
    """Make the histogram of each channel even."""
    count, _, _, channels = pixels.shape
    tables = count * channels
    which = pixels + 256 * np.arange(tables).reshape(count, 1, 1, channels)
    histogram = np.bincount(which.ravel(), minlength=256 * tables).reshape(tables, 256)
    brightest = histogram[np.arange(tables), 255 - (histogram[:, ::-1] > 0).argmax(axis=1)]
    step = (histogram.sum(axis=1) - brightest)[:, None] // 255
    before = np.cumsum(histogram, axis=1) - histogram
    table = np.where(step > 0, (before + step // 2) // np.maximum(step, 1), np.arange(256))
    result: Pixels = np.clip(table, 0, 255).astype(np.uint8).ravel()[which]
    return result


def _posterize(pixels: Pixels, strength: float, signs: npt.NDArray[Any]) -> Pixels:
    """Keep the highest bits, at least one."""
    lost = min(int(BITS * strength), 7)
    return pixels & np.uint8(256 - 2**lost)


def _solarize(pixels: Pixels, strength: float, signs: npt.NDArray[Any]) -> Pixels:
    """Invert what is brighter than a threshold."""
    threshold = max(256 - int(256 * strength), 0)
    return np.where(pixels < threshold, pixels, 255 - pixels)


def _enhance(degenerate: Callable[[Pixels], npt.NDArray[Any]]) -> Operator:
    """Move away from, or towards, a degenerate image by a factor that is never below 0.1."""

    def operator(pixels: Pixels, strength: float, signs: npt.NDArray[Any]) -> Pixels:
        factor = np.maximum(1 + signs * ENHANCEMENT * strength, 1 - ENHANCEMENT).astype(np.float32)[:, None, None, None]
        base = degenerate(pixels).astype(np.float32)
        return np.clip(base + factor * (pixels - base), 0, 255).astype(np.uint8)

    return operator


def _grey(pixels: Pixels) -> npt.NDArray[Any]:
    """(B, R, R, 1): the luma of ITU-R 601."""
    if pixels.shape[3] == 1:
        return pixels
    weighted: npt.NDArray[Any] = (pixels @ np.array([19595, 38470, 7471]) + 2**15) >> 16
    return weighted[..., None]


def _mean_grey(pixels: Pixels) -> npt.NDArray[Any]:
    rounded: npt.NDArray[Any] = np.floor(_grey(pixels).mean(axis=(1, 2, 3), keepdims=True) + 0.5)
    return rounded


def _black(pixels: Pixels) -> npt.NDArray[Any]:
    return np.zeros((1, 1, 1, 1))


def _smooth(pixels: Pixels) -> npt.NDArray[Any]:
    """The mean of each pixel's 3 x 3 surroundings, itself weighing five times as much; the border is left as it is."""
    wide = pixels.astype(np.int32)
    side = pixels.shape[1] - 2
    total = 4 * wide[:, 1:-1, 1:-1]
    for row in range(3):
        for column in range(3):
            total = total + wide[:, row : row + side, column : column + side]
    wide[:, 1:-1, 1:-1] = (2 * total + 13) // 26
    return wide


def _affine(matrices: Callable[[float, npt.NDArray[Any], int], tuple[Any, ...]]) -> Operator:
    """Take each pixel from the nearest place that a matrix ((a, b, c), (d, e, f)) gives: x' = a x + b y + c."""

    def operator(pixels: Pixels, strength: float, signs: npt.NDArray[Any]) -> Pixels:
        count, side = pixels.shape[:2]
        wide = [np.broadcast_to(value, (count,))[:, None, None] for value in matrices(strength, signs, side)]
        y, x = np.arange(side)[:, None] + 0.5, np.arange(side)[None, :] + 0.5
        columns, rows = (np.floor(a * x + b * y + c).astype(int) for a, b, c in (wide[:3], wide[3:]))
        inside = (columns >= 0) & (columns < side) & (rows >= 0) & (rows < side)
        taken = pixels[np.arange(count)[:, None, None], rows.clip(0, side - 1), columns.clip(0, side - 1)]
        return np.where(inside[..., None], taken, np.uint8(GREY))

    return operator


def _rotation(strength: float, signs: npt.NDArray[Any], side: int) -> tuple[Any, ...]:
    """Around the centre."""
    angle = np.deg2rad(ROTATION * strength * signs)
    cosine, sine, middle = np.cos(angle), np.sin(angle), side / 2
    return cosine, -sine, middle * (1 - cosine + sine), sine, cosine, middle * (1 - cosine - sine)


def _shear_x(strength: float, signs: npt.NDArray[Any], side: int) -> tuple[Any, ...]:
    return 1, SHEAR * strength * signs, 0, 0, 1, 0


def _shear_y(strength: float, signs: npt.NDArray[Any], side: int) -> tuple[Any, ...]:
    return 1, 0, 0, SHEAR * strength * signs, 1, 0


def _translate_x(strength: float, signs: npt.NDArray[Any], side: int) -> tuple[Any, ...]:
    return 1, 0, int(TRANSLATION * strength * side) * signs, 0, 1, 0


def _translate_y(strength: float, signs: npt.NDArray[Any], side: int) -> tuple[Any, ...]:
    return 1, 0, 0, 0, 1, int(TRANSLATION * strength * side) * signs


OPERATORS: dict[str, Operator] = {
    "identity": _identity,
    "auto-contrast": _auto_contrast,
    "equalize": _equalize,
    "rotate": _affine(_rotation),
    "solarize": _solarize,
    "color": _enhance(_grey),
    "posterize": _posterize,
    "contrast": _enhance(_mean_grey),
    "brightness": _enhance(_black),
    "sharpness": _enhance(_smooth),
    "shear-x": _affine(_shear_x),
    "shear-y": _affine(_shear_y),
    "translate-x": _affine(_translate_x),
    "translate-y": _affine(_translate_y),
}
"""The 14 of the paper."""
