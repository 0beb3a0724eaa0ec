"""A space under examination: its supernet, random architectures and images, shared by all checks."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch
from torch import fx, nn

from nas.architectures.decisions import Rows
from nas.base.seeds import generator, integer_seed
from nas.checking.passes import TOLERANCE, differs, located, run
from nas.elastic import ElasticBatchNorm2d
from nas.exporting import rounding_error, tolerated
from nas.supernet import SeparateSpace, Space, Statistics, Supernet, Task
from nas.supernet.modes import mode

BATCH = 5

FLOOR = 0.1
"""Share of a layer's mean variance that is added to the variance of each of its channels."""

KEPT = 4
"""Extracted networks that are kept for the next check."""

SMALL = 32
"""Side of the images on which networks are compared, in pixels, unless the space is made for smaller ones."""


def small_task(space: Space) -> Task:
    """A task of few pixels whose channels and classes are not the space's own, so that a number written in is found."""
    own = space.task
    return Task(1 if own.channels != 1 else 3, min(SMALL, own.resolution), 7 if own.classes != 7 else 5)


class Examination:
    """What checks work on.

    Args:
        space: the space.
        count: how many architectures are built and compared.
        seed: of architectures, weights and images.
        task: what networks are built for; see `small_task`.
        onnx: how many of the networks are exported and compared.
        forwards: how many passes are spent at most on telling options apart that cost the same.

    Attributes:
        made: the choices made while the network was built for the task, each with the lines that made it.
        remarks: name of a check -> what it could not look at.
    """

    def __init__(
        self,
        space: Space,
        count: int = 10,
        seed: int = 0,
        task: Task | None = None,
        onnx: int = 1,
        forwards: int = 400,
    ) -> None:
        self.task = task or small_task(space)
        self.space = space.at(space.task, self.task)
        self.separate = space.separate
        self.count = count
        self.seed = seed
        self.onnx = onnx
        self.forwards = forwards
        self.remarks: dict[str, str] = {}
        self.made: dict[str, list[str]] = {}
        self._extracted: OrderedDict[bytes, fx.GraphModule] = OrderedDict()
        self._statistics: dict[bytes, Statistics] = {}

    def rng(self, stream: str) -> np.random.Generator:
        """Random numbers of a check's own."""
        return generator(self.seed, f"checking/{stream}")

    @cached_property
    def rows(self) -> Rows:
        """The architectures to compare, as rows (count, D).

        From four on the smallest and the largest, then such that every option occurs early, then random ones.
        """
        decisions = self.space.decisions
        random = decisions.sample(self.rng("rows"), self.count)
        if self.count < 4 or self.separate:
            return random
        codes = np.arange(int(decisions.cardinalities.max()))[1:-1, None]
        shifted = (codes + self.rng("shifts").integers(0, 256, len(decisions))[None, :]) % decisions.cardinalities
        ends = np.stack([np.zeros(len(decisions), dtype=np.int64), decisions.cardinalities - 1])
        chosen = decisions.canonical(np.asfortranarray(np.concatenate([ends, shifted]).astype(np.uint8)))
        both = np.concatenate([chosen, random])
        _, first = np.unique(both, axis=0, return_index=True)
        return np.asfortranarray(both[np.sort(first)][: self.count])

    @cached_property
    def images(self) -> torch.Tensor:
        """A batch of random images."""
        random = torch.Generator().manual_seed(integer_seed(self.seed, "checking/images"))
        return torch.randn((BATCH, *self.task.input_shape), generator=random)

    @cached_property
    def supernet(self) -> Supernet:
        """A supernet in evaluation mode whose one-dimensional parameters are no longer zeros and ones: a scale that starts
        at zero would hide whatever it multiplies."""
        task = self.task
        supernet = self.space.supernet(task.channels, task.resolution, task.classes, self.seed).eval()
        random = torch.Generator().manual_seed(integer_seed(self.seed, "checking/weights"))
        with torch.no_grad():
            for parameter in supernet.parameters():
                if parameter.dim() <= 1 or not bool(parameter.any()):
                    parameter.add_(0.2 * torch.randn(parameter.shape, generator=random))
        return supernet

    def statistics(self, row: np.ndarray) -> Statistics:
        """Batch-norm statistics of an architecture on the images, whose variances keep away from zero: a channel that hardly
        varies in a few images would blow rounding up."""
        key = row.tobytes()
        if key not in self._statistics:
            self.supernet.activate(row)
            normed = any(isinstance(module, ElasticBatchNorm2d) for module in self.supernet.network.modules())
            found = located(self.supernet.network, lambda: self.supernet.calibrate([self.images])) if normed else Statistics({})
            raised = {name: (mean, variance + FLOOR * variance.mean()) for name, (mean, variance) in found.values.items()}
            self._statistics[key] = Statistics(raised)
        return self._statistics[key]

    @contextlib.contextmanager
    def active(self, row: np.ndarray) -> Iterator[nn.Module]:
        """The supernet's network with an architecture and its statistics in force; the network itself where there is no
        supernet."""
        if self.separate:
            yield self.extracted(row)
            return
        statistics = self.statistics(row)
        self.supernet.activate(row)
        with mode(self.supernet, False), self.supernet.using(statistics):
            yield self.supernet.network

    @torch.no_grad()
    def scores(self, row: np.ndarray, images: torch.Tensor | None = None) -> torch.Tensor:
        """(N, classes) by the supernet."""
        with self.active(row) as network:
            return run(network, self.images if images is None else images)

    def extracted(self, row: np.ndarray) -> fx.GraphModule:
        """The architecture as plain torch, in evaluation mode."""
        key = row.tobytes()
        if key not in self._extracted:
            self._extracted[key] = self._built(row).eval()
        self._extracted.move_to_end(key)
        while len(self._extracted) > KEPT:
            self._extracted.popitem(last=False)
        return self._extracted[key]

    def rounding(self, row: np.ndarray, images: torch.Tensor) -> float:
        """How far single precision carries an architecture's scores, relative to the largest; see `nas.exporting`."""
        return rounding_error(self.extracted(row), [images], least=1e-30)

    def beyond_rounding(self, row: np.ndarray, images: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> bool:
        """Whether two scores of an architecture differ by more than its own rounding explains."""
        if not differs(first, second):
            return False
        return differs(first, second, tolerated(TOLERANCE, self.rounding(row, images)))

    def _built(self, row: np.ndarray) -> fx.GraphModule:
        if isinstance(self.space, SeparateSpace):
            return self.space.network_of(row, self.task, integer_seed(self.seed, "checking/weights"))
        return self.supernet.extract(row, self.statistics(row))

    def name(self, row: np.ndarray) -> str:
        """An architecture for a message."""
        text = ", ".join(f"{name}={option}" for name, option in self.space.decode(row[None])[0].decisions)
        return text if len(text) <= 200 else f"{text[:200]} ..."

    def forget(self) -> None:
        """Drop what was computed with weights that have changed since."""
        self._extracted.clear()
        self._statistics.clear()
