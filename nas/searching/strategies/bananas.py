"""BANANAS (White et al., 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from nas.architectures.decisions import Rows
from nas.searching.history import History
from nas.searching.problem import Problem
from nas.searching.strategies.acquisition import Acquisition, acquire
from nas.searching.strategies.features import Features
from nas.searching.strategies.guided import ORIGINS, Beginnings, Guided, PredictorName, Settings, Trust, encoding_of
from nas.searching.strategies.mutants import best_mutants

CODE = "the authors' code, naszilla"


class Bananas(Guided):
    """Mutants of the best architecture, chosen by independent Thompson sampling on an ensemble of networks.

    The ensemble reads the path encoding where a space has one. A predictor is followed whatever its quality, as in the paper,
    unless `trust` is raised.
    """

    summary = "mutants of the best, drawn by the predictions of an ensemble of networks and their spread"
    source = "White et al., BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture Search, 2021"
    origins: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            **dict.fromkeys(("beginnings", "batch", "candidates", "parents", "changes"), CODE),
            **ORIGINS,
            "settings": "for mlp-ensemble folds=0, as in the paper",
        }
    )
    stream = "bananas"

    def __init__(
        self,
        problem: Problem,
        seed: int,
        beginnings: Beginnings = 10,
        batch: Annotated[int, Field(ge=1, description="evaluations between two fits")] = 10,
        candidates: Annotated[int, Field(ge=1, description="mutants among which a batch is chosen")] = 100,
        parents: Annotated[int, Field(ge=1, description="how many of the best are mutated")] = 1,
        changes: Annotated[float, Field(gt=0, description="decisions of a mutant that get another option, on average")] = 1.5,
        predictor: PredictorName = "mlp-ensemble",
        settings: Settings = "",
        acquisition: Annotated[Acquisition, Field(description="what candidates are ranked by")] = "its",
        trust: Trust = -1.0,
        features: Features = "",
    ) -> None:
        encoding = encoding_of(problem, "paths")
        super().__init__(problem, seed, beginnings, batch, predictor, settings, trust, encoding, features, candidates)
        self.candidates, self.parents, self.changes = candidates, parents, changes
        self.acquisition: Acquisition = acquisition

    def choose(self, history: History, start: int, rng: np.random.Generator) -> Rows:
        """See `Guided`."""
        rows = best_mutants(self, history, start, rng, self.candidates, self.parents, self.changes)
        mean, deviation = self.fit(history, start).predict(rows)
        best = float(self.evaluated(history, start)[1][:, 0].max())
        return rows[np.argsort(-acquire(self.acquisition, mean, deviation, best, rng), kind="stable")]
