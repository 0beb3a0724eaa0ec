"""The decisions of DeepMAD's spaces, and random networks within the rules of its search."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.choices import Choice
from search_spaces.mad.network import Kind

LEAST_SHARE = 10
"""A bottleneck's middle width is at least the tenth part of its width."""

RATIOS = (1.5, 6.0)
"""Middle width of a depthwise block in parts of its width."""

GROWTH = 4
"""A super-block is at most so many times wider than what enters it."""


class MadDecisions(Decisions):
    """Stem width, and of each super-block width, middle width, kernel and depth.

    Every combination is legal. A random network is drawn so that widths do not decrease and keep the limits above; they, and
    depths, are uniform on a logarithmic scale.
    """

    def __init__(self, choices: Sequence[Choice], kind: Kind) -> None:
        super().__init__(choices)
        self.kind = kind

    def sample(self, rng: np.random.Generator, count: int) -> Rows:
        """`count` rows (N, D)."""
        drawn = rng.random((len(self), count))
        rows = np.zeros((count, len(self)), dtype=np.uint8, order="F")
        before = np.zeros(count)
        for column, choice in enumerate(self.choices):
            share, options = drawn[column], np.array(choice.options, dtype=np.float64)
            part = choice.name.rpartition(".")[2]
            if part == "width" and before.any():
                values = before * GROWTH**share
            elif part == "middle" and self.kind == "bottleneck":
                values = before * LEAST_SHARE ** (share - 1.0)
            elif part == "middle":
                values = before * (RATIOS[0] + share * (RATIOS[1] - RATIOS[0]))
            elif part == "depth":
                values = np.floor((len(options) + 1) ** share)
            else:
                values = options[(share * len(options)).astype(np.int64)]
            rows[:, column] = nearest(options, values)
            if part == "width":
                before = options[rows[:, column]]
        return rows

    def moves(self, rng: np.random.Generator) -> Iterator[Callable[[Rows], Rows]]:
        """The small changes of one sweep of a descent: the first option, half and twice the
        position of the present one, and its neighbours; decisions in random order.

        All options of every decision, of which there may be 256, would take minutes.
        """
        for column in rng.permutation(len(self)).tolist():
            for factor, step in ((0.0, 0), (0.5, 0), (1.0, -1), (1.0, 1), (2.0, 0)):
                yield partial(self._moved, column, factor, step)

    def _moved(self, column: int, factor: float, step: int, rows: Rows) -> Rows:
        changed = np.array(rows, order="F")
        codes = np.floor(rows[:, column] * factor) + step
        changed[:, column] = np.clip(codes, 0, self.cardinalities[column] - 1)
        return changed


def nearest(options: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The codes (N,) of the options, which increase, that are nearest to some values (N,)."""
    right = np.clip(np.searchsorted(options, values), 1, max(1, len(options) - 1))
    right = np.minimum(right, len(options) - 1)
    left = np.maximum(right - 1, 0)
    codes: np.ndarray = np.where(values - options[left] <= options[right] - values, left, right)
    return codes


def multiples(least: int, most: int, step: int = 8) -> tuple[int, ...]:
    """Widths from one to the other."""
    return tuple(range(least, most + 1, step))


def wide(most: int) -> tuple[int, ...]:
    """Multiples of 8 up to 1024, of 32 up to 4096, of 128 from there on: as many as a decision may have options."""
    widths = (*multiples(8, min(most, 1024)), *multiples(1056, min(most, 4096), 32), *multiples(4224, most, 128))
    assert len(widths) <= 256 and math.isclose(widths[-1], most, rel_tol=0.05)
    return widths
