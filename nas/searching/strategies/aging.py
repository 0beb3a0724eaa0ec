"""Regularised (aging) evolution (Real et al., 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.searching.history import History
from nas.searching.problem import Problem
from nas.searching.strategies.aging_draws import BLOCK, draw_block
from nas.searching.strategies.batches import Batches
from nas.searching.strategies.one_change import change_one, has_own_mutation

ATTEMPTS = 100
"""Tournaments and mutations for one new architecture, before it is drawn at random."""


class Aging(Batches):
    """The last `population` evaluations are a queue; each new architecture pushes the oldest out, however good it is.

    It is the best of `sample` members of the queue, drawn without replacement, with one decision changed. What was
    evaluated before, or breaks a bound, is not proposed: another tournament is held instead. After as many tournaments as
    can be expected to find anything, a random architecture takes the place.
    """

    summary = "the best of a random sample of the youngest is changed in one decision; the oldest leaves"
    source = "Real et al., Regularized Evolution for Image Classifier Architecture Search, 2019"
    origins: ClassVar[Mapping[str, str]] = MappingProxyType(
        dict.fromkeys(("population", "sample"), "the authors' example for NAS-Bench-101")
    )

    def __init__(
        self,
        problem: Problem,
        seed: int,
        population: Annotated[int, Field(ge=2, description="length of the queue, and of the random beginning")] = 50,
        sample: Annotated[int, Field(ge=1, description="members of a tournament; at most the population")] = 10,
    ) -> None:
        super().__init__(problem, seed)
        if sample > population:
            raise NasError(
                f"aging evolution draws {sample} of a population of {population}; set sample to at most {population}"
            )
        self.population, self.sample = population, sample
        self._own_mutation = has_own_mutation(problem.decisions)
        self.begin()

    def begin(self) -> None:
        """See `Batches`: no tournament was held yet."""
        self._held = 0

    def propose(self, history: History, start: int) -> Rows:
        """See `Batches`: the random beginning, then one child at a time."""
        if start < self.population:
            return self.random(generator(self.seed, "aging beginning", start), self.population - start)
        queue = history.rows(start - self.population)[: self.population]
        scores = history.scores(start - self.population)[: self.population]
        for _ in range(ATTEMPTS):
            child = self._child(queue, scores)
            found = self.fresh.collect(lambda _, child=child: child, 1, 1)  # type: ignore[misc]
            if len(found):
                return found
        return self._random(start)

    def drawn(self, history: History) -> Rows:
        """(1, D) what is proposed at this point where breeding finds nothing new; empty where all is known."""
        self.fresh.begin(history, len(history))
        return self._random(len(history))

    def _random(self, start: int) -> Rows:
        return self.random(generator(self.seed, "aging beginning", start), 1)

    def _child(self, queue: Rows, scores: np.ndarray) -> Rows:
        """Of the next tournament."""
        block, place = divmod(self._held, BLOCK)
        if place == 0:
            self._draws = draw_block(self.seed, block, self.population, self.sample)
        self._held += 1
        members = self._draws.members[place]
        parent = queue[members[scores[members].argmax()]]
        rng = partial(generator, self.seed, "aging mutation", self._held)
        if self._own_mutation:
            return self.problem.decisions.mutate(np.asfortranarray(parent[None]), rng())
        which, option = self._draws.which[place], self._draws.option[place]
        return change_one(self.problem.decisions, parent, float(which), float(option), rng)
