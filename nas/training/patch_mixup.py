"""Token patch-mixup: images that are mixed patch by patch, and a loss on every patch of the network's last grid.

Liao et al., Searching for efficient multi-stage vision transformers (ViT-ResNAS), 2021.

The protocol for networks: `with_patches(images) -> (scores (N, classes), patches (N, P, C))`, where the P patches are a square
grid of what the network reads its scores from. Channels that an architecture does not have are left out, or zero where
several architectures share a pass. `forward` returns the scores alone, so that nothing of it is part of a walk, of a cost or
of an extracted network; the classifier of the patches belongs to the training (`patch_head`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nas.data import Batch

CUTMIX, MIXUP = 1.0, 0.8
"""Alphas of the beta distributions from which the two halves of a batch draw what is left of an image."""


@dataclass(frozen=True)
class MixedBatch:
    """A batch after mixing.

    Attributes:
        images: (N, C, R, R), channels-last.
        targets: shares (N, classes), of the image.
        patch_targets: shares (N, P, classes), of each patch of the grid.
    """

    images: torch.Tensor
    targets: torch.Tensor
    patch_targets: torch.Tensor


def offers_patches(network: nn.Module) -> bool:
    """Whether a network has the method that patch-mixup needs."""
    return callable(getattr(network, "with_patches", None))


def patch_head(width: int, classes: int, drawn: torch.Generator) -> nn.Linear:
    """The classifier of the patches: weights normal with deviation 0.02, cut off at two deviations; zero bias."""
    head = nn.Linear(width, classes)
    nn.init.trunc_normal_(head.weight, std=0.02, a=-0.04, b=0.04, generator=drawn)
    nn.init.zeros_(head.bias)
    return head


def mix_patches(batch: Batch, classes: int, side: int, rng: np.random.Generator) -> MixedBatch:
    """Token-level CutMix in the first half of a batch, mixup in the second; the weight is drawn once for each half.

    CutMix fills a box of whole patches with those of another image at the same place; a patch has the target of the image
    that it is from, the image the mean of its patches' targets.

    Args:
        batch: targets are labels (N,) or shares (N, classes).
        side: patches of a row of the grid.
    """
    targets = batch.targets
    shares = targets.float() if targets.ndim == 2 else F.one_hot(targets, classes).float()
    images = batch.images.clone(memory_format=torch.preserve_format)
    grid = shares[:, None, None].expand(-1, side, side, -1).clone()
    half = len(images) // 2
    if half:
        _cut(images[:half], grid[:half], side, rng)
    _blend(images[half:], grid[half:], rng)
    return MixedBatch(images, grid.mean((1, 2)), grid.flatten(1, 2))


def draw_box(side: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Rows and columns (from, to, from, to) of the patches that are exchanged, in a grid of side * side.

    Their share is drawn from Beta(1, 1), the box's height uniformly among those that its area allows, its place uniformly. A
    share of less than one patch exchanges none.
    """
    area = int(side * side * rng.beta(CUTMIX, CUTMIX))
    if area == 0:
        return 0, 0, 0, 0
    least = math.ceil(area / side)
    height = int(rng.integers(least, min(area, side) + 1))
    width = area // height
    top, left = int(rng.integers(0, side - height + 1)), int(rng.integers(0, side - width + 1))
    return top, top + height, left, left + width


def patch_loss(scores: torch.Tensor, targets: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Mean cross-entropy of the patches: scores and target shares (N, P, classes)."""
    return F.cross_entropy(scores.flatten(0, 1), targets.flatten(0, 1).to(scores.device), label_smoothing=smoothing)


def _cut(images: torch.Tensor, grid: torch.Tensor, side: int, rng: np.random.Generator) -> None:
    """Exchange a box of patches in place; images (N, C, R, R), grid (N, side, side, classes)."""
    partner = torch.from_numpy(rng.permutation(len(images))).to(images.device)
    top, bottom, left, right = draw_box(side, rng)
    borders = [round(place * images.shape[2] / side) for place in (top, bottom, left, right)]
    rows, columns = slice(*borders[:2]), slice(*borders[2:])
    images[:, :, rows, columns] = images[partner][:, :, rows, columns]
    grid[:, top:bottom, left:right] = grid[partner][:, top:bottom, left:right]


def _blend(images: torch.Tensor, grid: torch.Tensor, rng: np.random.Generator) -> None:
    """Blend every image with another one in place."""
    partner = torch.from_numpy(rng.permutation(len(images))).to(images.device)
    weight = float(rng.beta(MIXUP, MIXUP))
    for tensor in (images, grid):
        tensor.copy_(tensor.lerp(tensor[partner], 1.0 - weight))
