"""The legal paths of one block: drawn for a step, listed, and bred."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from nas.architectures.decisions import Rows
from nas.supernet import Blocks
from nas.training.blockwise.recipe import BlockwiseRecipe

ENUMERATED = 100_000
"""Combinations of options beyond which a block's paths are not counted: many combinations may be the same path."""

TRIES = 10
"""Rounds in which an evolution looks for paths that are not rated yet."""


def fair(cardinalities: Sequence[int], count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, d) options, every decision through a random permutation of its options, and a further one where they run out.

    With as many paths as options each option appears exactly once (Chu et al., FairNAS, 2021).
    """
    drawn = np.zeros((count, len(cardinalities)), dtype=np.uint8)
    for column, options in enumerate(cardinalities):
        rounds = [rng.permutation(options) for _ in range(math.ceil(count / options))]
        drawn[:, column] = np.concatenate(rounds)[:count]
    return drawn


class Candidates:
    """The legal paths of one block after what was chosen for the blocks before it, as rows (P, D) of whole architectures.

    Args:
        row: (D,), decided in the earlier blocks.
    """

    def __init__(self, blocks: Blocks, number: int, row: np.ndarray) -> None:
        self._blocks, self._number, self._row = blocks, number, row
        self._listed = blocks.listed(number, row)
        self._cardinalities = [int(blocks.space.decisions.cardinalities[column]) for column in blocks.columns[number]]

    def draw(self, count: int, rng: np.random.Generator) -> Rows:
        """The paths of one step: of a list so many without repetition, else by the fair rule."""
        if self._listed is None:
            return self._blocks.combined(self._number, self._row, fair(self._cardinalities, count, rng))
        return self._listed[rng.choice(len(self._listed), min(count, len(self._listed)), replace=False)]

    def sample(self, count: int, rng: np.random.Generator) -> Rows:
        """Independent random paths, repetitions possible."""
        if self._listed is not None:
            return self._listed[rng.integers(0, len(self._listed), count)]
        codes = (rng.random((count, len(self._cardinalities))) * self._cardinalities).astype(np.uint8)
        return self._blocks.combined(self._number, self._row, codes)

    @cached_property
    def every(self) -> Rows | None:
        """Every path once; None where there are too many to list."""
        if self._listed is not None:
            return self._listed
        if math.prod(self._cardinalities) > ENUMERATED:
            return None
        if not self._cardinalities:
            return np.asfortranarray(self._row[None])
        grid = np.indices(self._cardinalities).reshape(len(self._cardinalities), -1).T
        rows = self._blocks.combined(self._number, self._row, grid)
        first = np.unique(rows, axis=0, return_index=True)[1]
        return np.asfortranarray(rows[np.sort(first)])

    def distinct(self, rows: Rows, known: set[object], most: int) -> Rows:
        """The first `most` paths, each once, that are not among the `known` ones, to which they are added."""
        kept: list[int] = []
        for place, row in enumerate(rows):
            path = self._blocks.path(self._number, row)
            if path not in known and len(kept) < most:
                known.add(path)
                kept.append(place)
        return rows[kept]

    def legal(self, rows: Rows) -> Rows:
        """The paths that architectures run in this block, behind what was chosen; those that are not legal are left out."""
        if self._listed is None:
            return self._blocks.combined(self._number, self._row, rows[:, list(self._blocks.columns[self._number])])
        places = [self._places.get(self._blocks.path(self._number, row)) for row in rows]
        return self._listed[[place for place in places if place is not None]]

    @cached_property
    def _places(self) -> dict[object, int]:
        assert self._listed is not None
        return {self._blocks.path(self._number, row): place for place, row in enumerate(self._listed)}


def evolve(
    blocks: Blocks,
    candidates: Candidates,
    recipe: BlockwiseRecipe,
    rate: Callable[[Rows], np.ndarray],
    first: Rows,
    rng: np.random.Generator,
) -> tuple[Rows, np.ndarray]:
    """Every path that an evolution comes across, each rated once, and their losses.

    A generation descends from the best paths so far: one half by mutation, one half by uniform crossover; random paths take
    the places that are left. It ends early where no path is left.

    Args:
        rate: rows (P, D) -> losses (P,), lower is better.
        first: the first generation, distinct.
    """
    decisions = blocks.space.decisions
    known: set[object] = set()
    rows = candidates.distinct(first, known, len(first))
    losses = rate(rows)
    for _ in range(recipe.generations - 1):
        parents = rows[np.argsort(losses, kind="stable")[: recipe.parents]]
        half, found = recipe.population // 2, rows[:0]
        for _ in range(TRIES):
            mothers, fathers = parents[rng.integers(0, len(parents), (2, half))]
            mutants = decisions.mutate(np.asfortranarray(mothers), rng, recipe.mutation)
            crosses = decisions.crossover(np.asfortranarray(mothers), np.asfortranarray(fathers), rng)
            for bred, most in ((mutants, half), (crosses, recipe.population)):
                missing = min(most, recipe.population) - len(found)
                found = np.concatenate([found, candidates.distinct(candidates.legal(bred), known, max(missing, 0))])
            if len(found) == recipe.population:
                break
        for _ in range(TRIES):
            missing = recipe.population - len(found)
            if not missing:
                break
            found = np.concatenate([found, candidates.distinct(candidates.sample(missing, rng), known, missing)])
        if not len(found):
            break
        rows, losses = np.concatenate([rows, found]), np.concatenate([losses, rate(np.asfortranarray(found))])
    return np.asfortranarray(rows), losses
