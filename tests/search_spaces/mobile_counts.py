"""Multiply-adds of mobile networks from their layers, by a formula that knows nothing of elastic layers."""

from __future__ import annotations

import math
from collections.abc import Iterable


def divisible(value: float) -> int:
    """The nearest multiple of 8, half up, at least 8, and not more than a tenth below the value."""
    nearest = max(8, int(value + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * value else nearest


def squeeze_excite(width: int) -> int:
    return 2 * width * divisible(width / 4)


Block = tuple[int, int, int, int, bool]
"""Output width, kernel, expansion, stride, squeeze-and-excitation."""


def mobile_macs(
    resolution: int, stem: int, blocks: Iterable[Block], head: list[int], shortcuts: bool, mixing: bool, classes: int = 1000
) -> int:
    """Stem 3 x 3 of stride 2, blocks, then `head`: width of the last convolution and, with `mixing`, of the linear layer.

    Args:
        shortcuts: whether every block has one, with a 1 x 1 convolution where widths differ.
    """
    side = math.ceil(resolution / 2)
    total = side**2 * 3 * stem * 9
    width = stem
    for out, kernel, expand, stride, squeeze in blocks:
        middle = width if expand == 1 else divisible(width * expand)
        if expand != 1:
            total += side**2 * width * middle
        side = math.ceil(side / stride)
        total += side**2 * middle * kernel**2
        if squeeze:
            total += squeeze_excite(middle)
        total += side**2 * middle * out
        if shortcuts and width != out:
            total += side**2 * width * out
        width = out
    total += side**2 * width * head[0]
    if mixing:
        total += head[0] * head[1]
    return total + head[-1] * classes
