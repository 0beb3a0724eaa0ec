"""RandAugment: each operator is Pillow's, each image draws its own, and strength grows with the magnitude."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from nas.base.errors import NasError
from nas.data import Augmentation, ImageData, TrainingBatches
from nas.data.augment import draw
from nas.data.images import Pixels
from nas.data.rand_augment import OPERATORS, rand_augment

SIDE = 24

Reference = Callable[[Image.Image, float, int], Image.Image]


def moved(matrix: Callable[[float], tuple[float, ...]]) -> Reference:
    return lambda picture, strength, sign: picture.transform(
        picture.size, Image.Transform.AFFINE, matrix(strength * sign), Image.Resampling.NEAREST, fillcolor=fill(picture)
    )


def fill(picture: Image.Image) -> int | tuple[int, int, int]:
    return 128 if picture.mode == "L" else (128, 128, 128)


def factor(strength: float, sign: int) -> float:
    return max(0.1, 1 + 0.9 * strength * sign)


PILLOW: dict[str, Reference] = {
    "identity": lambda picture, strength, sign: picture,
    "auto-contrast": lambda picture, strength, sign: ImageOps.autocontrast(picture),
    "equalize": lambda picture, strength, sign: ImageOps.equalize(picture),
    "rotate": lambda picture, strength, sign: picture.rotate(
        30 * strength * sign, Image.Resampling.NEAREST, fillcolor=fill(picture)
    ),
    "solarize": lambda picture, strength, sign: ImageOps.solarize(picture, max(0, 256 - int(256 * strength))),
    "posterize": lambda picture, strength, sign: ImageOps.posterize(picture, max(1, 8 - int(4 * strength))),
    "color": lambda picture, strength, sign: ImageEnhance.Color(picture).enhance(factor(strength, sign)),
    "contrast": lambda picture, strength, sign: ImageEnhance.Contrast(picture).enhance(factor(strength, sign)),
    "brightness": lambda picture, strength, sign: ImageEnhance.Brightness(picture).enhance(factor(strength, sign)),
    "sharpness": lambda picture, strength, sign: ImageEnhance.Sharpness(picture).enhance(factor(strength, sign)),
    "shear-x": moved(lambda s: (1, 0.3 * s, 0, 0, 1, 0)),
    "shear-y": moved(lambda s: (1, 0, 0, 0.3 * s, 1, 0)),
    "translate-x": moved(lambda s: (1, 0, int(150 / 331 * s * SIDE), 0, 1, 0)),
    "translate-y": moved(lambda s: (1, 0, 0, 0, 1, int(150 / 331 * s * SIDE))),
}


def pictures(count: int, channels: int, seed: int = 0) -> Pixels:
    """Smooth and noisy pictures of few and of many values."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(20, 200, SIDE)[:, None, None] + np.zeros((count, SIDE, SIDE, channels))
    noise = rng.integers(-20, 55, (count, SIDE, SIDE, channels)) * (rng.random((count, 1, 1, 1)) < 0.7)
    return np.asarray((slope + noise).clip(0, 255), dtype=np.uint8)


def applied(pixels: Pixels, name: str, magnitude: float, sign: int) -> Pixels:
    after = pixels.copy()
    shape = (1, len(pixels))
    rand_augment(after, magnitude, np.full(shape, list(OPERATORS).index(name)), np.full(shape, sign))
    return after


def test_the_operators_are_the_14_of_the_paper() -> None:
    assert set(OPERATORS) == set(PILLOW)
    assert len(OPERATORS) == 14


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("magnitude", [1.0, 5.0, 9.0, 10.0, 28.0])
@pytest.mark.parametrize("name", PILLOW)
def test_an_operator_computes_what_pillow_does(name: str, magnitude: float, channels: int) -> None:
    before = pictures(6, channels)
    for sign in (1, -1):
        after = applied(before, name, magnitude, sign)
        for one, changed in zip(before, after, strict=True):
            picture = Image.fromarray(one[..., 0] if channels == 1 else one)
            expected = np.asarray(PILLOW[name](picture, magnitude / 10, sign)).reshape(one.shape)
            distance = np.abs(changed.astype(int) - expected)
            if name in ("rotate", "shear-x", "shear-y"):
                # Pillow follows the grid in fixed point, so that a few pixels on an edge come from the neighbour.
                assert (distance > 0).mean() < 0.03
            else:
                assert distance.max() <= 1
                assert (distance > 0).mean() < 0.02


@pytest.mark.parametrize("name", sorted(set(OPERATORS) - {"identity", "auto-contrast", "equalize"}))
def test_strength_grows_with_the_magnitude_from_nothing(name: str) -> None:
    before = pictures(8, 3)
    far = [np.abs(applied(before, name, m, -1).astype(int) - before).mean() for m in (0.0, 2.5, 5.0, 10.0)]
    assert far[0] == 0.0
    assert far == sorted(far)
    assert far[3] > 0


def test_every_image_draws_operators_of_its_own_uniformly_and_both_directions() -> None:
    drawn = draw(Augmentation(randaugment=(2, 9.0)), 7000, 16, np.random.default_rng(0))
    assert drawn.operators is not None
    assert drawn.signs is not None
    assert drawn.operators.shape == drawn.signs.shape == (2, 7000)
    for row in drawn.operators:
        hits = np.bincount(row, minlength=14)
        # Chi-square with 13 degrees of freedom: 34.5 is its 99.9th percentile.
        assert ((hits - 500) ** 2 / 500).sum() < 34.5
    assert (drawn.operators[0] == drawn.operators[1]).mean() == pytest.approx(1 / 14, abs=0.012), "with replacement"
    assert set(np.unique(drawn.signs)) == {-1, 1}
    assert abs(drawn.signs.mean()) < 0.03


def test_operators_follow_one_another_and_leave_other_images_alone() -> None:
    before = pictures(3, 3)
    names = list(OPERATORS)
    operators = np.array([[names.index("shear-x"), 0, names.index("solarize")], [names.index("posterize"), 0, 0]])
    after = before.copy()
    rand_augment(after, 8.0, operators, np.ones((2, 3), dtype=int))
    first = applied(applied(before[:1], "shear-x", 8.0, 1), "posterize", 8.0, 1)
    assert (after[0] == first[0]).all()
    assert (after[1] == before[1]).all()
    assert (after[2] == applied(before[2:], "solarize", 8.0, 1)[0]).all()


def test_a_flat_picture_survives_every_operator() -> None:
    flat = np.full((2, SIDE, SIDE, 3), 77, dtype=np.uint8)
    for name in ("auto-contrast", "equalize", "contrast", "sharpness"):
        assert (applied(flat, name, 9.0, 1) == flat).all(), name


def test_batches_go_through_it(digits: ImageData) -> None:
    plain = TrainingBatches(digits, 64, 0, Augmentation(flip=False, crop_padding=0)).batch(0)
    changed = TrainingBatches(digits, 64, 0, Augmentation(flip=False, crop_padding=0, randaugment=(2, 9))).batch(0)
    alike = (plain.images == changed.images).flatten(1).all(dim=1).float().mean()
    assert alike < 0.3
    assert plain.targets.tolist() == changed.targets.tolist()


@pytest.mark.parametrize("wrong", [(0, 9.0), (2, -1.0), (2, 31.0), (2, float("nan"))])
def test_figures_out_of_range(wrong: tuple[int, float]) -> None:
    with pytest.raises(NasError, match=r"randaugment=.* is out of range; legal: 1 operator or more, and a magnitude"):
        Augmentation(randaugment=wrong)
