"""Shapes along a tree: what arrives at each node, and which alternatives fit there.

Several tasks can be in force at once (the images trained on and those deployed at may differ in size): an alternative fits
where it fits for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nas.base.errors import NasError
from search_spaces.einspace.grammar import ALTERNATIVES, BRANCHES, COMPUTATION, Symbol, least_nodes
from search_spaces.einspace.shapes import State, branch, compute, join, route
from search_spaces.einspace.tree import Node, decision_name

States = tuple[State, ...]
"""A tensor under each of the tasks in force."""


@dataclass(frozen=True)
class Guards:
    """Limits that keep networks buildable; sizes are of one image.

    Attributes:
        nodes: of a tree, which is also the length of an integer row.
        depth: modules inside one another; the innermost only compute.
        tensor: numbers in the largest tensor.
        activations: numbers in all tensors that training keeps.
        parameters: weights of the network.
        operators: steps of the network, every branch counted.
    """

    nodes: int = 320
    depth: int = 100
    tensor: int = 2**20
    activations: int = 2**23
    parameters: int = 2**26
    operators: int = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """A node's surroundings: the tensors that arrive (one; for A one from each branch) and how deep it is."""

    symbol: Symbol
    arriving: tuple[States, ...]
    depth: int


_RULES: dict[str, Callable[[str, State], State | None]] = {"B": branch, "Pre": route, "Post": route, "C": compute}


def outcome(option: str, place: Place, guards: Guards) -> States | None:
    """What leaves a terminal (for B: what each branch gets), or None where it does not fit."""
    results = []
    for task in range(len(place.arriving[0])):
        if place.symbol == "A":
            state = join(option, [states[task] for states in place.arriving])
        else:
            state = _RULES[place.symbol](option, place.arriving[0][task])
        if state is None or math.prod(state.shape) > guards.tensor:
            return None
        results.append(state)
    return tuple(results)


def modules(place: Place, guards: Guards, budget: int) -> list[str]:
    """The alternatives of S or M at a place, by its depth and the nodes that are left."""
    if place.depth >= guards.depth:
        return [COMPUTATION]
    return [option for option in ALTERNATIVES[place.symbol] if least_nodes(option) <= budget]


def terminals(place: Place, guards: Guards) -> list[str]:
    """The alternatives of any other symbol whose shapes fit at a place."""
    return [option for option in ALTERNATIVES[place.symbol] if outcome(option, place, guards) is not None]


def settle(tree: Node, inputs: States, guards: Guards) -> list[Place]:
    """What arrives at each node of a tree, in depth-first order.

    Raises:
        NasError: names the first node that does not fit, and what would fit there.
    """
    places: list[Place] = []
    _settle(tree, inputs, guards, places)
    return places


def _settle(node: Node, states: States, guards: Guards, places: list[Place]) -> States:
    places.append(Place(node.symbol, (states,), node.depth))
    if node.depth >= guards.depth and node.symbol == "M" and node.option != COMPUTATION:
        raise NasError(
            f"decision '{decision_name(node.start)}' cannot be '{node.option}': it is inside {node.depth} modules, and only "
            f"'{COMPUTATION}' is legal there"
        )
    if node.option != "branching":
        for child in node.children:
            states = _settle(child, states, guards, places)
        return states if node.children else _terminal(node, places[-1], guards)
    split, *modules, end = node.children
    part = _settle(split, states, guards, places)
    leaving = [_settle(module, part, guards, places) for module in modules]
    arriving = tuple(leaving) if len(leaving) == 2 else tuple(leaving * BRANCHES[split.option].factor)
    places.append(Place("A", arriving, node.depth))
    return _terminal(end, places[-1], guards)


def _terminal(node: Node, place: Place, guards: Guards) -> States:
    leaving = outcome(node.option, place, guards)
    if leaving is None:
        legal = ", ".join(terminals(place, guards)) or "nothing"
        shapes = " and ".join(_shown(state.shape) for state in dict.fromkeys(states[0] for states in place.arriving))
        raise NasError(
            f"decision '{decision_name(node.start)}' cannot be '{node.option}', where {shapes} arrives; legal here: {legal}"
        )
    return leaving


def _shown(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
