"""Evolution as in Single Path One-Shot (Guo et al., 2020)."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from nas.architectures.decisions import Rows
from nas.base.seeds import generator
from nas.searching.fresh import Fresh
from nas.searching.history import History
from nas.searching.problem import Problem
from nas.searching.strategy import Strategy

REFILL_TRIES = 100
"""Random draws for each place that mutation and crossover left empty, before the space counts as exhausted."""

AT_ONCE = 5
"""Children proposed at a time, in multiples of the number wanted."""


class Evolution(Strategy):
    """Generations bred from the best architectures of all time.

    A generation is evaluated; the `parents` best so far breed the next: one half by mutation of a parent drawn at
    random, one half by uniform crossover of two; random legal architectures fill the rest. Nothing is evaluated twice.

    The paper runs 20 generations of 50.
    """

    summary = "generations bred from the best so far by mutation and crossover"
    source = "Guo et al., Single Path One-Shot Neural Architecture Search with Uniform Sampling, 2020"

    def __init__(
        self,
        problem: Problem,
        seed: int,
        population: Annotated[int, Field(ge=1, description="architectures in a generation")] = 50,
        parents: Annotated[int, Field(ge=1, description="how many of the best so far breed")] = 10,
        mutation: Annotated[float, Field(ge=0, le=1, description="probability with which a decision is drawn anew")] = 0.1,
        tries: Annotated[
            int, Field(ge=1, description="proposals for each child that is wanted, for mutation and for crossover")
        ] = 10,
    ) -> None:
        super().__init__(problem, seed)
        self.population, self.parents, self.mutation, self.tries = population, parents, mutation, tries
        self._fresh = Fresh(problem)
        self._history: History | None = None
        self._best = np.empty(0, dtype=np.int64)
        self._ranked = 0

    def ask(self, history: History) -> Rows:
        """The rest of the present generation."""
        done = len(history) % self.population
        start = len(history) - done
        rng = generator(self.seed, "evolution", start)
        self._fresh.begin(history, start)
        children: list[Rows] = []
        if start:
            parents = history.rows()[self._elite(history, start)]
            half = self.population // 2
            children.append(
                self._fresh.collect(lambda count: self._mutants(parents, rng, count), half, self.tries * half, AT_ONCE)
            )
            children.append(
                self._fresh.collect(lambda count: self._crosses(parents, rng, count), half, self.tries * half, AT_ONCE)
            )
        left = self.population - sum(map(len, children))
        children.append(self._fresh.collect(lambda count: self.problem.sample(rng, count), left, REFILL_TRIES * left))
        return np.concatenate(children)[done:]

    def _mutants(self, parents: Rows, rng: np.random.Generator, count: int) -> Rows:
        chosen = (rng.random(count) * len(parents)).astype(np.int64)
        return self.problem.decisions.mutate(parents.take(chosen, axis=0), rng, self.mutation)

    def _crosses(self, parents: Rows, rng: np.random.Generator, count: int) -> Rows:
        first, second = (rng.random((2, count)) * len(parents)).astype(np.int64)
        return self.problem.decisions.crossover(parents.take(first, axis=0), parents.take(second, axis=0), rng)

    def _elite(self, history: History, count: int) -> np.ndarray:
        """Positions of the best of the first `count` evaluations, the earlier one first among equals.

        The best so far and what is new since are enough to find the new best.
        """
        if history is not self._history or count < self._ranked:
            self._history, self._best, self._ranked = history, np.empty(0, dtype=np.int64), 0
        candidates = np.concatenate([self._best, np.arange(self._ranked, count)])
        scores = history.scores()[candidates]
        order = np.argsort(-scores, kind="stable")[: self.parents]
        self._best, self._ranked = candidates[order[np.isfinite(scores[order])]], count
        return self._best if len(self._best) else candidates[order]
