"""Random trees from the grammar, and random sub-trees for mutation.

Sampling as in Ericsson et al., einspace, 2024: alternatives that do not fit are left out, a choice that leads nowhere is
taken back, and the size is guarded. Their clock is replaced by a limit on the number of modules tried, so that the same
generator always gives the same tree.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from search_spaces.einspace.grammar import ALTERNATIVES, BRANCHES, CODE, COMPUTATION, LEAST, OPTIONS, children_of, modules_of
from search_spaces.einspace.places import Guards, Place, States, modules, outcome

TRIES = 3
"""How often the last module of a branching is drawn anew, when nothing joins what leaves the branches."""

WORK = 250
"""Modules that may be tried for one tree; from then on only computation is drawn."""

Grown = tuple[list[int], States]
"""Codes of a sub-tree, and what leaves it."""


class Growth:
    """One tree being drawn.

    Args:
        probability: of computation where a module may be anything; the other alternatives share the rest equally.
    """

    def __init__(self, rng: np.random.Generator, guards: Guards, probability: float) -> None:
        self.rng, self.guards, self.probability = rng, guards, probability
        self.work = WORK

    def grow(self, place: Place, budget: int, exclude: str | None = None) -> Grown | None:
        """A random sub-tree at a place, of at most `budget` nodes; None where nothing but the excluded option fits."""
        if place.symbol in ("S", "M"):
            return self._module(place, budget, exclude)
        return self._terminal(place, [option for option in ALTERNATIVES[place.symbol] if option != exclude])

    def _terminal(self, place: Place, options: list[str]) -> Grown | None:
        """One of the options that fit, drawn uniformly: drawn anew from the rest while it does not."""
        while options:
            option = options.pop(self._index(len(options)))
            leaving = outcome(option, place, self.guards)
            if leaving is not None:
                return [CODE[option]], leaving
        return None

    def _index(self, count: int) -> int:
        return int(self.rng.random() * count)

    def _module(self, place: Place, budget: int, exclude: str | None = None) -> Grown | None:
        self.work -= 1
        options = [option for option in modules(place, self.guards, budget) if option != exclude]
        if self.work < 0 and COMPUTATION in options:
            options = [COMPUTATION]
        while options:
            option = self.drawn(options)
            grown = self._branching(place, budget) if option == "branching" else self._chain(option, place, budget)
            if grown is not None:
                return grown
            options.remove(option)
        return None

    def drawn(self, options: Sequence[str]) -> str:
        """Computation with its probability, where it is among the options; the others share the rest equally."""
        others = [option for option in options if option != COMPUTATION]
        share = self.probability if len(others) < len(options) else 0.0
        if not others or self.rng.random() < share:
            return COMPUTATION
        return others[self._index(len(others))]

    def _chain(self, option: str, place: Place, budget: int) -> Grown | None:
        """Everything but a branching: each child gets what leaves the one before."""
        states = place.arriving[0]
        codes = [CODE[option]]
        symbols = children_of(option)
        later = sum(LEAST[symbol] for symbol in symbols)
        for symbol in symbols:
            later -= LEAST[symbol]
            below = Place(symbol, (states,), place.depth + (symbol == "M"))
            grown = self.grow(below, budget - len(codes) - later)
            if grown is None:
                return None
            codes += grown[0]
            states = grown[1]
        return codes, states

    def _branching(self, place: Place, budget: int) -> Grown | None:
        """A split that fits, its modules, and a join for what leaves them; None where no join was found."""
        room = budget - 1 - LEAST["B"] - LEAST["A"]
        start = Place("B", place.arriving, place.depth)
        splits = [split for split in BRANCHES if modules_of(split) * LEAST["M"] <= room]
        drawn = self._terminal(start, splits)
        if drawn is None:
            return None
        split = OPTIONS[drawn[0][0]]
        inside = Place("M", (drawn[1],), place.depth + 1)
        first = None if modules_of(split) == 1 else self._module(inside, room - LEAST["M"])
        used = 0 if first is None else len(first[0])
        for _ in range(TRIES):
            second = self._module(inside, room - used)
            if second is None:
                return None
            leaving = (second[1],) * BRANCHES[split].factor if first is None else (first[1], second[1])
            joined = self.grow(Place("A", leaving, place.depth), 1)
            if joined is not None:
                codes = [CODE["branching"], CODE[split], *([] if first is None else first[0]), *second[0], *joined[0]]
                return codes, joined[1]
        return None
