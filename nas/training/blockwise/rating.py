"""How good the paths of a block are: how near their predictions come to the centre of the population."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nas.elastic import ElasticBatchNorm2d
from nas.supernet import Supernet
from nas.supernet.modes import mode
from nas.supernet.statistics import estimate, lent

Pair = tuple[torch.Tensor, torch.Tensor]
"""The two views of the same images, or what a network made of them."""


def distance(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Minus twice the cosine between (N, F) and (N, F), averaged over N: -2 at best, 2 at worst."""
    return -2 * F.cosine_similarity(predicted.float(), target.float(), dim=1).mean()


@dataclass(frozen=True)
class Side:
    """One of the two networks, the student or the teacher.

    Attributes:
        blocks: its blocks in order.
        heads: for each block what makes a projection of its map; the student's predict the teacher's projection.
    """

    supernet: Supernet
    blocks: tuple[nn.Module, ...]
    heads: Sequence[nn.Module]

    def before(self, number: int) -> nn.Module:
        """The blocks before one of them; share the weights, and run what is activated."""
        return nn.Sequential(*self.blocks[:number])

    def behind(self, number: int) -> nn.Module:
        """One block with its head."""
        return nn.Sequential(self.blocks[number], self.heads[number])


class Rating:
    """Rates the paths of a block on fixed images, all of them with the same images and the same centre.

    The statistics of every batch norm are estimated for each path on one training batch in both its views. What the frozen
    blocks make of the images is computed once.

    Args:
        row: (D,), whose paths in the earlier blocks are frozen.
        calibration: the views of the training batch.
        held: batches of views of held images.
        autocast: makes the context in which networks run.
    """

    def __init__(
        self,
        student: Side,
        teacher: Side,
        number: int,
        row: np.ndarray,
        calibration: Pair,
        held: Sequence[Pair],
        autocast: Callable[[], contextlib.AbstractContextManager[Any]],
    ) -> None:
        self._number, self._autocast = number, autocast
        self._sides = {"student": student, "teacher": teacher}
        self._features = {name: self._arriving(side, row, calibration, held) for name, side in self._sides.items()}
        self._sizes = [len(first) for first, _ in held]

    @torch.no_grad()
    def centre(self, rows: np.ndarray) -> list[Pair]:
        """The mean of the teacher's projections over the paths of rows (P, D), for each batch of held images."""
        sums: list[Pair] | None = None
        for row in rows:
            made = self._outputs("teacher", row)
            sums = made if sums is None else [(a + c, b + d) for (a, b), (c, d) in zip(sums, made, strict=True)]
        assert sums is not None
        return [(first / len(rows), second / len(rows)) for first, second in sums]

    @torch.no_grad()
    def losses(self, rows: np.ndarray, centre: Sequence[Pair]) -> np.ndarray:
        """(P,) float64: the distance of each path's predictions of one view to the centre of the other, both ways, -4 to 4."""
        found = np.zeros(len(rows))
        for place, row in enumerate(rows):
            for (first, second), (one, two), size in zip(self._outputs("student", row), centre, self._sizes, strict=True):
                found[place] += float(distance(first, two) + distance(second, one)) * size
        return found / sum(self._sizes)

    def _outputs(self, name: str, row: np.ndarray) -> list[Pair]:
        side = self._sides[name]
        calibration, held = self._features[name]
        side.supernet.activate(row)
        network = side.behind(self._number)
        with self._autocast(), mode(network, False), lent(network, estimate(network, calibration)):
            return [(network(first).float(), network(second).float()) for first, second in held]

    @torch.no_grad()
    def _arriving(self, side: Side, row: np.ndarray, calibration: Pair, held: Sequence[Pair]) -> tuple[Pair, list[Pair]]:
        """What the frozen blocks make of the images."""
        if not self._number:
            return calibration, list(held)
        side.supernet.activate(row)
        network = side.before(self._number)
        with self._autocast(), mode(network, False):
            statistics = estimate(network, calibration)
            with _batch_statistics(network):
                trained = (network(calibration[0]), network(calibration[1]))
            with lent(network, statistics):
                return trained, [(network(first), network(second)) for first, second in held]


@contextlib.contextmanager
def _batch_statistics(network: nn.Module) -> Iterator[None]:
    """Inside, batch norms use the statistics of their batch, as those do whose own are being estimated."""
    norms = [module for module in network.modules() if isinstance(module, ElasticBatchNorm2d)]
    for norm in norms:
        norm.training = True
    try:
        yield
    finally:
        for norm in norms:
            norm.training = False
