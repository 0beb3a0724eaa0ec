"""What is searched: decisions, objectives, and bounds that cost nothing to check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nas.architectures import Bound, Decisions, sample_bounded
from nas.architectures.decisions import Rows


@dataclass(frozen=True)
class Objective:
    """A figure that is found by evaluating an architecture."""

    name: str
    direction: Literal["maximize", "minimize"] = "maximize"


TOP1 = Objective("top1", "maximize")
"""Validation accuracy in percent."""


@dataclass(frozen=True)
class Problem:
    """Decisions, what is to be optimised, and the bounds.

    Bounds are checked on rows before anything is built; only legal architectures are ever proposed.

    Attributes:
        derived: the architecture (D,) at which the training arrived, where its trainer learns one.
    """

    decisions: Decisions
    bounds: Sequence[Bound] = ()
    objective: Objective = TOP1
    derived: npt.NDArray[np.uint8] | None = None

    def legal(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which rows keep every bound."""
        if not self.bounds:
            return np.ones(len(rows), dtype=bool)
        legal = self.bounds[0].keeps(rows)
        for bound in self.bounds[1:]:
            legal &= bound.keeps(rows)
        return legal

    def sample(self, rng: np.random.Generator, count: int) -> Rows:
        """Random legal rows, repetitions possible. Raises NasError where there are none."""
        return sample_bounded(self.decisions, rng, count, self.bounds)


def keys(rows: Rows) -> list[bytes]:
    """One hashable key a row; equal for equal canonical rows."""
    packed = np.ascontiguousarray(rows)
    if not len(packed):
        return []
    joined: list[bytes] = packed.view(np.dtype((np.void, packed.shape[1]))).ravel().tolist()  # type: ignore[assignment]
    return joined
