"""From uint8 pixels to the float images that a network sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from nas.data.images import Pixels


class Normaliser:
    """(pixel / 255 - mean) / std for each channel, as one scale and one shift."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], resolution: int) -> None:
        wide_mean, wide_std = np.asarray(mean), np.asarray(std)
        # Repeated to the length of a row of pixels: broadcasting over three channels alone is five times slower.
        self._scale = torch.from_numpy(np.tile(1 / (255 * wide_std), resolution).astype(np.float32))
        self._shift = torch.from_numpy(np.tile(-wide_mean / wide_std, resolution).astype(np.float32))

    def __call__(self, pixels: Pixels) -> torch.Tensor:
        """A new float32 tensor (B, R, R, C) from uint8 pixels (B, R, R, C)."""
        batch, height, width, channels = pixels.shape
        rows = torch.from_numpy(np.ascontiguousarray(pixels)).view(batch, height, width * channels).float()
        return rows.mul_(self._scale).add_(self._shift).view(batch, height, width, channels)


def to_pixels(images: torch.Tensor) -> Pixels:
    """The uint8 images (B, C, R, R) of a split as an array (B, R, R, C) over the same memory."""
    return images.permute(0, 2, 3, 1).numpy()


def to_images(values: torch.Tensor) -> torch.Tensor:
    """Float values (B, R, R, C) as images (B, C, R, R) over the same memory, which is then channels-last."""
    return values.permute(0, 3, 1, 2)
