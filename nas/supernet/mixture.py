"""A choice of operators as the weighted sum of all of them (Liu et al., DARTS, 2019)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

import torch

from nas.elastic import SelectedSum, Switch

if TYPE_CHECKING:
    from nas.supernet.relaxation import Relaxation


class WeightedSum(AbstractContextManager[None]):
    """Inside, each place of an edge returns the sum of its operators' results, each times its weight.

    Sums add up all their states, and `RelaxedNorm`s are in force. It is what a faster way of the same must equal.

    Args:
        weights: (O,) for each edge.
    """

    def __init__(self, relaxation: Relaxation, weights: Sequence[torch.Tensor]) -> None:
        self.relaxation = relaxation
        self.weights = weights

    def __enter__(self) -> None:
        for edge, weight in zip(self.relaxation.edges, self.weights, strict=True):
            for place in edge.places:
                place.policy = partial(_weighted, weight)
        for total in self.relaxation.sums:
            total.policy = added
        for norm in self.relaxation.norms:
            norm.relaxed = True

    def __exit__(self, *_: object) -> None:
        self.relaxation.remove_policies()
        for norm in self.relaxation.norms:
            norm.relaxed = False


def weighted_sum(weight: torch.Tensor, candidates: Iterable[torch.nn.Module], x: torch.Tensor) -> torch.Tensor:
    """What all the candidates make of x, each times its entry of a weight (O,), added up."""
    total: torch.Tensor | None = None
    for factor, candidate in zip(weight.unbind(), candidates, strict=True):
        term = candidate(x) * factor
        total = term if total is None else total + term
    assert total is not None
    return total


def _weighted(weight: torch.Tensor, place: Switch, x: torch.Tensor) -> torch.Tensor:
    return weighted_sum(weight, place.candidates, x)


def added(total: SelectedSum, states: Sequence[torch.Tensor]) -> torch.Tensor:
    """A policy of sums: all the states, whatever the settings leave out."""
    first, *others = (branch(state) for branch, state in zip(total.branches, states, strict=True))
    for other in others:
        first = first + other
    return first  # type: ignore[no-any-return]
