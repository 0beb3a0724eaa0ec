"""Searches of results that are known already, with many seeds: how soon a strategy finds what is good."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.searching.history import ArrayHistory
from nas.searching.options import make_strategy
from nas.searching.problem import Problem
from nas.searching.strategy import open_strategy

Gains = npt.NDArray[np.float64]
"""(N,) figures, larger is better; -inf for an architecture of which nothing is known."""


@dataclass(frozen=True)
class Contestant:
    """One strategy as it is compared.

    Attributes:
        label: in tables and on plots.
        strategy: its name.
        options: what is changed of its defaults.
    """

    label: str
    strategy: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Benchmark:
    """What strategies are compared on.

    Attributes:
        name: in tables and on plots.
        problem: with a single objective.
        look_up: rows (N, D) -> gains (N,).
        best: the largest gain that any legal architecture has; None where it is not known.
    """

    name: str
    problem: Problem
    look_up: Callable[[Rows], Gains]
    best: float | None = None


@dataclass(frozen=True)
class Searched:
    """What one search came to.

    Attributes:
        seed: of the strategy.
        improvements: (evaluations made, gain) each time that the best so far changed, the first one included.
        evaluations: how many were made; fewer than asked for where the best was found, or nothing was left.
        seconds: all of it, of which a table takes next to nothing.
    """

    seed: int
    improvements: tuple[tuple[int, float], ...]
    evaluations: int
    seconds: float

    def curve(self, length: int) -> Gains:
        """(length,) the best so far after 1, 2, ... evaluations; -inf before the first success."""
        found = np.full(length, -np.inf)
        for count, gain in self.improvements:
            found[count - 1 :] = gain
        return found


def compete(benchmark: Benchmark, contestant: Contestant, seed: int, evaluations: int) -> Searched:
    """One search. It ends once it has found the best there is, since nothing changes from there on.

    Raises:
        NasError: no such strategy or option, the strategy cannot search the problem, or it asks for parts of evaluations.
    """
    start = time.perf_counter()
    problem = benchmark.problem
    strategy = make_strategy(contestant.strategy, open_strategy(contestant.strategy), problem, seed, contestant.options)
    history = ArrayHistory(len(problem.decisions), problem.objectives)
    improvements: list[tuple[int, float]] = []
    best = -np.inf
    while len(history) < evaluations and (benchmark.best is None or best < benchmark.best):
        if strategy.fidelity(history) < 1:
            raise NasError(
                f"strategy '{contestant.label}' asks for parts of evaluations, and a table has one result for each "
                "architecture; leave it out"
            )
        done = len(history)
        rows = strategy.ask(history)[: evaluations - done]
        if not len(rows):
            break
        found = benchmark.look_up(rows)
        history.extend(rows, found)
        for place in np.flatnonzero(np.maximum.accumulate(found) > best).tolist():
            if found[place] > best:
                best = float(found[place])
                improvements.append((done + place + 1, best))
    return Searched(seed, tuple(improvements), len(history), time.perf_counter() - start)


def curves(searches: Sequence[Searched], length: int) -> npt.NDArray[np.float64]:
    """(searches, length) the best so far of each."""
    return np.stack([one.curve(length) for one in searches])
