"""Predictor-guided evolution (Cai et al., Once-for-All, 2020), its predictor fitted again as evaluations arrive."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.searching.arrays.evolution import evolve
from nas.searching.history import History
from nas.searching.problem import Problem
from nas.searching.strategies.acquisition import Acquisition, acquire, normal_scores
from nas.searching.strategies.features import Features
from nas.searching.strategies.gain import by_gain
from nas.searching.strategies.guided import ORIGINS, Beginnings, Guided, PredictorName, Settings, Trust
from nas.searching.strategies.inner import inner_nsga2, predicted_objectives
from nas.searching.strategies.one_change import has_own_mutation

RESOLUTION = 0.5
"""Probability with which a mutant's resolution is drawn anew, as in the authors' code; other decisions have `mutation`."""

OURS = "ours: the paper fits once, to 16,000 evaluations"


class PredictorGuided(Guided):
    """An evolution on a predictor proposes each batch.

    The paper evaluates random sub-networks, fits a predictor once and evolves on it. Here the evolution's best are evaluated,
    and the predictor is fitted again, so that far fewer evaluations are needed. It scores candidates by their expected
    improvement on the scale of normal scores by rank, so that it also looks where the predictor is unsure. Where a space has
    no more architectures than the evolution would score, all are scored instead. With several objectives an NSGA-II of the
    same size runs on a predictor for each, and on the exact figures of the cheap ones; those are evaluated that add most to
    the hypervolume of the front so far.
    """

    summary = "evolution on a predictor that learns from every evaluation; the fewest evaluations"
    source = "Cai et al., Once-for-All: Train One Network and Specialize it for Efficient Deployment, 2020"
    origins: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "beginnings": OURS,
            "batch": OURS,
            "growth": OURS,
            "predictor": "ours: the best of the built-in ones below some hundred evaluations; the paper has mlp",
            "acquisition": "Jones et al., Efficient Global Optimization, 1998; the paper has mean",
            **ORIGINS,
        }
    )
    stream = "predictor-guided"

    def __init__(
        self,
        problem: Problem,
        seed: int,
        beginnings: Beginnings = 10,
        batch: Annotated[int, Field(ge=1, description="evaluations between two fits, at least")] = 2,
        growth: Annotated[float, Field(ge=0, le=1, description="the same as a share of what is known")] = 0.01,
        predictor: PredictorName = "gp",
        settings: Settings = "",
        acquisition: Annotated[
            Acquisition,
            Field(description="what candidates are ranked by: expected improvement, independent Thompson sampling, upper "
                  "confidence bound, probability of improvement, or the prediction"),
        ] = "ei",
        population: Annotated[int, Field(ge=2, description="of the evolution on the predictor")] = 100,
        generations: Annotated[int, Field(ge=1, description="of the evolution on the predictor")] = 500,
        parents: Annotated[float, Field(gt=0, le=1, description="share of its population that breeds and lives on")] = 0.25,
        mutants: Annotated[float, Field(ge=0, le=1, description="share of its children that are mutants")] = 0.5,
        mutation: Annotated[float, Field(gt=0, le=1, description="probability with which a decision is drawn anew")] = 0.1,
        trust: Trust = 0.2,
        features: Features = "",
    ) -> None:  # fmt: skip
        self._everything = listed(problem.decisions, population * generations)
        candidates = population * generations if self._everything is None else len(self._everything)
        super().__init__(problem, seed, beginnings, batch, predictor, settings, trust, features=features, candidates=candidates)
        self.acquisition: Acquisition = acquisition
        self.population, self.generations, self.parents = population, generations, parents
        self.mutants, self.mutation = mutants, mutation
        self.growth = growth

    def size(self, start: int) -> int:
        """See `Guided`: a fit to many evaluations takes long, and one evaluation more teaches it little."""
        return max(self.batch, int(self.growth * start))

    def choose(self, history: History, start: int, rng: np.random.Generator) -> Rows:
        """See `Guided`."""
        if len(self.problem.objectives) > 1:
            return self._spread(history, start, rng)
        rows, values = self.evaluated(history, start)
        scores = normal_scores(values[:, 0])
        predictor, top = self.unfitted(start), float(scores.max())
        predictor.fit(rows, scores)

        def measure(rows: Rows) -> npt.NDArray[np.float64]:
            mean, deviation = predictor.predict(rows)
            return acquire(self.acquisition, mean, deviation, top, rng)

        if self._everything is not None:
            legal = self._unseen()
            return legal[np.argsort(-measure(legal), kind="stable")]
        begin = self.problem.sample(rng, self.population)
        elite = rows[np.argsort(-values[:, 0], kind="stable")[: round(self.parents * self.population)]]
        begin[: len(elite)] = elite
        decisions, generations = self.problem.decisions, self.generations
        found, _ = evolve(
            decisions, measure, begin, rng, generations, self.parents, self.mutants, self._mutate(), self.problem.legal
        )
        return found

    def _spread(self, history: History, start: int, rng: np.random.Generator) -> Rows:
        """What adds most to the front, of all architectures or of those that an NSGA-II ends with."""
        if self._everything is None:
            rows, predicted = inner_nsga2(self, history, start, rng, self.population, self.generations)
            unseen = self.fresh.unseen(rows)
            rows, predicted = rows[unseen], predicted[unseen]
        else:
            rows = self._unseen()
            predicted = predicted_objectives(self, history, start)(rows)
        return rows[by_gain(self.evaluated(history, start)[1], predicted, self.size(start))]

    def _unseen(self) -> Rows:
        """The legal architectures of a listed space that are not known."""
        assert self._everything is not None
        unseen: Rows = self._everything[self.fresh.unseen(self._everything)]
        return unseen

    def _mutate(self) -> Callable[[Rows, np.random.Generator], Rows]:
        """Decisions drawn anew, the resolution more often than the others."""
        decisions, dimensions = self.problem.decisions, self.problem.dimensions or {}
        columns = [column for column, name in enumerate(decisions.names) if dimensions.get(name) == "resolution"]
        if not columns or has_own_mutation(decisions) or self.mutation >= RESOLUTION:
            return lambda rows, rng: decisions.mutate(rows, rng, self.mutation)
        # Two chances to be drawn, which together come to `RESOLUTION`.
        second = 1 - (1 - RESOLUTION) / (1 - self.mutation)

        def mutate(rows: Rows, rng: np.random.Generator) -> Rows:
            changed = decisions.mutate(rows, rng, self.mutation)
            for column in columns:
                again = rng.random(len(rows)) < second
                drawn = (rng.random(len(rows)) * decisions.cardinalities[column]).astype(np.uint8)
                changed[:, column] = np.where(again, drawn, changed[:, column])
            return decisions.canonical(changed)

        return mutate


def listed(decisions: Decisions, most: int) -> Rows | None:
    """Every architecture of a space (N, D), in the order of the decisions; None where the decisions have more than `most`
    assignments, or are derived from a grammar."""
    if has_own_mutation(decisions) or math.prod(decisions.cardinalities.tolist()) > most:
        return None
    # numpy's grids have at most 64 dimensions, and a decision with a single option needs none.
    free = np.flatnonzero(decisions.cardinalities > 1)
    grid = np.indices(tuple(decisions.cardinalities[free]), dtype=np.uint8).reshape(len(free), -1).T
    rows = np.zeros((len(grid), len(decisions)), dtype=np.uint8, order="F")
    rows[:, free] = grid
    return np.asfortranarray(np.unique(decisions.canonical(rows), axis=0))
