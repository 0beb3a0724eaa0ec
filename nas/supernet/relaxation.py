"""Spaces whose decisions are choices between operators: what trainers with architecture parameters need to know of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from nas.base.errors import NasError
from nas.choices import free_choices
from nas.elastic import Configurable, OperatorChoice, RelaxedNorm, SelectedSum, Switch
from nas.supernet.mixture import WeightedSum

if TYPE_CHECKING:
    from nas.architectures import Decisions


@dataclass(frozen=True)
class Edge:
    """Operators of which one is chosen.

    Attributes:
        name: for the user.
        operators: names of the candidates, in the order of each place's `candidates`.
        places: the modules that share this choice, each with weights of its own.
    """

    name: str
    operators: tuple[str, ...]
    places: tuple[Switch, ...]

    @property
    def none(self) -> int | None:
        """Number of the operator that gives zeros, which the field calls 'none'; None where there is none such."""
        return self.operators.index("none") if "none" in self.operators else None

    @property
    def skip(self) -> int | None:
        """Number of the operator that is the identity in all places; None where there is none such."""
        numbers = range(len(self.operators))
        same = (all(isinstance(place.candidates[number], nn.Identity) for place in self.places) for number in numbers)
        return next((number for number, identity in zip(numbers, same, strict=True) if identity), None)


@dataclass(frozen=True)
class Relaxation:
    """The choices of a network, seen as edges that architecture parameters weigh.

    Attributes:
        edges: in a fixed order.
        sums: the modules that add edges up; relaxed, all their states take part.
        nodes: numbers of the edges that meet in a node, for trainers that weigh those against each other; an edge on its own
            is a node of one.
        derive: scores of the operators, (O,) for each edge, larger is better -> the architecture (D,) that they stand for.
        keep: the same scores -> the (edge, operator) numbers that this architecture consists of; by default the best operator
            of each edge.
        mixture: weights of the operators, (O,) for each edge -> a context in which the network computes what `WeightedSum`
            does, for networks that know a faster way.
        watched: numbers of the edges among which skip connections are counted as a sign of collapse; by default all that
            have one.
        decided: whether edges and operators are the space's decisions and their options, in order.
    """

    edges: tuple[Edge, ...]
    sums: tuple[SelectedSum, ...]
    nodes: tuple[tuple[int, ...], ...]
    derive: Callable[[Sequence[np.ndarray]], np.ndarray]
    keep: Callable[[Sequence[np.ndarray]], list[tuple[int, int]]] | None = None
    mixture: Callable[[Sequence[torch.Tensor]], AbstractContextManager[None]] | None = None
    watched: tuple[int, ...] | None = None
    decided: bool = False

    @cached_property
    def norms(self) -> tuple[RelaxedNorm, ...]:
        """The norms that are in force while operators are weighed."""
        places = [place for edge in self.edges for place in edge.places]
        return tuple(module for place in places for module in place.modules() if isinstance(module, RelaxedNorm))

    def remove_policies(self) -> None:
        """Let the settings decide again what edges and sums do."""
        for edge in self.edges:
            for place in edge.places:
                place.policy = None
        for total in self.sums:
            total.policy = None

    def kept(self, scores: Sequence[np.ndarray]) -> list[tuple[int, int]]:
        """The (edge, operator) numbers of which the derived architecture consists."""
        if self.keep is not None:
            return self.keep(scores)
        return [(number, int(np.argmax(score))) for number, score in enumerate(scores)]

    def weighed(self, weights: Sequence[torch.Tensor]) -> AbstractContextManager[None]:
        """Inside, each edge is the sum of its operators' results, each times its weight.

        Args:
            weights: (O,) for each edge; gradients reach them.
        """
        return WeightedSum(self, weights) if self.mixture is None else self.mixture(weights)


class NotRelaxable(NasError):
    """A space has decisions that are no choice between operators; the text says which."""


def operator_relaxation(decisions: Decisions, network: nn.Module) -> Relaxation:
    """The relaxation of a network in which every decision is the choice of an `OperatorChoice`: the best operator is derived.

    Raises:
        NotRelaxable: some decision is read by something else.
    """
    places: dict[str, list[OperatorChoice]] = {name: [] for name in decisions.names}
    sums = []
    for name, module in network.named_modules():
        if isinstance(module, OperatorChoice) and module.choice.name in places:
            places[module.choice.name].append(module)
        elif isinstance(module, SelectedSum):
            sums.append(module)
        elif isinstance(module, Configurable) and (read := free_choices(*module.settings.values())):
            raise NotRelaxable(
                f"decision '{read[0].name}' is read by {name} ({type(module).__name__}): it is no choice of operators"
            )
    for name, found in places.items():
        if not found:
            raise NotRelaxable(f"decision '{name}' is no choice of operators")
    edges = tuple(
        Edge(name, tuple(str(option) for option in found[0].choice.options), tuple(found)) for name, found in places.items()
    )

    def derive(scores: Sequence[np.ndarray]) -> np.ndarray:
        row = np.array([[int(np.argmax(score)) for score in scores]], dtype=np.uint8, order="F")
        return np.asarray(decisions.canonical(row)[0])

    nodes = tuple((index,) for index in range(len(edges)))
    return Relaxation(edges, tuple(sums), nodes, derive, decided=True)
