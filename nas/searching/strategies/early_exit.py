"""EEEA-Net's search: early-exit population initialisation and an elitist genetic algorithm (Termritthikun et al., 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.searching.arrays.sorting import best
from nas.searching.history import History
from nas.searching.problem import Problem
from nas.searching.strategies.batches import TRIES, Batches
from nas.searching.strategies.genes import redraw_gene, swap_genes
from nas.searching.strategies.one_change import has_own_mutation


class EarlyExit(Batches):
    """The first generation is drawn again until it keeps the bounds; later children that break them exit untrained.

    The paper's bound is one on parameters (3 to 5 million for CIFAR-10, 5 to 7 for ImageNet). A share of each generation
    survives. Its children come from tournaments by domination, uniform crossover, one gene drawn anew and two neighbouring
    genes exchanged, and none of them was ever proposed before. A gene is a place of the network: an operator with its input.
    """

    summary = "draws the first generation within the bounds, and drops children beyond them before they cost anything"
    source = "Termritthikun et al., EEEA-Net: An Early Exit Evolutionary Neural Architecture Search, 2021"
    origins: ClassVar[Mapping[str, str]] = MappingProxyType(
        dict.fromkeys(("population", "survivors", "mutation", "inversion"), "the authors' code")
    )

    def __init__(
        self,
        problem: Problem,
        seed: int,
        population: Annotated[int, Field(ge=4, description="architectures in a generation, survivors included")] = 40,
        survivors: Annotated[float, Field(gt=0, lt=1, description="share of a generation that survives and breeds")] = 0.1,
        mutation: Annotated[
            float, Field(ge=0, le=1, description="probability with which one gene of a child is drawn anew")
        ] = 0.1,
        inversion: Annotated[
            float, Field(ge=0, le=1, description="probability with which two neighbouring genes of a child are exchanged")
        ] = 0.1,
    ) -> None:
        super().__init__(problem, seed)
        if not problem.limits:
            raise NasError(
                "early-exit leaves early what is beyond a bound, and there is none: give one, such as --target params<=5M"
            )
        self.population, self.mutation, self.inversion = population, mutation, inversion
        self.surviving = max(2, round(survivors * population))
        self._own_mutation = has_own_mutation(problem.decisions)
        self.begin()

    def begin(self) -> None:
        """See `Batches`."""
        self._rows = np.empty((0, len(self.problem.decisions)), dtype=np.uint8)
        self._values = np.empty((0, len(self.problem.objectives)))

    def propose(self, history: History, start: int) -> Rows:
        """See `Batches`: a generation without those that exit early."""
        rng = generator(self.seed, "early exit", start)
        if len(self._rows) < 2:
            return self.random(rng, self.population)
        wanted = self.population - len(self._rows)
        found = np.empty((0, len(self.problem.decisions)), dtype=np.uint8)
        for _ in range(TRIES):
            children = [child for _ in range(-(-wanted // 2)) for child in self._pair(rng)]
            bred = self.problem.decisions.canonical(np.asfortranarray(children[:wanted]))
            found = bred[self.fresh.positions(bred)]
            if len(found):
                return found
        return self.random(rng, wanted)

    def absorb(self, history: History, start: int, stop: int) -> None:
        """See `Batches`: the best of a generation survive, those that survived the last one among them."""
        values = history.values(start)[: stop - start]
        finite = np.isfinite(values).all(axis=1)
        rows = np.concatenate([self._rows, history.rows(start)[: stop - start][finite]])
        values = np.concatenate([self._values, values[finite]])
        kept = best(values, self.surviving)
        self._rows, self._values = rows[kept], values[kept]

    def _pair(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Two children of a father and a mother."""
        father, mother = self._tournament(rng), self._tournament(rng)
        decisions = self.problem.decisions
        one, other = np.asfortranarray(father[None]), np.asfortranarray(mother[None])
        if self._own_mutation:
            children = [decisions.crossover(one, other, rng)[0], decisions.crossover(other, one, rng)[0]]
        else:
            from_father = rng.random((1, len(decisions))) < 0.5
            children = [decisions.mix(mask, one, other, rng)[0] for mask in (from_father, ~from_father)]
        return [self._changed(child, rng) for child in children]

    def _changed(self, child: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        decisions = self.problem.decisions
        if not self._own_mutation:
            child = decisions.filled(np.asfortranarray(child[None]), rng)[0]
        if rng.random() < self.mutation:
            if self._own_mutation:
                child = decisions.mutate(np.asfortranarray(child[None]), rng)[0]
            else:
                child = redraw_gene(decisions, child, rng)
        if rng.random() < self.inversion and not self._own_mutation:
            child = swap_genes(decisions, child, rng)
        return child

    def _tournament(self, rng: np.random.Generator) -> np.ndarray:
        """Of half of the survivors, one that no other of them dominates."""
        entrants = rng.permutation(len(self._rows))[: max(1, len(self._rows) // 2)]
        winner = int(entrants[0])
        for entrant in entrants[1:].tolist():
            better, own = self._values[entrant], self._values[winner]
            if (better >= own).all() and (better > own).any():
                winner = entrant
        found: np.ndarray = self._rows[winner]
        return found
