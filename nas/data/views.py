"""Random views of images for self-supervised training, made of whole batches of tensors.

The augmentations of BYOL (Grill et al., Bootstrap Your Own Latent, 2020, appendix B), which BossNAS takes over: a random
resized crop, a flip, colour jitter, grey, blur and solarisation. Every image of a batch draws figures of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

BLUR_RESOLUTION = 224
"""Side in pixels for which the width of the blur is given; on smaller images it is narrower in proportion."""

CROP_TRIES = 10
"""Crops drawn for an image until one fits into it; then its middle is taken."""

GREY = (0.299, 0.587, 0.114)
"""Share of red, green and blue in the brightness of a pixel (ITU-R BT.601)."""


@dataclass(frozen=True)
class View:
    """How one view is made; probabilities hold for each image.

    Attributes:
        area: least and largest share of the image that a crop covers.
        ratio: least and largest width of a crop in heights.
        flip: probability of mirroring left and right.
        jitter: probability of the colour jitter.
        brightness, contrast, saturation: the factor is drawn from 1 minus to 1 plus this.
        hue: the shift is drawn from minus to plus this, in turns of the colour circle.
        grey: probability of leaving brightness alone.
        blur: probability of a Gaussian blur.
        sigma: its least and largest standard deviation in pixels, at `BLUR_RESOLUTION`.
        solarise: probability of inverting all values from 0.5 on.
    """

    area: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.2
    hue: float = 0.1
    grey: float = 0.2
    blur: float = 1.0
    sigma: tuple[float, float] = (0.1, 2.0)
    solarise: float = 0.0


FIRST_VIEW = View(blur=1.0, solarise=0.0)
SECOND_VIEW = View(blur=0.1, solarise=0.2)


class Viewer:
    """Makes views of normalised images.

    Args:
        mean, std: of each channel, with which pixels from 0 to 1 were normalised.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self._mean, self._std = (torch.tensor(list(figures), dtype=torch.float32).view(1, -1, 1, 1) for figures in (mean, std))

    def __call__(self, images: torch.Tensor, view: View, rng: torch.Generator) -> torch.Tensor:
        """Normalised images float32 (N, C, R, R) -> one view of each, normalised and channels-last, on the same device.

        Args:
            rng: on the CPU, so that a seed draws the same views on every device.
        """
        mean, std = self._mean.to(images.device), self._std.to(images.device)
        pixels = random_crop(images * std + mean, view, rng).clamp_(0, 1)
        pixels = jitter(pixels, view, rng)
        pixels = _where(_happens(view.grey, pixels, rng), pixels, _grey_image)
        pixels = blur(pixels, view, rng)
        pixels = _where(_happens(view.solarise, pixels, rng), pixels, lambda some: torch.where(some < 0.5, some, 1 - some))
        return ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)


def random_crop(pixels: torch.Tensor, view: View, rng: torch.Generator) -> torch.Tensor:
    """A random part of each image, mirrored or not, brought back to the whole side by bicubic interpolation."""
    count, _, side, _ = pixels.shape
    area = _uniform((CROP_TRIES, count), *view.area, rng)
    ratio = _uniform((CROP_TRIES, count), math.log(view.ratio[0]), math.log(view.ratio[1]), rng).exp()
    places = _uniform((2, count), 0, 1, rng)
    mirrored = _uniform((count,), 0, 1, rng) < view.flip
    # Shares of the side. The first try that fits is taken; the middle of a square image is the whole of it.
    width, height = (area * ratio).sqrt(), (area / ratio).sqrt()
    fits = (width <= 1) & (height <= 1)
    first = fits.to(torch.uint8).argmax(0, keepdim=True)
    some = fits.any(0)
    width = torch.where(some, width.gather(0, first)[0], torch.ones(count))
    height = torch.where(some, height.gather(0, first)[0], torch.ones(count))
    # Crops are made of whole pixels, at least one.
    width, height = (((share * side).round().clamp(1, side)) / side for share in (width, height))
    left, top = (
        (place * (side - share * side + 1)).floor().clamp(max=side) / side
        for place, share in zip(places, (width, height), strict=True)
    )
    left, top = torch.minimum(left, 1 - width), torch.minimum(top, 1 - height)
    sign = torch.where(mirrored, -1.0, 1.0)
    zeros = torch.zeros(count)
    # Normalised coordinates run from -1 to 1 over the image.
    across = torch.stack([sign * width, zeros, 2 * left + width - 1], 1)
    down = torch.stack([zeros, height, 2 * top + height - 1], 1)
    grid = F.affine_grid(torch.stack([across, down], 1).to(pixels.device), list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, mode="bicubic", padding_mode="border", align_corners=False)


