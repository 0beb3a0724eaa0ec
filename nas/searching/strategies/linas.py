"""LINAS (Cummings et al., 2022)."""

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
from nas.searching.strategies.guided import ORIGINS, Guided, PredictorName, Settings, Trust
from nas.searching.strategies.inner import inner_nsga2


class Linas(Guided):
    """Lightweight iterative search: evaluate a population, fit a predictor for each objective to everything, search on the
    predictors alone; the last population of that search is evaluated next.

    The inner search is NSGA-II for any number of objectives; the authors take others for three. Of its last population those
    that were evaluated before make room for children of the best evaluated ones. A predictor is followed whatever its
    quality, as in the paper, unless `trust` is raised.
    """

    summary = "NSGA-II on predictors, its last population evaluated, and again; for one to three objectives"
    source = "Cummings et al., A Hardware-Aware Framework for Accelerating Neural Architecture Search Across Modalities, 2022"
    origins: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "inner": "the authors' code, DyNAS-T, for its MobileNetV3 space",
            **ORIGINS,
        }
    )
    stream = "linas"

    def __init__(
        self,
        problem: Problem,
        seed: int,
        population: Annotated[int, Field(ge=5, description="architectures in a population, all evaluated")] = 50,
        inner: Annotated[int, Field(ge=1, description="architectures that an inner search scores by predictors")] = 20_000,
        predictor: PredictorName = "ridge-svr",
        settings: Settings = "",
        trust: Trust = -1.0,
        features: Features = "",
    ) -> None:
        super().__init__(problem, seed, population, population, predictor, settings, trust, features=features, candidates=inner)
        self.population, self.inner = population, inner

    def choose(self, history: History, start: int, rng: np.random.Generator) -> Rows:
        """See `Guided`."""
        return inner_nsga2(self, history, start, rng, self.population, max(1, self.inner // self.population - 1))[0]
