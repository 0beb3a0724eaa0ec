"""Coarse-to-fine architecture selection of BigNAS (Yu et al., 2020)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.searching.arrays.sorting import best
from nas.searching.history import History
from nas.searching.problem import Problem, first_places
from nas.searching.strategies.batches import TRIES, Batches
from nas.searching.strategies.one_change import require_free

LEVELS = {"resolution": 5, "depth": 4, "width": 2, "kernel": 4}
"""Settings of each dimension on the coarse grid; other dimensions have all of theirs."""

LISTED = 100_000
"""Points of a coarse grid that are listed; of a larger one so many are drawn."""

BATCH = 50


class CoarseToFine(Batches):
    """First networks whose stages are alike, then small changes of the best of those.

    On the coarse grid one number stands for all decisions of a dimension: all depths are at the same share of their range, all
    widths, all kernels, all resolutions. Then single decisions of the best skeletons are drawn anew. Where a space does not say
    what a decision changes, decisions with the same options count as one dimension.
    """

    summary = "networks with all stages alike first, then small changes of the best of them"
    source = "Yu et al., BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage Models, 2020"
    origins: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "skeletons": "half of the paper's 160, so that the default number of evaluations reaches the second phase",
            "best": "the paper says 'a handful'",
            "mutation": "ours: the paper does not say",
        }
    )

    def __init__(
        self,
        problem: Problem,
        seed: int,
        skeletons: Annotated[int, Field(ge=1, description="points of the coarse grid that are evaluated at most")] = 80,
        best: Annotated[int, Field(ge=1, description="skeletons that are refined")] = 5,
        mutation: Annotated[float, Field(gt=0, le=1, description="probability with which a decision is drawn anew")] = 0.1,
    ) -> None:
        super().__init__(problem, seed)
        require_free(problem.decisions, "coarse-to-fine")
        self.skeletons, self.best, self.mutation = skeletons, best, mutation
        self.begin()

    def begin(self) -> None:
        """See `Batches`."""
        self._parents: Rows | None = None

    def propose(self, history: History, start: int) -> Rows:
        """See `Batches`: the skeletons in one batch, then changes of the best ones."""
        rng = generator(self.seed, "coarse to fine", start)
        if self._parents is None:
            found = coarse_grid(self.problem, rng)
            if not len(found):
                raise NasError(
                    "no network whose stages are all alike keeps the bounds, so that there is nothing to refine; use "
                    "--strategy evolution, or raise the targets"
                )
            chosen = found[rng.permutation(len(found))[: self.skeletons]]
            return chosen[self.fresh.positions(chosen)]
        parents = self._parents
        fine = self.fresh.collect(lambda count: self._changed(parents, rng, count), BATCH, TRIES * BATCH)
        return np.concatenate([fine, self.random(rng, BATCH - len(fine))])

    def absorb(self, history: History, start: int, stop: int) -> None:
        """See `Batches`: choose the skeletons to refine."""
        if self._parents is None:
            values = history.values(start)[: stop - start]
            chosen = best(values, self.best)
            succeeded = chosen[np.isfinite(values[chosen]).all(axis=1)]
            self._parents = history.rows(start)[: stop - start][succeeded if len(succeeded) else chosen].copy()

    def _changed(self, parents: Rows, rng: np.random.Generator, count: int) -> Rows:
        chosen = (rng.random(count) * len(parents)).astype(np.int64)
        return self.problem.decisions.mutate(np.asfortranarray(parents[chosen]), rng, self.mutation)


def coarse_grid(problem: Problem, rng: np.random.Generator) -> Rows:
    """The distinct legal rows (N, D) in which every dimension is at one share of its range."""
    decisions = problem.decisions
    groups = dimension_groups(decisions, problem.dimensions)
    levels = []
    for name, columns in groups.items():
        most = int(decisions.cardinalities[columns].max())
        levels.append(np.linspace(0.0, 1.0, min(LEVELS.get(name, most), most)) if most > 1 else np.zeros(1))
    if math.prod(map(len, levels)) <= LISTED:
        shares = np.array(list(itertools.product(*levels)))
    else:
        shares = np.stack([level[(rng.random(LISTED) * len(level)).astype(np.int64)] for level in levels], axis=1)
    rows = np.zeros((len(shares), len(decisions)), dtype=np.uint8, order="F")
    for share, columns in zip(shares.T, groups.values(), strict=True):
        rows[:, columns] = np.floor(share[:, None] * (decisions.cardinalities[columns] - 1) + 0.5).astype(np.uint8)
    rows = decisions.canonical(rows)
    rows = rows[list(first_places(rows).values())]
    return rows[problem.legal(rows)]


def dimension_groups(decisions: Decisions, dimensions: Mapping[str, str] | None) -> dict[str, list[int]]:
    """The columns of each dimension; without dimensions, of each set of options."""
    groups: dict[str, list[int]] = {}
    for column, choice in enumerate(decisions.choices):
        name = dimensions[choice.name] if dimensions else repr(choice.options)
        groups.setdefault(name, []).append(column)
    return groups
