"""A space the obvious way: a dictionary for each architecture, a look-up for each of its layers. Studies compare with it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from nas.choices import Choice, Option
from nas.supernet import Space

Candidate: TypeAlias = dict[str, Option]

MUTATION = 0.1
"""Probability with which a decision of a mutant is drawn anew."""


class ObjectSpace:
    """Draws, changes and bounds candidates.

    Args:
        space: its latency has to be a sum over decisions.
        limit: largest latency by the Pixel 1 table, in milliseconds.
    """

    def __init__(self, space: Space, limit: float, seed: int) -> None:
        self.choices: Sequence[Choice] = space.decisions.choices
        self.limit = limit
        self.draw = random.Random(seed)
        single = np.zeros((1, len(self.choices)), dtype=np.uint8, order="F")
        latency = space.compiled("pixel1-latency")
        self.base = latency(single)[0]
        self.table: list[dict[Option, float]] = []
        for column, choice in enumerate(self.choices):
            entries = {}
            for code, option in enumerate(choice.options):
                row = single.copy()
                row[0, column] = code
                entries[option] = latency(row)[0] - self.base
            self.table.append(entries)

    def sample(self) -> Candidate:
        """Every decision drawn uniformly."""
        return {choice.name: self.draw.choice(choice.options) for choice in self.choices}

    def mutant(self, parents: Sequence[Candidate]) -> Candidate:
        """A changed copy of a random parent."""
        child = dict(self.draw.choice(parents))
        for choice in self.choices:
            if self.draw.random() < MUTATION:
                child[choice.name] = self.draw.choice(choice.options)
        return child

    def cross(self, parents: Sequence[Candidate]) -> Candidate:
        """Each decision from either of two random parents."""
        first, second = self.draw.choice(parents), self.draw.choice(parents)
        return {name: self.draw.choice((first[name], second[name])) for name in first}

    def legal(self, candidate: Candidate) -> bool:
        """Whether it keeps the limit."""
        latencies = (entries[candidate[choice.name]] for entries, choice in zip(self.table, self.choices, strict=True))
        return bool(self.base + sum(latencies) <= self.limit)
