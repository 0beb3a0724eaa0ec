"""The evolution of once-for-all (Cai et al., 2020) on integer rows, for predictors that score thousands at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.searching.problem import keys

ROUNDS = 20
"""How often children are bred for the places that illegal ones left empty."""


def evolve(
    decisions: Decisions,
    measure: Callable[[Rows], npt.NDArray[np.float64]],
    start: Rows,
    rng: np.random.Generator,
    generations: int = 500,
    parents: float = 0.25,
    mutants: float = 0.5,
    mutate: Callable[[Rows, np.random.Generator], Rows] | None = None,
    legal: Callable[[Rows], npt.NDArray[np.bool_]] | None = None,
) -> tuple[Rows, npt.NDArray[np.float64]]:
    """Everything that the evolution scored.

    The best quarter of a population lives on beside as many children as the population had at first: one half mutants of a
    random parent, one half uniform crosses of two. Illegal children are bred anew. Each architecture is scored once: an
    evolution that has converged breeds the same ones again and again.

    Args:
        measure: rows (N, D) -> (N,), larger is better.
        start: (P, D) the first population; its size is the population's.
        parents: share of the population that breeds and lives on.
        mutants: share of the children that are mutants.
        mutate: a mutant of each row; by default every decision is drawn anew with probability 0.1.
        legal: rows -> (N,) which may be scored; by default all.

    Returns:
        Distinct rows, the best first, and their scores.
    """
    size, breeding = len(start), max(1, round(parents * len(start)))
    mutated = round(mutants * size)

    def mutant(count: int) -> Rows:
        chosen = (rng.random(count) * len(rows)).astype(np.int64)
        return (mutate or decisions.mutate)(np.asfortranarray(rows.take(chosen, axis=0)), rng)

    def cross(count: int) -> Rows:
        first, second = (rng.random((2, count)) * len(rows)).astype(np.int64)
        return decisions.crossover(rows.take(first, axis=0), rows.take(second, axis=0), rng)

    scored = _Scored(measure)
    rows, values = start, scored(start)
    for _ in range(generations):
        order = np.argsort(-values, kind="stable")[:breeding]
        rows, values = rows.take(order, axis=0), values.take(order)
        children = np.concatenate([_kept(mutant, mutated, legal), _kept(cross, size - mutated, legal)])
        if not len(children):
            break
        rows, values = np.concatenate([rows, children]), np.concatenate([values, scored(children)])
    return scored.ranked()


class _Scored:
    """Scores rows, each once."""

    def __init__(self, measure: Callable[[Rows], npt.NDArray[np.float64]]) -> None:
        self.measure = measure
        self.known: dict[bytes, float] = {}
        self.parts: list[Rows] = []

    def __call__(self, rows: Rows) -> npt.NDArray[np.float64]:
        """(N,) scores of rows (N, D)."""
        names, known = keys(rows), self.known
        new = {name: place for place, name in enumerate(names) if name not in known}
        if new:
            fresh = np.asfortranarray(rows.take(list(new.values()), axis=0))
            known.update(zip(new, self.measure(fresh).tolist(), strict=True))
            self.parts.append(fresh)
        return np.array([known[name] for name in names])

    def ranked(self) -> tuple[Rows, npt.NDArray[np.float64]]:
        """All rows that were scored, the best first, the earlier ones among equals, and their scores."""
        values = np.array(list(self.known.values()))
        order = np.argsort(-values, kind="stable")
        return np.asfortranarray(np.concatenate(self.parts)[order]), values[order]


def _kept(breed: Callable[[int], Rows], wanted: int, legal: Callable[[Rows], npt.NDArray[np.bool_]] | None) -> Rows:
    """As many legal children as are wanted, if that many are found."""
    found = breed(wanted)
    if legal is None:
        return found
    parts = [found[legal(found)]]
    missing = wanted - len(parts[0])
    for _ in range(ROUNDS):
        if missing <= 0:
            break
        # In surplus: one large batch costs less than several small ones.
        more = breed(min(wanted, 2 * missing + 1))
        parts.append(more[legal(more)][:missing])
        missing -= len(parts[-1])
    return np.concatenate(parts)
