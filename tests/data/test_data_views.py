"""Views of images: each augmentation against its definition, and the random numbers that choose them."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import pytest
import torch

from nas.data.views import FIRST_VIEW, SECOND_VIEW, View, Viewer, blur, brightness, contrast, grey, hue, random_crop, saturation

WHOLE = View(area=(1.0, 1.0), ratio=(1.0, 1.0), flip=0.0, jitter=0.0, grey=0.0, blur=0.0, solarise=0.0)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(count: int = 6, side: int = 16, channels: int = 3) -> torch.Tensor:
    return torch.rand(count, channels, side, side, generator=rng(1))


def normalised(values: torch.Tensor) -> torch.Tensor:
    return (values - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def test_a_view_in_which_nothing_happens_is_the_image() -> None:
    images = normalised(pixels())
    assert torch.allclose(Viewer(MEAN, STD)(images, WHOLE, rng()), images, atol=1e-5)


def test_the_same_generator_makes_the_same_views_and_every_image_its_own() -> None:
    images = normalised(pixels()[:1].expand(8, -1, -1, -1))
    viewer = Viewer(MEAN, STD)
    first = viewer(images, FIRST_VIEW, rng(3))
    assert torch.equal(first, viewer(images, FIRST_VIEW, rng(3)))
    assert not torch.equal(first, viewer(images, FIRST_VIEW, rng(4)))
    assert all(not torch.allclose(first[0], other) for other in first[1:])
    assert first.is_contiguous(memory_format=torch.channels_last)
    assert (first * torch.tensor(STD).view(1, 3, 1, 1) + torch.tensor(MEAN).view(1, 3, 1, 1)).clamp(0, 1).isfinite().all()


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_any_number_of_channels_has_views(channels: int) -> None:
    made = Viewer([0.5] * channels, [0.25] * channels)(pixels(channels=channels), SECOND_VIEW, rng())
    assert made.shape == (6, channels, 16, 16)
    assert made.isfinite().all()


def test_crops_cover_their_share_and_stay_inside() -> None:
    """Images whose values are their coordinates: a crop has known borders."""
    count, side = 400, 64
    along = (torch.arange(side) + 0.5) / side
    images = torch.stack([along.expand(side, side), along[:, None].expand(side, side)]).expand(count, -1, -1, -1)
    view = replace(WHOLE, area=(0.08, 1.0), ratio=(3 / 4, 4 / 3), flip=0.5)
    across, down = random_crop(images, view, rng(2)).unbind(1)
    # Bicubic interpolation keeps a linear ramp but near the border of the image, where its edge is repeated.
    spans = [(ramp.amax((1, 2)) - ramp.amin((1, 2))) * 1.0 for ramp in (across, down)]
    area, ratio = spans[0] * spans[1], spans[0] / spans[1]
    assert float(area.min()) > 0.05
    assert float(area.max()) <= 1.05
    assert 0.4 < float(area.median()) < 0.6
    assert float(ratio.min()) > 0.65
    assert float(ratio.max()) < 1.5
    assert float(across.min()) > -0.01
    assert float(across.max()) < 1.01
    mirrored = across[:, 32, 0] > across[:, 32, -1]
    assert 0.4 < float(mirrored.float().mean()) < 0.6
    assert (down[:, 0, 32] < down[:, -1, 32]).all()


def test_a_crop_that_never_fits_is_the_whole_image() -> None:
    images = pixels()
    made = random_crop(images, replace(WHOLE, area=(0.9, 0.95), ratio=(3.0, 4.0)), rng())
    assert torch.allclose(made, images, atol=1e-5)


def test_hue_is_the_shift_on_the_circle_of_colours() -> None:
    images = pixels(2, 4)
    images[0, :, 0, 0] = 0.3  # a grey has no hue
    for shift in (-0.1, 0.05, 0.5):
        turned = hue(images, torch.full((2, 1, 1, 1), shift))
        for place in torch.cartesian_prod(torch.arange(2), torch.arange(4), torch.arange(4)).tolist():
            image, row, column = place
            angle, share, value = colorsys.rgb_to_hsv(*images[image, :, row, column].tolist())
            expected = colorsys.hsv_to_rgb((angle + shift) % 1.0, share, value)
            assert turned[image, :, row, column].tolist() == pytest.approx(expected, abs=1e-5)


def test_brightness_contrast_and_saturation_by_their_definitions() -> None:
    images, factor = pixels(), torch.tensor([0.6, 0.8, 1.0, 1.2, 1.4, 0.0]).view(-1, 1, 1, 1)
    light = 0.299 * images[:, :1] + 0.587 * images[:, 1:2] + 0.114 * images[:, 2:]
    assert torch.allclose(grey(images), light, atol=1e-6)
    assert torch.allclose(brightness(images, factor), (images * factor).clamp(0, 1))
    mean = light.mean((2, 3), keepdim=True)
    assert torch.allclose(contrast(images, factor), (mean + (images - mean) * factor).clamp(0, 1), atol=1e-6)
    assert torch.allclose(saturation(images, factor), (light + (images - light) * factor).clamp(0, 1), atol=1e-6)


def test_blur_is_a_gaussian_of_the_width_drawn() -> None:
    """A point becomes the Gaussian; at 224 px the width is as given."""
    image = torch.zeros(1, 2, 224, 224)
    image[0, 0, 100, 90] = 1.0
    made = blur(image, replace(WHOLE, blur=1.0, sigma=(1.5, 1.5)), rng())
    rows, columns = torch.arange(224) - 100, torch.arange(224) - 90
    expected = torch.exp(-(rows[:, None] ** 2 + columns[None] ** 2) / (2 * 1.5**2))
    assert torch.allclose(made[0, 0], expected / expected.sum(), atol=2e-4)
    assert float(made[0, 1].abs().max()) == 0.0


def test_blur_solarisation_and_grey_happen_as_often_as_asked() -> None:
    images = torch.full((2000, 3, 4, 4), 0.7)
    images[:, 0] = 0.9
    viewer = Viewer((0.0,) * 3, (1.0,) * 3)
    solarised = viewer(images, replace(WHOLE, solarise=0.2), rng())
    flipped = (solarised[:, 1, 0, 0] - 0.3).abs() < 1e-4
    assert 0.15 < float(flipped.float().mean()) < 0.25
    assert torch.allclose(solarised[~flipped], images[~flipped], atol=1e-5)
    toned = viewer(images, replace(WHOLE, grey=0.2), rng())[:, 0, 0, 0] < 0.85
    assert 0.15 < float(toned.float().mean()) < 0.25


def test_the_two_views_are_those_of_the_paper() -> None:
    assert (FIRST_VIEW.blur, FIRST_VIEW.solarise, SECOND_VIEW.blur, SECOND_VIEW.solarise) == (1.0, 0.0, 0.1, 0.2)
    assert (FIRST_VIEW.brightness, FIRST_VIEW.contrast, FIRST_VIEW.saturation, FIRST_VIEW.hue) == (0.4, 0.4, 0.2, 0.1)
    assert (FIRST_VIEW.jitter, FIRST_VIEW.grey) == (0.8, 0.2)
