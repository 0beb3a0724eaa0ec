"""Edges that mix operators on a part of their channels (Xu et al., PC-DARTS: Partial channel connections, 2020)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from nas.elastic import Switch
from nas.elastic.narrowing import narrowable, narrowed
from nas.supernet import Relaxation, Task
from nas.supernet.mixture import WeightedSum, weighted_sum
from nas.supernet.places import shapes_of_places


class PartialChannels(AbstractContextManager[None]):
    """Inside, the operators of an edge see the first 1/k of its channels, and the others pass them by.

    Where a place cannot be divided, all its channels are mixed.

    Args:
        weights: of the operators, (O,) for each edge.
        scales: of the edges, a scalar each.
        parts: k.
        divided: the places that can.
    """

    def __init__(
        self,
        relaxation: Relaxation,
        weights: Sequence[torch.Tensor],
        scales: Sequence[torch.Tensor],
        parts: int,
        divided: Collection[Switch],
    ) -> None:
        self.relaxation, self.weights, self.scales = relaxation, weights, scales
        self.parts, self.divided = parts, divided
        self._stack = ExitStack()

    def __enter__(self) -> None:
        scaled = [weight * scale for weight, scale in zip(self.weights, self.scales, strict=True)]
        self._stack.enter_context(WeightedSum(self.relaxation, scaled))
        self._stack.enter_context(narrowed(self.divided, self.parts))
        for edge, weight, scale in zip(self.relaxation.edges, self.weights, self.scales, strict=True):
            for place in edge.places:
                if place in self.divided:
                    place.policy = partial(self._mix, weight, scale)

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _mix(self, weight: torch.Tensor, scale: torch.Tensor, place: Switch, x: torch.Tensor) -> torch.Tensor:
        return partly_mixed(weight, place.candidates, x, self.parts) * scale


def partly_mixed(weight: torch.Tensor, candidates: nn.ModuleList, x: torch.Tensor, parts: int) -> torch.Tensor:
    """The operators' weighted sum over the first of k parts of the channels, the others beside it, then a channel shuffle.

    What passes by goes through a maximum over 2 x 2 where the operators halve the map.

    Args:
        weight: (O,).
        candidates: each takes and returns one part of the channels.
        x: (N, C, H, W).
    """
    mixed = weighted_sum(weight, candidates, x[:, : x.shape[1] // parts])
    passing = x[:, x.shape[1] // parts :]
    if mixed.shape[2] < passing.shape[2]:
        passing = F.max_pool2d(passing, 2, 2, ceil_mode=bool(passing.shape[2] % 2))
    return shuffled(torch.cat([mixed, passing], 1), parts)


def shuffled(x: torch.Tensor, groups: int) -> torch.Tensor:
    """Channels of equal groups taken in turn (Zhang et al., ShuffleNet, 2018)."""
    images, channels, height, width = x.shape
    return x.reshape(images, groups, channels // groups, height, width).transpose(1, 2).reshape(x.shape)


def divisible_places(network: nn.Module, relaxation: Relaxation, task: Task, parts: int) -> set[Switch]:
    """The places whose operators keep the number of channels and can be run on a part of them."""
    shapes = shapes_of_places(network, task.input_shape)
    places = [place for edge in relaxation.edges for place in edge.places if place in shapes]
    return {
        place
        for place in places
        if shapes[place][0][0] == shapes[place][1][0]
        and shapes[place][0][0] % parts == 0
        and all(narrowable(candidate, parts) for candidate in place.candidates)
    }
