"""Trainable thresholds that decide which parts of nested weights are kept (Stamoulis et al., Single-Path NAS, 2019)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nas.supernet.superkernels import Superkernel

Drop = Callable[[torch.Tensor], torch.Tensor]
"""What an indicator goes through before it multiplies weights: the identity, or an inverted dropout."""


class HardStep(torch.autograd.Function):
    """1 where x >= 0, else 0; backward the gradient of sigmoid(x)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        """Any shape -> the same."""
        ctx.save_for_backward(x)
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient times sigmoid'(x)."""
        (x,) = ctx.saved_tensors
        soft: torch.Tensor = x.sigmoid()
        return gradient * soft * (1.0 - soft)


def hard_step(x: torch.Tensor) -> torch.Tensor:
    """See `HardStep`."""
    return HardStep.apply(x)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Indicators:
    """What the thresholds of a superkernel decided: scalars that are 0 or 1.

    Attributes:
        shells: for each kernel beyond the smallest.
        groups: for each group of channels that can be left out; where the layers are optional the first is their presence.
    """

    shells: tuple[torch.Tensor, ...]
    groups: tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Masked:
    """The weights in use.

    Attributes:
        weights: of each layer, full size, zero where an indicator is 0.
        rows: of each layer, (C',) factors of its output channels.
    """

    weights: tuple[torch.Tensor, ...]
    rows: tuple[torch.Tensor, ...]
    indicators: Indicators


def mask(kernel: Superkernel, weights: Sequence[torch.Tensor], thresholds: torch.Tensor, drop: Drop) -> Masked:
    """Compare norms with thresholds, and multiply the parts of the weights by what comes out.

    With two kernels, two widths and optional layers it is the paper's: d5 = 1[|outer shell| >= t5], K = inner + d5 * outer,
    d50 = 1[|first half of K| >= t50], d100 = 1[|second half of K| >= t100], and the weights d50 (first + d100 * second).
    Norms are L2; of layers that change together they are taken over all of these.

    Args:
        weights: of each layer, (C', C, k, k) or (C', C).
        thresholds: (kernel.increments,), those of the shells first.
    """
    shells: list[torch.Tensor] = []
    groups: list[torch.Tensor] = []
    chain = thresholds.new_ones(())
    current = [weight * _window(weight, kernel.sides[0]) for weight in weights] if kernel.shells else list(weights)
    for level in range(1, kernel.shells + 1):
        rings = [_window(weight, kernel.sides[level]) - _window(weight, kernel.sides[level - 1]) for weight in weights]
        outer = [weight * ring for weight, ring in zip(weights, rings, strict=True)]
        shells.append(hard_step(_norm(outer) - thresholds[len(shells)]))
        chain = chain * drop(shells[-1])
        current = [inner + chain * shell for inner, shell in zip(current, outer, strict=True)]
    chain = thresholds.new_ones(())
    factors: list[torch.Tensor] = []
    for level in range(len(kernel.widths[0])):
        if level or kernel.optional:
            parts = [weight[_rows(widths, level)] for weight, widths in zip(current, kernel.widths, strict=True)]
            groups.append(hard_step(_norm(parts) - thresholds[kernel.shells + len(groups)]))
            chain = chain * drop(groups[-1])
        factors.append(chain)
    sizes = [np.diff([0, *widths]).tolist() for widths in kernel.widths]
    rows = [torch.cat([factor.expand(size) for factor, size in zip(factors, its, strict=True)]) for its in sizes]
    masked = [weight * row.view(-1, *[1] * (weight.dim() - 1)) for weight, row in zip(current, rows, strict=True)]
    return Masked(tuple(masked), tuple(rows), Indicators(tuple(shells), tuple(groups)))


def option_probabilities(kernel: Superkernel, indicators: Indicators) -> list[torch.Tensor]:
    """For each decision of a superkernel, its options' probabilities (options,) were the indicators probabilities.

    With indicators of 0 and 1 they single out the options that the indicators stand for, and their gradient is that of the
    multilinear function of the indicators.
    """
    one = torch.ones_like((indicators.shells + indicators.groups)[0])
    present = indicators.groups[0] if kernel.optional else one
    sides = _chain(indicators.shells, one)
    widths = _chain(indicators.groups[kernel.optional :], one)
    absent = int((kernel.levels[:, 0] == 0).sum())
    joint = []
    for runs, side, width in kernel.levels.tolist():
        if runs:
            joint.append(present * sides[side] * widths[width])
        else:
            # One option for "left out" stands for all sizes; a decision of its own leaves the sizes what they are.
            joint.append((one - present) * (one if absent == 1 else sides[side] * widths[width]))
    every = torch.stack(joint)
    found = []
    for column in range(kernel.codes.shape[1]):
        codes = torch.from_numpy(kernel.codes[:, column].astype("int64")).to(every.device)
        found.append(every.new_zeros(int(codes.max()) + 1).index_add(0, codes, every))
    return found


def _chain(indicators: Sequence[torch.Tensor], one: torch.Tensor) -> list[torch.Tensor]:
    """Probability of each level: all indicators up to it hold, and the next one does not."""
    found, reached = [], one
    for indicator in indicators:
        found.append(reached * (one - indicator))
        reached = reached * indicator
    return [*found, reached]


def _norm(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    norm: torch.Tensor = torch.linalg.vector_norm(torch.cat([part.reshape(-1) for part in parts]))
    return norm


def _rows(widths: Sequence[int], level: int) -> slice:
    return slice(widths[level - 1] if level else 0, widths[level])


def _window(weight: torch.Tensor, side: int) -> torch.Tensor:
    """(K, K), 1 in the centre of that side and 0 around it."""
    full = weight.shape[-1]
    start = (full - side) // 2
    window = weight.new_zeros(full, full)
    window[start : start + side, start : start + side] = 1.0
    return window
