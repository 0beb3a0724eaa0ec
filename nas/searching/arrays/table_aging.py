"""Aging evolution on a table that is held in memory: the strategy `aging`, at hundreds of thousands of queries a second."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from nas.architectures import Decisions
from nas.base.errors import NasError
from nas.searching.history import ArrayHistory
from nas.searching.problem import Problem
from nas.searching.strategies.aging import ATTEMPTS, Aging
from nas.searching.strategies.aging_draws import BLOCK, draw_block


@dataclass(frozen=True)
class TableProblem:
    """A figure of every architecture of a space whose decisions always matter.

    Architectures are numbered by their option indices, the last decision's changing fastest.

    Attributes:
        values: (size,) by number; larger is better.
    """

    decisions: Decisions
    values: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        """Raises NasError for decisions that do not always matter, or another number of figures than architectures."""
        if self.decisions.conditions or self.decisions.isomorphism is not None or type(self.decisions) is not Decisions:
            raise NasError(
                "a table in memory needs decisions that always matter and no isomorphism; search with the strategies"
            )
        if int(self.decisions.cardinalities.min()) < 2:
            raise NasError("a decision with a single option decides nothing; leave it out")
        size = int(self.decisions.cardinalities.prod())
        if self.values.shape != (size,):
            raise NasError(f"the table of {size} architectures needs as many figures; given an array of {self.values.shape}")

    @cached_property
    def strides(self) -> npt.NDArray[np.int64]:
        """(D,) what a decision's option index is multiplied with."""
        products = np.cumprod(self.decisions.cardinalities[::-1])[::-1]
        strides: npt.NDArray[np.int64] = np.append(products[1:], 1)
        return strides

    def numbers(self, rows: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """(N,) numbers of rows (N, D)."""
        found: npt.NDArray[np.int64] = np.asarray(rows, dtype=np.int64) @ self.strides
        return found

    @cached_property
    def listed(self) -> list[float]:
        """The figures as Python numbers, which single look-ups read several times faster."""
        found: list[float] = self.values.tolist()
        return found


def aging(table: TableProblem, seed: int, queries: int, population: int = 50, sample: int = 10) -> npt.NDArray[np.int64]:
    """The numbers (Q,) of the architectures that the strategy `aging` evaluates on a table, in order: the same ones.

    Fewer than `queries` where it has seen all.
    """
    decisions = table.decisions
    strategy = Aging(Problem(decisions), seed, population, sample)
    history = ArrayHistory(len(decisions))
    order: list[int] = table.numbers(strategy.ask(history)).tolist()
    values, known = table.listed, set(order)
    steps = list(zip(table.strides.tolist(), decisions.cardinalities.tolist(), strict=True))
    count, held = len(steps), 0
    members: list[list[int]] = []
    which: list[float] = []
    option: list[float] = []
    while population <= len(order) < queries:
        queue = order[-population:]
        for _ in range(ATTEMPTS):
            place = held % BLOCK
            if place == 0:
                drawn = draw_block(seed, held // BLOCK, population, sample)
                members, which, option = drawn.members.tolist(), drawn.which.tolist(), drawn.option.tolist()
            held += 1
            parent = max([queue[member] for member in members[place]], key=values.__getitem__)
            stride, options = steps[int(which[place] * count)]
            code = parent // stride % options
            child = parent + ((code + 1 + int(option[place] * (options - 1))) % options - code) * stride
            if child not in known:
                break
        else:
            child = _random(table, strategy, order)
            if child < 0:
                break
        known.add(child)
        order.append(child)
    return np.array(order[:queries], dtype=np.int64)


def _random(table: TableProblem, strategy: Aging, order: list[int]) -> int:
    """What the strategy draws at random where breeding finds nothing new; -1 when everything is known."""
    numbers = np.array(order, dtype=np.int64)
    rows = np.asfortranarray(numbers[:, None] // table.strides % table.decisions.cardinalities).astype(np.uint8)
    history = ArrayHistory(rows.shape[1])
    history.extend(rows, table.values[numbers])
    drawn = strategy.drawn(history)
    return int(table.numbers(drawn)[0]) if len(drawn) else -1