def jitter(pixels: torch.Tensor, view: View, rng: torch.Generator) -> torch.Tensor:
    """Brightness, contrast, saturation and hue of each image changed, in an order of its own."""
    count = len(pixels)
    happens = _happens(view.jitter, pixels, rng)
    factors = [_uniform((count,), 1 - most, 1 + most, rng) for most in (view.brightness, view.contrast, view.saturation)]
    factors.append(_uniform((count,), -view.hue, view.hue, rng))
    order = torch.rand((count, 4), generator=rng).argsort(1).to(pixels.device)
    changes: list[Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = [brightness, contrast, saturation, hue]
    result = pixels.clone()
    for place in range(4):
        for number, (change, factor) in enumerate(zip(changes, factors, strict=True)):
            chosen = torch.nonzero(happens & (order[:, place] == number))[:, 0]
            if len(chosen):
                result[chosen] = change(result[chosen], factor.to(pixels.device)[chosen].view(-1, 1, 1, 1))
    return result


def brightness(pixels: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Images (N, C, H, W) times a factor (N, 1, 1, 1)."""
    return (pixels * factor).clamp(0, 1)


def contrast(pixels: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Images moved away from their mean brightness."""
    mean = grey(pixels).mean((2, 3), keepdim=True)
    return torch.lerp(mean, pixels, factor).clamp(0, 1)


def saturation(pixels: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Images moved away from grey."""
    return torch.lerp(grey(pixels).expand_as(pixels), pixels, factor).clamp(0, 1)


def hue(pixels: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Colours turned on the circle of hues by a share of a turn; images without three channels have none."""
    if pixels.shape[1] != 3:
        return pixels
    highest, lowest = pixels.amax(1), pixels.amin(1)
    spread = highest - lowest
    red, green, blue = pixels.unbind(1)
    safe = torch.where(spread > 0, spread, torch.ones_like(spread))
    angle = torch.where(
        highest == red,
        (green - blue) / safe,
        torch.where(highest == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    angle = angle + 6 * shift[:, 0]
    # Each channel falls from its largest to its smallest value with the distance from its own hue.
    distance = torch.stack([(angle + offset).remainder(6) for offset in (5.0, 3.0, 1.0)], 1)
    fall = torch.minimum(distance, 4 - distance).clamp(0, 1)
    return highest[:, None] - spread[:, None] * fall


def grey(pixels: torch.Tensor) -> torch.Tensor:
    """Brightness (N, 1, H, W); the mean over channels where they are not red, green and blue."""
    if pixels.shape[1] != 3:
        return pixels.mean(1, keepdim=True)
    return (pixels * torch.tensor(GREY, device=pixels.device).view(1, 3, 1, 1)).sum(1, keepdim=True)


def blur(pixels: torch.Tensor, view: View, rng: torch.Generator) -> torch.Tensor:
    """Some images blurred by a Gaussian, each with a width of its own."""
    count, channels, side, _ = pixels.shape
    happens = _happens(view.blur, pixels, rng)
    sigma = _uniform((count,), *view.sigma, rng).to(pixels.device) * side / BLUR_RESOLUTION
    chosen = torch.nonzero(happens)[:, 0]
    reach = min(math.ceil(3 * view.sigma[1] * side / BLUR_RESOLUTION), side - 1)
    if not len(chosen) or reach < 1:
        return pixels
    along = torch.arange(-reach, reach + 1, device=pixels.device)
    kernel = torch.exp(-0.5 * (along / sigma[chosen, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    # Every channel of every image is a group of one convolution.
    flat = F.pad(pixels[chosen].reshape(1, -1, side, side), [reach] * 4, mode="reflect")
    flat = F.conv2d(flat, kernel[:, None, None, :], groups=len(kernel))
    flat = F.conv2d(flat, kernel[:, None, :, None], groups=len(kernel))
    result = pixels.clone()
    result[chosen] = flat.view(-1, channels, side, side)
    return result


def _grey_image(pixels: torch.Tensor) -> torch.Tensor:
    return grey(pixels).expand_as(pixels)


def _uniform(shape: tuple[int, ...], low: float, high: float, rng: torch.Generator) -> torch.Tensor:
    return torch.rand(shape, generator=rng) * (high - low) + low


def _happens(probability: float, pixels: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """(N,) for which images something is done."""
    return (torch.rand(len(pixels), generator=rng) < probability).to(pixels.device)


def _where(happens: torch.Tensor, pixels: torch.Tensor, change: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    return torch.where(happens.view(-1, 1, 1, 1), change(pixels), pixels)
