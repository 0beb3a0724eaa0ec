"""Batches whose images are mixed with one another: mixup and CutMix."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from nas.data.images import Indices


@dataclass(frozen=True)
class Mixing:
    """How the images of a batch are mixed; one weight serves the whole batch, as in both papers.

    Attributes:
        weight: what is left of each image, 0 to 1.
        partner: (B,) where each image's partner stands.
        box: first and last row and column (exclusive) that the partner fills (CutMix); None to blend all pixels (mixup).
    """

    weight: float
    partner: Indices
    box: tuple[int, int, int, int] | None = None

    def of(self, partner: Indices) -> Mixing:
        """The same with partners that stand elsewhere."""
        return replace(self, partner=partner)


def draw_mixing(mixup: float, cutmix: float, count: int, side: int, rng: np.random.Generator) -> Mixing | None:
    """The mixing of a batch; with two alphas above 0 one of the two methods is taken, each with probability 0.5."""
    if not mixup and not cutmix:
        return None
    cut = bool(cutmix) and (not mixup or rng.random() < 0.5)
    alpha = cutmix if cut else mixup
    weight = float(rng.beta(alpha, alpha))
    mixing = Mixing(weight, rng.permutation(count))
    return _cut(mixing, side, rng) if cut else mixing


def mix(values: torch.Tensor, targets: torch.Tensor, mixing: Mixing) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix the first images with their partners, as many as `mixing` has; the images in place.

    values (M, R, R, C); targets float32 (M, outputs), one-hot for classes. Returns the first values and their mixed targets.
    """
    count = len(mixing.partner)
    partner = torch.from_numpy(mixing.partner)
    own = values[:count]
    if mixing.box is None:
        own.lerp_(values.index_select(0, partner), 1 - mixing.weight)
    else:
        top, bottom, left, right = mixing.box
        own[:, top:bottom, left:right] = values[:, top:bottom, left:right].index_select(0, partner)
    return own, targets[:count].lerp(targets[partner], 1 - mixing.weight)


def _cut(mixing: Mixing, side: int, rng: np.random.Generator) -> Mixing:
    """A box whose area is the share of the partner (Yun et al. 2019, section 3.1), centred anywhere and cropped at the border;
    the weight becomes what the box really leaves."""
    half = int(side * math.sqrt(1 - mixing.weight)) / 2
    first, last = [], []
    for centre in rng.integers(0, side, size=2):
        first.append(max(int(centre - half), 0))
        last.append(min(int(centre + half), side))
    area = (last[0] - first[0]) * (last[1] - first[1])
    return Mixing(1 - area / side**2, mixing.partner, (first[0], last[0], first[1], last[1]))
