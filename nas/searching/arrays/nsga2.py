"""NSGA-II (Deb et al., 2002) on integer rows, for predictors that score thousands of architectures at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.searching.arrays.sorting import Values, best
from nas.searching.problem import keys

ROUNDS = 5
"""How often children are bred for the places that repetitions and illegal ones left empty."""

SURPLUS = 2.0
"""Children bred for each that is wanted, since some will be repetitions: one large batch costs less than two small ones."""


def nsga2(
    decisions: Decisions,
    measure: Callable[[Rows], Values],
    start: Rows,
    rng: np.random.Generator,
    generations: int,
    legal: Callable[[Rows], np.ndarray] | None = None,
    crossover: float = 0.9,
    mutation: float | None = None,
) -> tuple[Rows, Values]:
    """A population after so many generations, the best first.

    Parents are drawn by binary tournaments on front and crowding; children come from uniform crossover and from decisions that
    are drawn anew; parents and children together are sorted, and the better half survives.

    Args:
        measure: rows (N, D) -> (N, M), larger is better.
        start: (P, D) the first population; its size is the population's.
        legal: rows -> (N,) which may be scored; by default all.
        crossover: probability with which two parents are crossed, rather than one copied.
        mutation: probability with which a decision is drawn anew; by default one decision in each child.

    Returns:
        The rows and their values.
    """
    size = len(start)
    probability = 1.0 / len(decisions) if mutation is None else mutation
    rows, values = np.asfortranarray(start), measure(start)
    order = best(values, size)
    rows, values = np.asfortranarray(rows[order]), values[order]
    for _ in range(generations):
        children = _children(decisions, rows, rng, legal, crossover, probability)
        if not len(children):
            continue
        rows = np.concatenate([rows, children])
        values = np.concatenate([values, measure(children)])
        order = best(values, size)
        rows, values = np.asfortranarray(rows.take(order, axis=0)), values.take(order, axis=0)
    return rows, values


def _children(
    decisions: Decisions,
    parents: Rows,
    rng: np.random.Generator,
    legal: Callable[[Rows], np.ndarray] | None,
    crossover: float,
    mutation: float,
) -> Rows:
    """As many new rows as there are parents, if that many are found; parents stand in order, the best first."""
    wanted = len(parents)
    taken = set(keys(parents))
    found: list[Rows] = []
    for _ in range(ROUNDS):
        count = int(SURPLUS * wanted) + 1
        # Of two parents drawn at random, the one further ahead in the order wins.
        first, second = (rng.random((2, 2, count)) * len(parents)).astype(np.int64).min(axis=0)
        mothers, fathers = parents.take(first, axis=0), parents.take(second, axis=0)
        crossed = decisions.crossover(mothers, fathers, rng)
        children = np.where((rng.random(count) < crossover)[:, None], crossed, mothers)
        children = decisions.mutate(np.asfortranarray(children), rng, mutation)
        if legal is not None:
            children = children[legal(children)]
        fresh = []
        for index, key in enumerate(keys(children)):
            if key not in taken:
                taken.add(key)
                fresh.append(index)
                if len(fresh) == wanted:
                    break
        found.append(children.take(fresh, axis=0))
        wanted -= len(fresh)
        if not wanted:
            break
    return np.asfortranarray(np.concatenate(found))
