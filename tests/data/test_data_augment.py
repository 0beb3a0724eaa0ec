"""Each augmentation does what its name says, as seen in the batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.base.errors import NasError
from nas.data import NO_AUGMENTATION, Augmentation, ImageData, TrainingBatches, load_data
from nas.data.augment import draw
from nas.data.images import Pixels
from nas.data.moves import crop, cut_out, flip


def coded(count: int, side: int, channels: int = 3) -> Pixels:
    """Images in which every pixel is different from every other one and from black."""
    values = np.arange(side * side * channels) % 255 + 1
    return np.tile(values.astype(np.uint8).reshape(1, side, side, channels), (count, 1, 1, 1))


def test_flip_mirrors_half_of_the_images() -> None:
    before = coded(2000, 6)
    drawn = draw(Augmentation(flip=True, crop_padding=0), 2000, 6, np.random.default_rng(0))
    assert drawn.mirrored is not None
    after = before.copy()
    flip(after, drawn.mirrored)
    same = (after == before).all(axis=(1, 2, 3))
    mirrored = (after == before[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 900 < mirrored.sum() < 1100


def test_crop_shifts_by_every_offset_equally_often_and_fills_with_black() -> None:
    pad, side, count = 2, 5, 5000
    before = coded(count, side)
    drawn = draw(Augmentation(flip=False, crop_padding=pad), count, side, np.random.default_rng(0))
    assert drawn.offsets is not None
    after = crop(before.copy(), pad, drawn.offsets)
    padded = np.pad(before[0], ((pad, pad), (pad, pad), (0, 0)))
    hits = np.array(
        [
            (after == padded[top : top + side, left : left + side]).all(axis=(1, 2, 3)).sum()
            for top in range(2 * pad + 1)
            for left in range(2 * pad + 1)
        ]
    )
    assert hits.sum() == count
    expected = count / len(hits)
    # Chi-square with 24 degrees of freedom: 51 is its 99.9th percentile.
    assert ((hits - expected) ** 2 / expected).sum() < 51


@pytest.mark.parametrize("side", [1, 2, 3, 4, 16])
def test_cutout_clears_one_square_and_nothing_else(side: int) -> None:
    resolution = 16
    values = torch.ones(3000, resolution, resolution, 2)
    drawn = draw(Augmentation(cutout=side), 3000, resolution, np.random.default_rng(0))
    assert drawn.centres is not None
    cut_out(values, side, drawn.centres)
    cleared = values[..., 0] == 0
    assert torch.equal(values[..., 0], values[..., 1])
    assert set(values.unique().tolist()) == {0.0, 1.0}
    heights, widths = cleared.any(dim=2).sum(dim=1), cleared.any(dim=1).sum(dim=1)
    assert torch.equal(cleared.sum(dim=(1, 2)), heights * widths)
    assert int(heights.max()) == int(widths.max()) == side
    # Only squares that reach over the border are smaller, and half of the square is never outside.
    assert int(heights.min()) >= side // 2
    inside = cleared[:, side:-side, side:-side].any(dim=(1, 2)) if side < 8 else torch.zeros(3000, dtype=torch.bool)
    assert (heights[inside & ~cleared[:, 0].any(1) & ~cleared[:, -1].any(1)] == side).all()
    assert cleared.any(dim=0).all()


def test_cutout_in_a_batch_is_the_mean(digits: ImageData) -> None:
    plain = TrainingBatches(digits, 64, 0, NO_AUGMENTATION).batch(0).images
    cut = TrainingBatches(digits, 64, 0, Augmentation(flip=False, crop_padding=0, cutout=6)).batch(0).images
    changed = plain != cut
    assert (cut[changed] == 0).all()
    assert 9 <= int((cut == 0).sum(dim=(1, 2, 3)).min()) <= int((cut == 0).sum(dim=(1, 2, 3)).max()) <= 36


def test_padding_is_black_and_not_the_mean(digits: ImageData) -> None:
    images = TrainingBatches(digits, 64, 0, Augmentation(flip=False, crop_padding=16)).batch(0).images
    black = -digits.mean[0] / digits.std[0]
    assert float(images.min()) == pytest.approx(black, rel=1e-5)
    assert float((images < black + 1e-4).float().mean()) > 0.5


def test_defaults_for_sources(digits: ImageData) -> None:
    assert Augmentation() == Augmentation(flip=True, crop_padding=4, cutout=0, mixup=0.0, cutmix=0.0)
    assert digits.augmentation == Augmentation(flip=False, crop_padding=2)
    assert load_data(resolution=64).augmentation.crop_padding == 8


@pytest.mark.parametrize(
    "wrong", [{"crop_padding": -1}, {"cutout": -2}, {"mixup": -0.1}, {"mixup": float("nan")}, {"cutmix": -1.0}]
)
def test_values_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(NasError, match=rf"augmentation {next(iter(wrong))}=.* is out of range; legal: 0"):
        Augmentation(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["crop_padding", "cutout"])
def test_lengths_beyond_the_resolution(digits: ImageData, name: str) -> None:
    with pytest.raises(NasError, match=f"augmentation {name}=17 exceeds the resolution; legal: 0 to 16"):
        TrainingBatches(digits, 8, 0, Augmentation(**{name: 17}))  # type: ignore[arg-type]
