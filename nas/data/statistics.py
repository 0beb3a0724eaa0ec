"""Mean and spread of the training images, for normalising."""

from __future__ import annotations

import numpy as np

from nas.data.images import Split

_MOST_IMAGES = 10_000
_CHUNK = 500
_LEAST_STD = 1e-3


def channel_statistics(split: Split, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, std) of each channel, of pixels scaled to [0, 1]; std is at least 0.001.

    Of more than 10,000 images a fixed subset counts, spread evenly over them in order. Raises NasError at a corrupt
    image.
    """
    count = min(len(split), _MOST_IMAGES)
    chosen = np.arange(count) * len(split) // count
    # Histograms are exact, so the figures do not depend on how the images are chunked.
    histogram = np.zeros((channels, 256), dtype=np.int64)
    for start in range(0, count, _CHUNK):
        pixels = split.images(chosen[start : start + _CHUNK]).numpy()
        for channel in range(channels):
            histogram[channel] += np.bincount(pixels[:, channel].ravel(), minlength=256)
    levels = np.arange(256) / 255
    weights = histogram / histogram.sum(axis=1, keepdims=True)
    mean = weights @ levels
    std = np.sqrt((weights * (levels - mean[:, None]) ** 2).sum(axis=1)).clip(min=_LEAST_STD)
    return tuple(mean.tolist()), tuple(std.tolist())
