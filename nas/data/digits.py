"""The 8x8 handwritten digits that come with scikit-learn: a data set without a download."""

from __future__ import annotations

import numpy as np
import torch

from nas.data.images import Labels, Pixels

CLASSES = tuple(str(digit) for digit in range(10))
DEFAULT_RESOLUTION = 32


def read_digits(resolution: int) -> tuple[Pixels, Labels]:
    """All 1797 images, uint8 (N, R, R, 1), up-sampled bilinearly from 8x8, and their labels (N,)."""
    # Imported late: scikit-learn takes a second to load, and only this source needs it.
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    small = torch.from_numpy(values.astype(np.float32)).reshape(-1, 1, 8, 8) * (255 / 16)
    large = torch.nn.functional.interpolate(small, size=(resolution, resolution), mode="bilinear", align_corners=False)
    return large.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy(), labels.astype(np.int64)
