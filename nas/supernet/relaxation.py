"""Spaces whose decisions are choices between operators: what trainers with architecture parameters need to know of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from nas.base.errors import NasError
from nas.choices import free_choices
from nas.elastic import Configurable, OperatorChoice, SelectedSum, Switch

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


@dataclass(frozen=True)
class Relaxation:
    """The choices of a network, seen as edges that architecture parameters weigh.

    Attributes:
        edges: in a fixed order.
        sums: the modules that add edges up; relaxed, all their states take part.
        nodes: numbers of the edges that meet in a node, for trainers that weigh those against each other; an edge on its own
            is a node of one.
        derive: scores of the operators, (O,) for each edge, larger is better -> the architecture (D,) that they stand for.
    """

    edges: tuple[Edge, ...]
    sums: tuple[SelectedSum, ...]
    nodes: tuple[tuple[int, ...], ...]
    derive: Callable[[Sequence[np.ndarray]], np.ndarray]


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

    return Relaxation(edges, tuple(sums), tuple((index,) for index in range(len(edges))), derive)
