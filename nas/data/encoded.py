"""Images in memory as the bytes of a file, so that everything reads them as it reads files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from PIL import Image


def encoded(image: Any) -> bytes:
    """A PIL image, an array (H, W[, C]) or a tensor ([C,] H, W) as a file, without loss.

    Raises:
        ValueError: it is none of these, or its values are no pixels: uint8, or floating from 0 to 1.
    """
    picture = image if isinstance(image, Image.Image) else Image.fromarray(_pixels(image))
    stream = io.BytesIO()
    # PPM is no more than the pixels; it knows grey and colours alone.
    picture.save(stream, "PPM" if picture.mode in ("L", "RGB") else "PNG")
    return stream.getvalue()


def _pixels(image: Any) -> np.ndarray:
    """uint8 (H, W) or (H, W, 3 or 4)."""
    if isinstance(image, torch.Tensor):
        values = image.detach().cpu().numpy()
        values = np.moveaxis(values, 0, -1) if values.ndim == 3 else values
    elif isinstance(image, np.ndarray):
        values = image
    else:
        raise ValueError(f"an image is a PIL image, an array or a tensor, not a {type(image).__name__}")
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (3, 4)):
        raise ValueError(f"shape {tuple(image.shape)}: an array is (H, W) or (H, W, C), a tensor (H, W) or (C, H, W)")
    if np.issubdtype(values.dtype, np.floating):
        if not (values.min() >= 0 and values.max() <= 1):
            raise ValueError("floating pixels are from 0 to 1: leave normalisation to the search")
        values = np.round(values * 255)
    elif values.dtype != np.uint8:
        raise ValueError(f"pixels are uint8, or floating from 0 to 1, not {values.dtype}")
    return np.ascontiguousarray(values.astype(np.uint8))
