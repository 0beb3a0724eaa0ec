"""The random numbers of aging evolution, in blocks: the strategy and the search on a table read the same ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.base.seeds import generator

BLOCK = 256
"""Tournaments whose numbers are drawn together."""


@dataclass(frozen=True)
class Draws:
    """Numbers for the tournaments of a block.

    Attributes:
        members: (BLOCK, S) who takes part, as places in the population counted from the oldest, ascending.
        which, option: (BLOCK,) in [0, 1): the decision that is changed, and to what.
    """

    members: npt.NDArray[np.int64]
    which: npt.NDArray[np.float64]
    option: npt.NDArray[np.float64]


def draw_block(seed: int, block: int, population: int, sample: int) -> Draws:
    """The numbers for the tournaments of a block: members are drawn uniformly, none twice."""
    rng = generator(seed, "aging evolution", block)
    order = rng.random((BLOCK, population)).argpartition(sample - 1, axis=1)[:, :sample]
    which, option = rng.random((2, BLOCK))
    return Draws(np.sort(order, axis=1), which, option)
