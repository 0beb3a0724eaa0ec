"""Random search: the baseline that every other strategy is held against."""

from __future__ import annotations

from nas.architectures.decisions import Rows
from nas.base.seeds import generator
from nas.searching.fresh import Fresh
from nas.searching.history import History
from nas.searching.problem import Problem
from nas.searching.strategy import Strategy

BATCH = 50
TRIES = 100
"""Draws for each architecture that is wanted, before the space counts as exhausted."""


class RandomSearch(Strategy):
    """Legal architectures drawn uniformly, none twice."""

    summary = "legal architectures drawn uniformly, none twice"
    source = "Li & Talwalkar, Random Search and Reproducibility for Neural Architecture Search, 2019"

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        self._fresh = Fresh(problem)

    def ask(self, history: History) -> Rows:
        """The rest of the present batch of 50."""
        done = len(history) % BATCH
        start = len(history) - done
        rng = generator(self.seed, "random search", start)
        self._fresh.begin(history, start)
        return self._fresh.collect(lambda count: self.problem.sample(rng, count), BATCH, TRIES * BATCH)[done:]
