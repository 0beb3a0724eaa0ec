"""What is done to training images, and the random numbers of a batch that it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from nas.base.errors import NasError
from nas.data.images import Indices, Mask
from nas.data.mixing import Mixing, draw_mixing
from nas.data.rand_augment import HIGHEST_MAGNITUDE, OPERATORS


@dataclass(frozen=True)
class Augmentation:
    """What is done to training images. Lengths are in pixels at the data's resolution.

    flip: mirror left and right with probability 0.5.
    crop_padding: pad with black (zero) pixels on all sides, then crop back at a random place.
    randaugment: how many operators each image goes through, and their magnitude, 10 being the strongest of AutoAugment
        (Cubuk et al. 2020); None is off.
    cutout: side of one square at a random place, set to the mean (DeVries & Taylor 2017); 0 is off.
    mixup: alpha of Beta(alpha, alpha), from which one mixing weight a batch is drawn (Zhang et al. 2018); 0 is off.
    cutmix: the same for a rectangle of another image (Yun et al. 2019); 0 is off. With both, every batch takes one of the two,
        each with probability 0.5.
    """

    flip: bool = True
    crop_padding: int = 4
    cutout: int = 0
    mixup: float = 0.0
    cutmix: float = 0.0
    randaugment: tuple[int, float] | None = None

    def __post_init__(self) -> None:
        for name in ("crop_padding", "cutout", "mixup", "cutmix"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise NasError(f"the augmentation {name}={value} is out of range; legal: 0 (off) and above")
        if self.randaugment is not None:
            operators, magnitude = self.randaugment
            if operators < 1 or not 0 <= magnitude <= HIGHEST_MAGNITUDE:
                raise NasError(
                    f"the augmentation randaugment={operators},{magnitude:g} is out of range; legal: 1 operator or more, and a "
                    f"magnitude from 0 to {HIGHEST_MAGNITUDE:g}, such as 2,9"
                )

    def check(self, resolution: int) -> None:
        """Raises NasError when a length exceeds the images' side."""
        for name in ("crop_padding", "cutout"):
            value = getattr(self, name)
            if value > resolution:
                raise NasError(f"the augmentation {name}={value} exceeds the resolution; legal: 0 to {resolution}")


NO_AUGMENTATION = Augmentation(flip=False, crop_padding=0)


Drawn = TypeVar("Drawn", Indices, Mask)


@dataclass(frozen=True)
class Draws:
    """The random numbers of one batch of B images; None for what is off.

    Attributes:
        offsets: (2, B) rows and columns at which the padded images are cropped.
        mirrored: (B,) whether an image is flipped.
        centres: (2, B) pixels at which cutout's squares are centred.
        mixing: which images are mixed, and how.
        operators: (N, B) RandAugment's operators, in order.
        signs: (N, B) their directions, 1 or -1.
    """

    offsets: Indices | None
    mirrored: Mask | None
    centres: Indices | None
    mixing: Mixing | None
    operators: Indices | None
    signs: Indices | None

    def of(self, chosen: Indices) -> Draws:
        """Those of some images; the mixing stays as it is."""

        def picked(drawn: Drawn | None) -> Drawn | None:
            return None if drawn is None else drawn[..., chosen]

        return replace(
            self,
            offsets=picked(self.offsets),
            mirrored=picked(self.mirrored),
            centres=picked(self.centres),
            operators=picked(self.operators),
            signs=picked(self.signs),
        )


def draw(augmentation: Augmentation, count: int, side: int, rng: np.random.Generator) -> Draws:
    """The random numbers of a batch of `count` images of that side in pixels."""
    pad, randaugment = augmentation.crop_padding, augmentation.randaugment
    offsets = rng.integers(0, 2 * pad + 1, size=(2, count)) if pad else None
    mirrored = rng.random(count) < 0.5 if augmentation.flip else None
    centres = rng.integers(0, side, size=(2, count)) if augmentation.cutout else None
    mixing = draw_mixing(augmentation.mixup, augmentation.cutmix, count, side, rng)
    operators = signs = None
    if randaugment is not None:
        operators = rng.integers(0, len(OPERATORS), size=(randaugment[0], count))
        signs = 1 - 2 * rng.integers(0, 2, size=operators.shape)
    return Draws(offsets, mirrored, centres, mixing, operators, signs)
