"""Crop, flip and cutout of whole batches, without a loop over images."""

from __future__ import annotations

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from nas.data.images import Indices, Mask, Pixels


def crop(pixels: Pixels, padding: int, offsets: Indices) -> Pixels:
    """Pad uint8 pixels (B, R, R, C) with black on all sides, and crop each image at its offset (2, B); the same shape."""
    count, side = len(pixels), pixels.shape[1]
    padded = np.zeros((count, side + 2 * padding, side + 2 * padding, pixels.shape[3]), dtype=np.uint8)
    padded[:, padding : padding + side, padding : padding + side] = pixels
    # (B, rows, columns, C, R, R): every possible crop is a view, and indexing copies the chosen one of each image.
    windows = sliding_window_view(padded, (side, side), axis=(1, 2))
    cropped: Pixels = windows.transpose(0, 1, 2, 4, 5, 3)[np.arange(count), offsets[0], offsets[1]]
    return cropped


def flip(pixels: Pixels, mirrored: Mask) -> None:
    """Mirror the images left and right where `mirrored` (B,) says so, in place."""
    pixels[mirrored] = pixels[mirrored, :, ::-1]


def cut_out(values: torch.Tensor, side: int, centres: Indices) -> None:
    """Set one square of each image to zero, in place, in normalised values (B, R, R, C), where zero is the mean.

    Its centre (2, B) is any pixel, so that the square may reach over the border and lose what lies outside.
    """
    first = centres[..., None] - side // 2
    along = np.arange(values.shape[1])
    rows, columns = (along >= first) & (along < first + side)
    keep = ~(rows[:, :, None] & columns[:, None, :])
    values.mul_(torch.from_numpy(keep[..., None].astype(np.float32)))
