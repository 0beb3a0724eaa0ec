"""DeepMAD: networks designed by their entropy, without training (Shen et al., 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from nas.architectures import Bound, sample_bounded
from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.searching.entropy import EntropyOfRows, Figures, read_chain
from nas.searching.entropy.figures import PENALTY
from nas.searching.history import History
from nas.searching.problem import Problem, keys
from nas.searching.strategies.mad_mutation import MadMutation
from nas.searching.strategy import Strategy

DENSE, DEPTHWISE = 0.3, 0.5
"""The paper's largest effectiveness: for bottlenecks, and for blocks with depthwise convolutions."""

LOOKED_AT = 1000
"""Random legal networks that show whether a space reaches the paper's effectiveness."""

SHARE = 0.1
"""Where it does not, the share of those networks that the bound leaves."""


@dataclass(frozen=True)
class Designs:
    """The best networks found, the best first.

    Attributes:
        rows: (N, D), canonical and distinct.
        figures: of each.
        candidates: how many networks were made.
    """

    rows: Rows
    figures: Figures
    candidates: int


class DeepMad(Strategy):
    """Maximises the entropy of a network, less a penalty for super-blocks of uneven depth, under the targets and a bound on how
    deep a network may be for its width. Nothing is trained for it; what it designs is evaluated as any network is.

    It needs a space whose networks are chains of convolutional blocks in five stages. The authors' search merges what its
    processes found every 256 networks; here one process makes as many from one population.
    """

    summary = "networks designed by the entropy of their layers, without training"
    source = "Shen et al., DeepMAD: Mathematical Architecture Design for Deep Convolutional Neural Network, 2023"
    origins: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "effectiveness": "paper: 0.3 for bottlenecks, 0.5 with depthwise convolutions; the fallback is ours",
            "candidates": "the authors' configurations",
            "designs": "the authors' configurations",
        }
    )

    def __init__(
        self,
        problem: Problem,
        seed: int,
        population: Annotated[int, Field(ge=1, description="networks that are kept")] = 256,
        candidates: Annotated[int, Field(ge=1, description="networks that are made in all")] = 500_000,
        mutations: Annotated[int, Field(ge=1, description="blocks that are changed in a child")] = 2,
        effectiveness: Annotated[
            float | None,
            Field(
                gt=0,
                description="largest depth for its width (rho); none for the paper's, or in a space whose networks all exceed "
                "that, the lowest tenth of random ones",
            ),
        ] = None,
        penalty: Annotated[float, Field(ge=0, description="weight of the penalty for uneven depths")] = PENALTY,
        designs: Annotated[int, Field(ge=1, description="how many of the best networks are proposed")] = 1,
    ) -> None:
        super().__init__(problem, seed)
        if problem.operators is None:
            raise NasError(
                "deepmad computes the entropy of networks from their operators, which are not known here: give it a whole "
                "space; for other problems use --strategy evolution, aging or random"
            )
        try:
            chain = read_chain(problem.operators())
        except NasError as error:
            raise NasError(
                f"deepmad cannot design networks of this space: {error}. It needs chains of convolutional blocks in five "
                "stages, such as --space mad or mbconv; search this space with --strategy evolution, aging, local or nsga2"
            ) from error
        self.population, self.candidates, self.mutations, self.designs = population, candidates, mutations, designs
        self.entropy = EntropyOfRows(problem.decisions, chain, penalty)
        self.mutation = MadMutation(problem.decisions, chain)
        paper = DEPTHWISE if chain.depthwise else DENSE
        self.effectiveness = self._reachable(paper) if effectiveness is None else effectiveness
        self._remark: str | None = None
        if effectiveness is None and self.effectiveness != paper:
            self._remark = (
                f"all of {LOOKED_AT} random networks exceed the paper's bound of {paper:g} on depth for width; their lowest "
                f"tenth sets it: {self.effectiveness:.3g} (--strategy-set effectiveness=...)"
            )
        self.bounds = (*problem.limits, self._bound(self.effectiveness))
        self._designed: Rows | None = None
        sample_bounded(problem.decisions, generator(seed, "deepmad feasibility"), 1, self.bounds)

    def ask(self, history: History) -> Rows:
        """The best designs that were not evaluated yet; empty after that."""
        if self._designed is None:
            self._designed = self.design().rows[: self.designs]
        known = set(keys(history.rows()))
        return np.asfortranarray(self._designed[[key not in known for key in keys(self._designed)]])

    def remark(self) -> str | None:
        """See `Strategy`: that the bound is not the paper's."""
        return self._remark

    def design(self) -> Designs:
        """Evolve a population: parents drawn from it uniformly, two blocks of each changed, the best kept."""
        rng = generator(self.seed, "deepmad")
        decisions = self.problem.decisions
        rows, figures = self._best(sample_bounded(decisions, rng, self.population, self.bounds), None)
        made = len(rows)
        while made < self.candidates:
            count = min(self.population, self.candidates - made)
            parents = np.asfortranarray(rows[(rng.random(count) * len(rows)).astype(np.int64)])
            children = self.mutation(parents, rng, self.mutations)
            made += count
            new = self._new(children, rows)
            if len(new):
                rows, figures = self._best(new, (rows, figures))
        return Designs(rows, figures, made)

    def _new(self, children: Rows, known: Rows) -> Rows:
        """The children that are not known, once each, and keep the targets."""
        seen = set(keys(known))
        fresh = []
        for index, key in enumerate(keys(children)):
            if key not in seen:
                seen.add(key)
                fresh.append(index)
        rows = np.asfortranarray(children[fresh])
        return np.asfortranarray(rows[self.problem.legal(rows)]) if len(rows) else rows

    def _best(self, rows: Rows, before: tuple[Rows, Figures] | None) -> tuple[Rows, Figures]:
        """The best of new rows that keep the bound on effectiveness, and of those before; older ones first among equals."""
        figures = self.entropy(rows)
        kept = np.flatnonzero(figures.effectiveness <= self.effectiveness)
        if before is None:
            kept = kept[np.unique(np.ascontiguousarray(rows[kept]), axis=0, return_index=True)[1]]
        rows, figures = rows[kept], _take(figures, kept)
        if before is not None:
            rows, figures = np.concatenate([before[0], rows]), _together(before[1], figures)
        order = np.argsort(-figures.score, kind="stable")[: self.population]
        return np.asfortranarray(rows[order]), _take(figures, order)

    def _bound(self, limit: float) -> Bound:
        def measure(rows: Rows) -> npt.NDArray[np.float64]:
            return self.entropy(rows).effectiveness

        return Bound("effectiveness", limit, measure, "{:.3f} (--strategy-set effectiveness=...)".format)

    def _reachable(self, paper: float) -> float:
        """The paper's bound, or one that random legal networks of the space keep."""
        drawn = self.problem.sample(generator(self.seed, "deepmad effectiveness"), LOOKED_AT)
        found = self.entropy(drawn).effectiveness
        return paper if (found <= paper).any() else float(np.quantile(found, SHARE))


def _take(figures: Figures, chosen: npt.NDArray[np.int64]) -> Figures:
    return Figures(figures.entropy[chosen], figures.effectiveness[chosen], figures.penalty[chosen])


def _together(first: Figures, second: Figures) -> Figures:
    return Figures(
        np.concatenate([first.entropy, second.entropy]),
        np.concatenate([first.effectiveness, second.effectiveness]),
        np.concatenate([first.penalty, second.penalty]),
    )
