"""Which options of each decision sub-networks are drawn from while a space is opened from the largest network down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nas.architectures.decisions import Rows
from nas.choices import Value, assignments, evaluate, free_choices
from nas.elastic import Dimension
from nas.supernet import Space

SIZES: tuple[Dimension, ...] = ("width", "kernel", "depth")
"""What makes a network smaller without giving it other operators or other images."""


@dataclass(frozen=True)
class Part:
    """`done` of `of` equal parts of the way from the largest option alone to all of them."""

    done: int
    of: int = 1


CLOSED, OPEN = Part(0), Part(1)


class Openings:
    """The last options of every decision, as many as are open; the others are not drawn.

    Args:
        parts: how far the decisions of each dimension are open; those of a dimension that is not named are closed, except
            for the resolution, which is always open.
    """

    def __init__(self, space: Space, parts: Mapping[Dimension, Part]) -> None:
        self.space = space
        self.decisions = space.decisions
        most = space.decisions.cardinalities - 1
        parts = {"resolution": OPEN, **parts}
        shares = [parts.get(space.dimensions[name], CLOSED) for name in space.decisions.names]
        self.lowest = np.array([n - -(-n * part.done // part.of) for n, part in zip(most.tolist(), shares, strict=True)])
        """(D,): the first open option of each decision."""
        self._resolution = np.array([space.dimensions[name] == "resolution" for name in space.decisions.names])

    @classmethod
    def all_but_smallest(cls, space: Space) -> Openings:
        """Every option of every decision except the first."""
        made = cls(space, {})
        made.lowest = np.minimum(1, space.decisions.cardinalities - 1)
        return made

    def sample(self, rng: np.random.Generator, count: int) -> Rows:
        """`count` rows of one resolution that all of them share, every other decision uniform over its open options."""
        count_open = self.decisions.cardinalities - self.lowest
        drawn = self.lowest + (rng.random((count, len(self.decisions))) * count_open).astype(np.int64)
        drawn[:, self._resolution] = drawn[0, self._resolution]
        return self.decisions.canonical(np.asfortranarray(drawn, dtype=np.uint8))

    def at_resolution_of(self, row: np.ndarray, rows: Rows) -> Rows:
        """Rows with the resolution of another one."""
        moved = np.array(rows, order="F")
        moved[:, self._resolution] = row[self._resolution]
        return self.decisions.canonical(moved)

    def values(self, value: Value) -> list[int]:
        """What a symbolic number comes to in the architectures that are open, in order."""
        codes = assignments(free_choices(value))
        lowest = dict(zip(self.decisions.names, self.lowest.tolist(), strict=True))
        inside = [column >= lowest.get(name, 0) for name, column in codes.items()]
        found = np.asarray(evaluate(value, codes))
        return sorted({int(number) for number in (found[np.all(inside, axis=0)] if codes else found.reshape(1))})
