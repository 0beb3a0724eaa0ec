"""From the bytes of one picture to pixels of the training resolution, and what a few pictures say about the rest."""

from __future__ import annotations

import io
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from nas.base.errors import NasError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")

# Only these decoders are tried: Pillow knows others that start programs (EPS) or are rarely exercised.
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF", "PPM")
_DEEP_GREY = ("I;16", "I;16B", "I;16L", "I")
_PROBED = 64
_LARGEST_NATIVE = 64
_PHOTO_RESOLUTION = 224
LOWEST_RESOLUTION, HIGHEST_RESOLUTION = 8, 1024


class Pictures(Protocol):
    """Encoded pictures, wherever they are kept."""

    def __len__(self) -> int:
        """How many there are."""

    def read(self, index: int) -> bytes:
        """The encoded bytes of one picture; raises OSError when they cannot be read."""

    def where(self, index: int) -> str:
        """The file, or the file and row, for an error message."""


class CorruptImage(NasError):
    """A picture that cannot be decoded, or not be read; `reason` says why."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where} cannot be decoded as an image ({reason}); replace or remove it")
        self.reason = reason


def decode(pictures: Pictures, index: int, channels: int, resolution: int) -> npt.NDArray[np.uint8]:
    """Pixels uint8 (R, R, C): the shorter side resized to R, then the centre. Raises NasError at a corrupt picture."""
    try:
        with _opened(pictures, index) as picture:
            # A JPEG can be decoded at a half, a quarter or an eighth of its size: faster, and no worse while that is at
            # least twice the wanted size.
            picture.draft(None, (2 * resolution, 2 * resolution))
            return _square(_converted(picture, channels), resolution).reshape(resolution, resolution, channels)
    # Decoders fail with OSError, SyntaxError, ValueError, struct.error and more, according to the byte that is wrong.
    except Exception as error:
        raise _corrupt(pictures, index, error) from error


def probe(pictures: Pictures) -> tuple[int, int]:
    """(channels, native resolution), judged by 64 pictures spread evenly over all of them.

    One channel when every one is grey; the common side when every one is a square of the same side of at most 64, else
    224. Corrupt pictures do not count. Raises NasError where all of them are corrupt.
    """
    count = min(_PROBED, len(pictures))
    grey, sizes = True, set()
    first: CorruptImage | None = None
    for index in np.arange(count) * len(pictures) // count:
        try:
            with _opened(pictures, int(index)) as picture:
                grey = grey and picture.mode in ("L", "1", *_DEEP_GREY)
                sizes.add(picture.size)
        except Exception as error:
            first = first or _corrupt(pictures, int(index), error)
    if first is not None and not sizes:
        raise first
    width, height = sizes.pop()
    native = not sizes and width == height <= _LARGEST_NATIVE
    return 1 if grey else 3, max(width, LOWEST_RESOLUTION) if native else _PHOTO_RESOLUTION


def _opened(pictures: Pictures, index: int) -> Image.Image:
    return Image.open(io.BytesIO(pictures.read(index)), formats=_FORMATS)


def _converted(picture: Image.Image, channels: int) -> Image.Image:
    if picture.mode in _DEEP_GREY:
        # Pillow clips 16-bit grey at 255, which turns nearly everything white: keep the upper byte instead.
        picture = Image.fromarray((np.asarray(picture).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return picture.convert("L" if channels == 1 else "RGB")


def _square(picture: Image.Image, resolution: int) -> npt.NDArray[np.uint8]:
    """The shorter side resized to R and the centre cropped, in one step: pixels that are cut off are never computed."""
    width, height = picture.size
    side = min(width, height)
    if (width, height) == (resolution, resolution):
        return np.asarray(picture)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(picture.resize((resolution, resolution), Image.Resampling.BILINEAR, box=box))


def _corrupt(pictures: Pictures, index: int, error: Exception) -> CorruptImage:
    reason = f"{type(error).__name__}: {error}"
    if "cannot identify image file" in reason:
        reason = f"it is not one of {', '.join(_FORMATS)}"
    return CorruptImage(pictures.where(index), reason)
