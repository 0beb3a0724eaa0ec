"""Published cells, in the convention of DARTS; operators and inputs as the papers' codes list them."""

from __future__ import annotations

from search_spaces.cells.decisions import Pairs
from search_spaces.cells.genotype import Genotype, SlimCell


def _pairs(text: str) -> Pairs:
    """'sep_conv_3x3 1, skip_connect 0' as pairs."""
    return tuple((operator, int(source)) for operator, source in (word.split() for word in text.split(",")))


NASNET_A = Genotype(
    _pairs(
        "sep_conv_5x5 1, sep_conv_3x3 0, sep_conv_5x5 0, sep_conv_3x3 0, avg_pool_3x3 1, skip_connect 0, "
        "avg_pool_3x3 0, avg_pool_3x3 0, sep_conv_3x3 1, skip_connect 1"
    ),
    (2, 3, 4, 5, 6),
    _pairs(
        "sep_conv_5x5 1, sep_conv_7x7 0, max_pool_3x3 1, sep_conv_7x7 0, avg_pool_3x3 1, sep_conv_5x5 0, "
        "skip_connect 3, avg_pool_3x3 2, sep_conv_3x3 2, max_pool_3x3 1"
    ),
    (4, 5, 6),
)
"""Zoph et al., Learning transferable architectures for scalable image recognition, 2018."""

AMOEBANET_A = Genotype(
    _pairs(
        "avg_pool_3x3 0, max_pool_3x3 1, sep_conv_3x3 0, sep_conv_5x5 2, sep_conv_3x3 0, avg_pool_3x3 3, "
        "sep_conv_3x3 1, skip_connect 1, skip_connect 0, avg_pool_3x3 1"
    ),
    (4, 5, 6),
    _pairs(
        "avg_pool_3x3 0, sep_conv_3x3 1, max_pool_3x3 0, sep_conv_7x7 2, sep_conv_7x7 0, avg_pool_3x3 1, "
        "max_pool_3x3 0, max_pool_3x3 1, conv_7x1_1x7 0, sep_conv_3x3 5"
    ),
    (3, 4, 6),
)
"""Real et al., Regularized evolution for image classifier architecture search, 2019."""

DARTS_V1 = Genotype(
    _pairs(
        "sep_conv_3x3 1, sep_conv_3x3 0, skip_connect 0, sep_conv_3x3 1, skip_connect 0, sep_conv_3x3 1, "
        "sep_conv_3x3 0, skip_connect 2"
    ),
    (2, 3, 4, 5),
    _pairs(
        "max_pool_3x3 0, max_pool_3x3 1, skip_connect 2, max_pool_3x3 0, max_pool_3x3 0, skip_connect 2, "
        "skip_connect 2, avg_pool_3x3 0"
    ),
    (2, 3, 4, 5),
)
"""Liu et al., DARTS, 2019, first order."""

DARTS_V2 = Genotype(
    _pairs(
        "sep_conv_3x3 0, sep_conv_3x3 1, sep_conv_3x3 0, sep_conv_3x3 1, sep_conv_3x3 1, skip_connect 0, "
        "skip_connect 0, dil_conv_3x3 2"
    ),
    (2, 3, 4, 5),
    _pairs(
        "max_pool_3x3 0, max_pool_3x3 1, skip_connect 2, max_pool_3x3 1, max_pool_3x3 0, skip_connect 2, "
        "skip_connect 2, max_pool_3x3 1"
    ),
    (2, 3, 4, 5),
)
"""Liu et al., DARTS, 2019, second order."""

_SEP3, _SEP5, _SEP7 = (f"separable_{kernel}x{kernel}_2" for kernel in (3, 5, 7))
_AVERAGE, _MAXIMUM = "avg_pool_3x3", "max_pool_3x3"

NASNET_A_SLIM = {
    "normal": SlimCell(
        (_SEP5, _SEP3, _SEP5, _SEP3, _AVERAGE, "none", _AVERAGE, _AVERAGE, _SEP3, "none"),
        (0, 1, 1, 1, 0, 1, 1, 1, 0, 0),
        (1, 0, 0, 0, 0, 0, 0),
    ),
    "reduce": SlimCell(
        (_SEP5, _SEP7, _MAXIMUM, _SEP7, _AVERAGE, _SEP5, "none", _AVERAGE, _SEP3, _MAXIMUM),
        (0, 1, 0, 1, 0, 1, 3, 2, 2, 0),
        (1, 1, 1, 0, 0, 0, 0),
    ),
}
"""NASNet-A as its authors' code has it: one state more is concatenated in each cell, though a block reads it."""

NASNET_A_KEPT = {"normal": (0,), "reduce": (3,)}
"""Those states, in the convention of DARTS."""
