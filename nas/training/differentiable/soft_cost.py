"""The cost of a relaxed network: operators' costs, each times the probability of the operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from nas.base.errors import NasError
from nas.costs import CompiledCost, expected, latency_terms, summed_terms
from nas.elastic import Walk, walk
from nas.supernet import Relaxation, Space, Task
from nas.supernet.places import shapes_of_places
from nas.training.differentiable.resource_loss import summed_cost


@dataclass(frozen=True)
class OperatorCosts:
    """What each operator of each edge costs in all its places, for architectures that are a choice of edges and operators.

    Attributes:
        fixed: what is in every architecture.
        operators: (O,) for each edge.
        shares: for each edge the chance that it is kept, where the edges of a node are drawn with equal chances.
        derivable: for each edge whether an operator can be derived at all, (O,).
    """

    fixed: float
    operators: list[np.ndarray]
    shares: list[float]
    derivable: list[np.ndarray]

    def __call__(self, probabilities: Sequence[torch.Tensor]) -> torch.Tensor:
        """Probabilities (O,) for each edge -> the mean cost. What is never derived is left out of an edge's probabilities."""
        total = probabilities[0].new_tensor(self.fixed)
        for costs, share, legal, given in zip(self.operators, self.shares, self.derivable, probabilities, strict=True):
            counted = given * torch.from_numpy(legal).to(given)
            total = total + share * (counted / counted.sum()) @ torch.from_numpy(costs).to(given)
        return total

    def range(self) -> tuple[float, float]:
        """The least and the greatest mean cost."""
        chosen = [
            (share * costs[legal].min(), share * costs[legal].max())
            for costs, share, legal in zip(self.operators, self.shares, self.derivable, strict=True)
        ]
        low, high = (float(sum(side)) for side in zip(*chosen, strict=True))
        return self.fixed + low, self.fixed + high


class SoftCost:
    """A resource as a differentiable function of the probabilities of the operators of each edge.

    Where edges are the space's decisions it is the exact expectation over architectures. Else it is the sum of the operators'
    costs by probability, with a node's edges drawn with equal chances. Counts are taken at the space's own resolution,
    latencies at the table's.

    Args:
        metric: macs, params, or DEVICE-latency.
        task: that of training; its channels and classes count.

    Raises:
        NasError: a metric that is unknown, is no sum, or whose table does not cover the space.
    """

    def __init__(self, space: Space, metric: str, task: Task) -> None:
        self._compiled = summed_cost(space, metric, task)
        self._operators = operator_costs(space, metric, task, self._compiled)

    def range(self) -> tuple[float, float]:
        """What the resource can be: the cheapest architecture, and no less than the dearest."""
        if self._operators is not None:
            return self._operators.range()
        tables = [values for _, values in self._compiled.tables]
        return self._compiled.minimum(), self._compiled.constant + sum(float(values.max()) for values in tables)

    def __call__(self, probabilities: Sequence[torch.Tensor]) -> torch.Tensor:
        """Probabilities (O,) for each edge -> scalar in the metric's unit."""
        return expected(self._compiled, probabilities) if self._operators is None else self._operators(probabilities)


def operator_costs(space: Space, metric: str, task: Task, whole: CompiledCost) -> OperatorCosts | None:
    """What each operator costs by itself, found by walking it with what arrives at its place.

    Args:
        whole: the cost of a whole network.

    Returns:
        None where edges are the space's decisions, so that the cost of a network says all.

    Raises:
        NasError: what arrives depends on the architecture.
    """
    table = space.device_of(metric)
    at = space.task_of(metric) if table is not None else replace(task, resolution=space.task.resolution)

    def cost_of(found: Walk) -> float:
        terms = latency_terms(found, table, space.estimator(table)) if table is not None else summed_terms(found, metric)
        return sum(float(np.asarray(term.evaluate({})).item()) for term in terms)

    network = space.without_memory(at)
    relaxation = space.relax(network)
    if relaxation.decided:
        return None
    shapes = shapes_of_places(network, at.input_shape)
    operators = []
    for edge in relaxation.edges:
        costs = np.zeros(len(edge.operators))
        for place in edge.places:
            if place not in shapes:
                raise NasError(
                    f"what arrives at '{edge.name}' depends on the architecture, so its operators have no cost of their own"
                )
            costs += [cost_of(walk(candidate, shapes[place][0])) for candidate in place.candidates]
        operators.append(costs)
    equal = [np.ones(len(edge.operators)) for edge in relaxation.edges]
    kept = relaxation.kept(equal)
    row = relaxation.derive(equal)[None]
    fixed = float(whole(row)[0]) - sum(float(operators[edge][number]) for edge, number in kept)
    shares = [0.0] * len(relaxation.edges)
    for node in relaxation.nodes:
        for number in node:
            shares[number] = sum(other in node for other, _ in kept) / len(node)
    return OperatorCosts(fixed, operators, shares, _derivable(relaxation))


def _derivable(relaxation: Relaxation) -> list[np.ndarray]:
    """For each edge whether an operator can be derived, (O,): all but a `none` that never is, however well it scores."""
    found = []
    for number, edge in enumerate(relaxation.edges):
        legal = np.ones(len(edge.operators), dtype=bool)
        if edge.none is not None:
            scores = [np.zeros(len(other.operators)) for other in relaxation.edges]
            scores[number] += 1.0
            scores[number][edge.none] = 2.0
            legal[edge.none] = (number, edge.none) in relaxation.kept(scores)
        found.append(legal)
    return found
