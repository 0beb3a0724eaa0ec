"""NPENAS (Wei et al., 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from nas.architectures.decisions import Rows
from nas.searching.history import History
from nas.searching.problem import Problem
from nas.searching.strategies.features import Features
from nas.searching.strategies.guided import ORIGINS, Beginnings, Guided, PredictorName, Settings, Trust
from nas.searching.strategies.mutants import best_mutants


class Npenas(Guided):
    """Evolution whose children are chosen by a graph network: mutants of the ten best, those predicted best evaluated.

    The paper's variant NPENAS-NP. A predictor is followed whatever its quality, as in the paper, unless `trust` is raised.
    """

    summary = "mutants of the ten best, of which a graph network chooses"
    source = "Wei et al., NPENAS: Neural Predictor Guided Evolution for Neural Architecture Search, 2020"
    origins: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "changes": "ours: as in the code of BANANAS",
            **ORIGINS,
            "settings": "for gin held_out=0, as in the paper",
        }
    )
    stream = "npenas"

    def __init__(
        self,
        problem: Problem,
        seed: int,
        beginnings: Beginnings = 10,
        batch: Annotated[int, Field(ge=1, description="evaluations between two fits")] = 10,
        candidates: Annotated[int, Field(ge=1, description="mutants among which a batch is chosen")] = 100,
        parents: Annotated[int, Field(ge=1, description="how many of the best are mutated")] = 10,
        changes: Annotated[float, Field(gt=0, description="decisions of a mutant that get another option, on average")] = 1.5,
        predictor: PredictorName = "gin",
        settings: Settings = "",
        trust: Trust = -1.0,
        features: Features = "",
    ) -> None:
        super().__init__(problem, seed, beginnings, batch, predictor, settings, trust, features=features, candidates=candidates)
        self.candidates, self.parents, self.changes = candidates, parents, changes

    def choose(self, history: History, start: int, rng: np.random.Generator) -> Rows:
        """See `Guided`."""
        rows = best_mutants(self, history, start, rng, self.candidates, self.parents, self.changes)
        return rows[np.argsort(-self.fit(history, start).predict(rows)[0], kind="stable")]
