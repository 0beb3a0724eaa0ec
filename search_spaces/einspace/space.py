"""einspace: networks derived from a grammar of operators (Ericsson et al., 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from torch import fx

from nas.architectures import Architecture
from nas.base.errors import NasError, unknown
from nas.supernet import SeparateSpace, Task
from search_spaces.einspace.costs import METRICS, TreeCost, least_cost
from search_spaces.einspace.decisions import TreeDecisions
from search_spaces.einspace.grammar import OPTIONS
from search_spaces.einspace.known import KNOWN
from search_spaces.einspace.network import build_network
from search_spaces.einspace.places import Guards
from search_spaces.einspace.program import Program
from search_spaces.einspace.tree import decision_name, from_text, to_text

PROBABILITY = 0.32
"""Of computation; a little above the value below which the expected size of a tree is infinite."""

RECIPE = {
    "optimiser": "sgd",
    "learning_rate": 0.04,
    "reference_batch": 256,
    "momentum": 0.9,
    "weight_decay": 3e-4,
    "schedule": "cosine",
    "label_smoothing": 0.0,
    "epochs": 8.0,
}
"""How the paper trains a candidate. Its batch is 256; the rate is scaled to the batch in use."""

CACHED = 100_000
"""Trees whose costs are remembered."""


class EinSpace(SeparateSpace):
    """The grammar's networks for one or several tasks.

    What fits depends on the size of the images, so that a tree that is legal for one task may not be for another:
    `at` gives the space of the trees that are legal for all the tasks of a run.

    Args:
        tasks: the first is the default for costs.
        guards: limits on the size of trees and networks.
        probability: with which a module is drawn as computation.
    """

    decisions: TreeDecisions

    def __init__(
        self,
        tasks: Sequence[Task] = (Task(channels=3, resolution=32, classes=10),),
        guards: Guards | None = None,
        probability: float = PROBABILITY,
    ) -> None:
        if not 0.0 < probability < 1.0:
            raise NasError(f"the probability of computation is between 0 and 1; given {probability}")
        self.tasks, self.guards, self.probability = tuple(tasks), guards or Guards(), probability
        decisions = TreeDecisions(self.tasks, self.guards, probability)
        trees = {name: from_text(text) for name, text in KNOWN.items()}
        super().__init__(
            "einspace",
            decisions,
            known={
                name: {decision_name(place): OPTIONS[code] for place, code in enumerate(codes)}
                for name, codes in trees.items()
                if len(codes) <= len(decisions) and decisions.legal(decisions.row(codes))
            },
            task=self.tasks[0],
            summary="trees of a grammar of operators; every candidate is trained by itself",
            source="Ericsson et al., einspace: Searching for Neural Architectures from Fundamental Operations, 2024",
            recipe=RECIPE,
        )
        self._costs_by_task: dict[tuple[str, Task], TreeCost] = {}

    def at(self, *tasks: Task) -> EinSpace:
        """The trees that are legal for all of these tasks; known networks that are not are left out."""
        distinct = tuple(dict.fromkeys(tasks))
        return self if distinct == self.tasks else EinSpace(distinct, self.guards, self.probability)

    def program(self, row: np.ndarray, task: Task | None = None) -> Program:
        """The operators of a row (D,). Raises NasError where its shapes do not fit the task."""
        return Program(self.decisions.tree(row), task or self.task, self.guards.operators)

    def build_row(self, row: np.ndarray, task: Task) -> fx.GraphModule:
        """The network of a row in plain torch, with fresh weights."""
        return build_network(self.program(row, task))

    def compiled(self, metric: str, task: Task | None = None) -> TreeCost:
        """'macs' (linear layers and matrix products), 'params' or 'memory' as a function of rows (N, D)."""
        if metric not in METRICS:
            raise unknown("metric", metric, METRICS)
        key = metric, task or self.task
        if key not in self._costs_by_task:
            measure, at = METRICS[metric], key[1]

            @lru_cache(CACHED)
            def figure(content: bytes) -> float:
                return float(measure(self.program(np.frombuffer(content, dtype=np.uint8), at)))

            self._costs_by_task[key] = TreeCost(figure, least_cost(metric, at))
        return self._costs_by_task[key]

    def text(self, architecture: Architecture) -> str:
        """An architecture as nested text, which `parse` reads."""
        return to_text(self.decisions.tree(self.encode([architecture])[0]))

    def parse(self, text: str) -> Architecture:
        """The architecture written as nested text, or as JSON. Raises NasError for a text that is no legal tree."""
        if text.strip().startswith("{"):
            return self.validate(text)
        return self.decode(self.decisions.row(from_text(text))[None])[0]


def einspace() -> EinSpace:
    """The space for CIFAR-10, on which the paper designed it."""
    return EinSpace()
