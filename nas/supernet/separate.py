"""Spaces without a supernet: every network is built, and trained, by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import fx

from nas.architectures import Architecture, Decisions, SearchSpace
from nas.base.errors import NasError
from nas.base.seeds import integer_seed
from nas.base.units import Quantity
from nas.choices import Option
from nas.costs import RowCost
from nas.elastic import Walk, walk
from nas.supernet.space import COUNTED, Space
from nas.supernet.supernet import Supernet
from nas.supernet.task import Task


class SeparateSpace(Space):
    """A space whose networks share no weights, so that a search trains every candidate from scratch.

    A family derives from it and gives `build_row` and `compiled`; where an architecture may be legal for one size of
    images and not for another, also `at`. The decisions may be a subclass of `nas.architectures.Decisions` that says itself
    what a sample, a mutation and a neighbour are.

    Args:
        decisions: what strategies work on.
        recipe: the figures with which the space's paper trains one candidate, by the names of `nas.training.Recipe`.
    """

    separate = True

    def __init__(
        self,
        name: str,
        decisions: Decisions,
        known: Mapping[str, Mapping[str, Option]] | None = None,
        task: Task | None = None,
        summary: str = "",
        source: str = "",
        recipe: Mapping[str, Any] | None = None,
    ) -> None:
        SearchSpace.__init__(self, name, decisions, known)
        self.task = task or Task()
        self.summary = summary
        self.source = source
        self.graphs = None
        self.recipe = dict(recipe or {})

    def build_row(self, row: np.ndarray, task: Task) -> fx.GraphModule:
        """The network of one canonical row (D,) in plain torch, with weights from torch's own generator.

        It takes images of any batch size and returns scores (N, classes).
        """
        raise TypeError(f"{type(self).__name__} does not say how the network of a row is built")

    def compiled(self, metric: str, task: Task | None = None) -> RowCost:
        """'macs', 'params' or 'memory' as a function of rows; see `nas.Space.compiled`."""
        raise TypeError(f"{type(self).__name__} does not say what its rows cost")

    def metrics(self) -> dict[str, Quantity]:
        """The counted costs: latency tables list the layers of supernets."""
        return dict(COUNTED)

    def network(self, architecture: Architecture, task: Task, seed: int = 0) -> fx.GraphModule:
        """One architecture as a plain torch module with fresh weights."""
        return self.network_of(self.encode([architecture])[0], task, integer_seed(seed, "weights"))

    def network_of(self, row: np.ndarray, task: Task, drawn: int) -> fx.GraphModule:
        """The network of a canonical row with fresh weights from a seed."""
        with torch.random.fork_rng():
            torch.default_generator.manual_seed(drawn)
            return self.build_row(row, task)

    def walk_of(self, row: np.ndarray, task: Task | None = None) -> Walk:
        """The operators of one network."""
        task = task or self.task
        with torch.device("meta"):
            network = self.build_row(row, task)
        return walk(network, task.input_shape)

    def input_shape(self, architecture: Architecture, task: Task | None = None) -> tuple[int, int, int]:
        """(C, H, W) of the images that an architecture works on: the task's."""
        return (task or self.task).input_shape

    def walk(self, task: Task | None = None) -> Walk:
        """Raises NasError: no one definition holds all the networks."""
        raise NasError(f"space '{self.name}' builds each network by itself, and has no definition that holds them all")

    def supernet(self, channels: int = 3, resolution: int | None = None, classes: int = 1000, seed: int = 0) -> Supernet:
        """Raises NasError: there is none."""
        raise no_supernet(self)


def no_supernet(space: Space) -> NasError:
    """What is said to whoever asks for the supernet of a space that has none."""
    return NasError(
        f"space '{space.name}' has no supernet to train or to use: its networks share no weights; 'nas search --space "
        f"{space.name}', without --supernet, trains every candidate from scratch"
    )
