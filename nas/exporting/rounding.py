"""How far single precision carries a network's scores, and how much of a difference that explains."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn

ROUNDINGS = 10.0
"""So many times the error of single precision may lie between two ways of computing the same: they join operators in
different orders, and each order rounds elsewhere."""


@torch.no_grad()
def rounding_error(network: nn.Module, inputs: Sequence[torch.Tensor], least: float) -> float:
    """The largest difference between a network's float32 and float64 scores, relative to the largest score of an input.

    0 where the network holds constants of single precision and cannot be run in double.

    Args:
        network: in evaluation mode, in single precision; it is left as it is.
        inputs: one or more batches of images (N, C, H, W), in single precision.
        least: differences are divided by the largest score where that is above `least`, else by `least`; 1.0 makes the figure
            absolute for scores up to 1.
    """
    double = copy.deepcopy(network).double()
    errors = []
    for images in inputs:
        try:
            exact = double(images.double())
        except RuntimeError:
            return 0.0
        errors.append(float((network(images) - exact).abs().max() / exact.abs().max().clamp(min=least)))
    return max(errors)


def tolerated(tolerance: float, rounding: float) -> float:
    """The largest difference that counts as rounding where single precision is off by `rounding`, all in one measure."""
    return max(tolerance, ROUNDINGS * rounding)
