"""Random architectures of a wanted size: the histogram of sizes, and options by their frequency in one of its bins."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.costs import RowCost


def growing(total: int) -> Iterator[int]:
    """Parts of a number of tries, small ones first: who looks for one architecture among them mostly finds it early."""
    size = 4
    while total > 0:
        yield min(size, total)
        total -= size
        size *= 4


class SizeHistogram:
    """How often random architectures have which multiply-adds, and which options those of one bin have.

    Wang et al., AttentiveNAS, 2021: an architecture of a wanted size is drawn decision by decision, from the frequencies of
    the options among random architectures of that size, until its size is right.

    Args:
        cost: multiply-adds of rows.
        width: of a bin.
        sample: how many random architectures are counted.
    """

    def __init__(self, decisions: Decisions, cost: RowCost, width: float, rng: np.random.Generator, sample: int) -> None:
        self.decisions, self.cost, self.width = decisions, cost, width
        self.rows = decisions.sample(rng, sample)
        self._bins = self.bin_of(self.rows)
        self.bins, counts = np.unique(self._bins, return_counts=True)
        self.shares: npt.NDArray[np.float64] = counts / sample
        self._frequencies: dict[int, npt.NDArray[np.float64]] = {}

    def bin_of(self, rows: Rows) -> npt.NDArray[np.int64]:
        """The number of each row's bin; bin b holds sizes from b * width to below (b + 1) * width."""
        found: npt.NDArray[np.int64] = np.floor(self.cost(rows) / self.width).astype(np.int64)
        return found

    def draw_bin(self, rng: np.random.Generator) -> int:
        """A bin, as often as random architectures fall into it."""
        return int(rng.choice(self.bins, p=self.shares))

    def draw(self, rng: np.random.Generator, wanted: int, tries: int) -> np.ndarray:
        """One row (D,) of a bin.

        Where none of `tries` draws falls into the bin, it is one of the architectures that were counted there.
        """
        frequencies = self.frequencies(wanted)
        limits = frequencies.cumsum(1)
        limits[np.arange(limits.shape[1]) >= self.decisions.cardinalities[:, None] - 1] = 1.0
        for count in growing(tries):
            chance = rng.random((count, len(self.decisions), 1))
            drawn = self.decisions.canonical(np.asfortranarray((chance >= limits).sum(2), dtype=np.uint8))
            inside = np.flatnonzero(self.bin_of(drawn) == wanted)
            if len(inside):
                row: np.ndarray = drawn[inside[0]]
                return row
        known: np.ndarray = self.rows[rng.choice(np.flatnonzero(self._bins == wanted))]
        return known

    def frequencies(self, wanted: int) -> npt.NDArray[np.float64]:
        """(D, most options): how often each option is chosen in a bin, among architectures in which its decision matters."""
        if wanted not in self._frequencies:
            rows = np.asfortranarray(self.rows[self._bins == wanted])
            active = self.decisions.active(rows)
            found = np.zeros((len(self.decisions), int(self.decisions.cardinalities.max())))
            for column, options in enumerate(self.decisions.cardinalities):
                counts = np.bincount(rows[active[:, column], column], minlength=options).astype(np.float64)
                found[column, :options] = counts / counts.sum() if counts.any() else 1.0 / options
            self._frequencies[wanted] = found
        return self._frequencies[wanted]
