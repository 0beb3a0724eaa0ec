"""What the strategies that follow a predictor have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.seeds import generator, integer_seed
from nas.base.threads import one_blas_thread
from nas.predicting import Encoding, Predictor, cross_validated, make_predictor, open_predictor
from nas.predicting.predictor import FEWEST
from nas.searching.arrays.sorting import best
from nas.searching.fresh import Fresh
from nas.searching.history import History
from nas.searching.problem import Problem
from nas.searching.strategies.batches import FEW, TRIES
from nas.searching.strategies.features import with_features
from nas.searching.strategy import Strategy

JUDGED = 40
"""Evaluations from which a predictor is judged; on fewer, chance alone gives a tau of 0.2 too often. It is judged again each
time that they have doubled."""

BREEDING = 10
"""How many of the best evaluated breed where the predictor is not followed."""


Beginnings = Annotated[int, Field(ge=5, description="random architectures before the first fit")]
PredictorName = Annotated[str, Field(description="installed predictor; see nas predictors")]
Settings = Annotated[str, Field(description="options of the predictor, as NAME=VALUE,NAME=VALUE")]
Trust = Annotated[
    float,
    Field(ge=-1, le=1, description="least Kendall tau on evaluations held out, below which the predictor is not followed; -1 "
          "follows any"),
]  # fmt: skip

ORIGINS: Mapping[str, str] = MappingProxyType(
    {
        "settings": "ours: the predictor's own, but for what makes a fit for every batch quick",
        "trust": "ours",
        "features": "ours",
    }
)
"""Of the options that all have."""


class Guided(Strategy):
    """Random architectures first, then batches that a predictor of the evaluations so far chooses.

    The predictor is fitted anew for each batch to all successful evaluations before it. Batches begin at positions that depend
    on the options alone, so that a search that goes on after a kill fits once, not once for each batch of the past.

    A predictor whose cross-validated Kendall tau is below `trust` is not followed: architectures bred from the best evaluated
    ones, by mutation and by crossover, are evaluated instead.

    Args:
        beginnings: random architectures.
        batch: architectures between two fits; see `size`.
        predictor: name of an installed one.
        settings: its options that are changed, as 'NAME=VALUE,NAME=VALUE'; none for its `quick` ones.
        trust: least Kendall tau.
        encoding: what the predictor reads.
        features: zero-cost proxies that it reads besides, as 'NAME,NAME'.
        candidates: how many architectures it judges for a batch, at most.

    Attributes:
        stream: names the random numbers.
    """

    stream: ClassVar[str]

    def __init__(
        self,
        problem: Problem,
        seed: int,
        beginnings: int,
        batch: int,
        predictor: str,
        settings: str,
        trust: float,
        encoding: Encoding | None = None,
        features: str = "",
        candidates: int = 0,
    ) -> None:
        super().__init__(problem, seed)
        self.beginnings, self.batch, self.predictor, self.trust = beginnings, batch, predictor, trust
        self.encoding = with_features(problem, encoding or encoding_of(problem), features, predictor, candidates)
        self.settings = read_settings(settings) or open_predictor(predictor).quick
        self.fresh = Fresh(problem)
        self.unfitted(0)
        self._history: History | None = None
        self._start = -1
        self._batch = np.empty((0, len(problem.decisions)), dtype=np.uint8)
        self._judged: dict[int, float] = {}
        self._remark: str | None = None

    @abstractmethod
    def choose(self, history: History, start: int, rng: np.random.Generator) -> Rows:
        """What to evaluate from a position on: distinct rows, best first; more than a batch, or fewer. The history may be read
        up to there. Rows that break a bound or are known are left out by the caller."""

    def ask(self, history: History) -> Rows:
        """The rest of the present batch."""
        count = len(history)
        start = self._beginning(count)
        if history is not self._history or start < self._start:
            self._history, self._start, self._judged = history, -1, {}
        if start != self._start:
            with one_blas_thread():
                self._batch, self._start = self._proposed(history, start), start
        return self._batch[count - start :]

    def size(self, start: int) -> int:
        """How many architectures are evaluated between the fit at a position and the next."""
        return self.batch

    def remark(self) -> str | None:
        """See `Strategy`: why the predictor was not followed."""
        return self._remark

    def unfitted(self, position: int, column: int = 0) -> Predictor:
        """A predictor that has learned nothing, for the batch at a position and an objective."""
        seed = integer_seed(self.seed, f"{self.stream} predictor", position, column)
        return make_predictor(self.predictor, self.encoding, seed, self.settings)

    def fit(self, history: History, start: int, column: int = 0) -> Predictor:
        """The predictor of an objective, larger is better, fitted to the successful evaluations before a position."""
        rows, values = self.evaluated(history, start)
        found = self.unfitted(start, column)
        found.fit(rows, values[:, column])
        return found

    def evaluated(self, history: History, start: int) -> tuple[Rows, npt.NDArray[np.float64]]:
        """Successful rows (N, D) before a position, and their objectives (N, M)."""
        values = history.values()[:start]
        done = np.isfinite(values).all(axis=1)
        return np.asfortranarray(history.rows()[:start][done]), values[done]

    def bred(self, history: History, start: int, rng: np.random.Generator) -> Rows:
        """A batch bred from the best evaluated architectures: one half mutants, one half crosses."""
        rows, values = self.evaluated(history, start)
        parents = rows[best(values, BREEDING)]
        decisions = self.problem.decisions

        def drawn(count: int) -> Rows:
            return np.asfortranarray(parents.take((rng.random(count) * len(parents)).astype(np.int64), axis=0))

        half, crossed = -(-self.size(start) // 2), self.size(start) // 2
        mutants = self.fresh.collect(lambda count: decisions.mutate(drawn(count), rng), half, TRIES * half)
        crosses = self.fresh.collect(
            lambda count: decisions.crossover(drawn(count), drawn(count), rng), crossed, TRIES * crossed
        )
        return np.concatenate([mutants, crosses])

    def random(self, rng: np.random.Generator, count: int) -> Rows:
        """Random legal architectures that were never proposed; fewer when the space is nearly exhausted."""
        tries, at_once = TRIES * max(count, FEW), max(1, FEW // max(count, 1))
        return self.fresh.collect(lambda wanted: self.problem.sample(rng, wanted), count, tries, at_once)

    def _beginning(self, count: int) -> int:
        """The position at which the batch that a position is in begins."""
        if count < self.beginnings:
            return 0
        start = self.beginnings
        while (following := start + self.size(start)) <= count:
            start = following
        return start

    def _proposed(self, history: History, start: int) -> Rows:
        rng = generator(self.seed, self.stream, start)
        self.fresh.begin(history, start)
        self._remark = None
        wanted = self.size(start) if start else self.beginnings
        found = np.empty((0, len(self.problem.decisions)), dtype=np.uint8)
        if start and len(self.evaluated(history, start)[0]) >= FEWEST:
            if self._trusted(history, start):
                rows = self.choose(history, start, rng)
                found = rows[self.fresh.positions(rows, wanted)]
            if len(found) < wanted:
                found = np.concatenate([found, self.bred(history, start, rng)[: wanted - len(found)]])
        return np.concatenate([found, self.random(rng, wanted - len(found))])

    def _trusted(self, history: History, start: int) -> bool:
        """Whether the predictor was good enough when it was judged last."""
        if start < JUDGED or self.trust <= -1:
            return True
        at = JUDGED
        while 2 * at <= start:
            at *= 2
        if at not in self._judged:
            rows, values = self.evaluated(history, at)
            enough = len(rows) >= JUDGED // 2
            quality = cross_validated(lambda: self.unfitted(at), rows, values[:, 0], seed=self.seed) if enough else None
            self._judged[at] = quality.kendall_tau if quality is not None else 1.0
        tau = self._judged[at]
        if tau >= self.trust:
            return True
        self._remark = (
            f"predictor '{self.predictor}' ranks evaluations that it has not seen with a Kendall tau of {tau:.2f}, below "
            f"{self.trust:g}: until {2 * at} are known, architectures bred from the best are evaluated instead"
        )
        return False


def encoding_of(problem: Problem, variant: str | None = None) -> Encoding:
    """How predictors see a problem's architectures: the space's own encoding, a variant of it where the space has that one,
    else the one-hot of the decisions."""
    found = problem.encoding or Encoding(problem.decisions)
    return found.variant(variant) if variant in found.variants else found


def read_settings(text: str) -> Mapping[str, str]:
    """Options of a predictor from 'NAME=VALUE,NAME=VALUE'. Raises NasError for another form."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    for name, sign, value in pairs:
        if not (name.strip() and sign and value.strip()):
            raise NasError(f"options of a predictor are written NAME=VALUE,NAME=VALUE; given {text!r}")
    return {name.strip(): value.strip() for name, _, value in pairs}
