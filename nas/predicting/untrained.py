"""Networks of a space at initialisation, which zero-cost proxies score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import fx, nn

from nas.base.seeds import integer_seed
from nas.supernet import SeparateSpace, Space, Supernet, Task


class Untrained:
    """Networks of a space at initialisation, each as if it had been built by itself.

    Every layer has torch's own initialisation, which the papers on proxies assume, drawn for the widths that the network
    has: slices of a fresh supernet would be scaled for the widest. Parameters that belong to no layer of torch, such as
    position embeddings, are the definition's own.

    Args:
        task: what the networks are built for.
        seed: the weights of a row depend on it and the row alone.
    """

    def __init__(self, space: Space, task: Task, seed: int = 0) -> None:
        self.space = space.at(task)
        self.task = task
        self.seed = seed
        self._supernet: Supernet | None = None

    def __call__(self, row: npt.NDArray[np.uint8]) -> fx.GraphModule:
        """The network of a canonical row (D,) in plain torch."""
        network = self._built(row)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(integer_seed(self.seed, "proxies/weights"))
            for module in network.modules():
                reset = _reset(module)
                if reset is not None:
                    reset()
        return network

    def _built(self, row: npt.NDArray[np.uint8]) -> fx.GraphModule:
        if isinstance(self.space, SeparateSpace):
            return self.space.network_of(row, self.task, integer_seed(self.seed, "proxies/definition"))
        if self._supernet is None:
            seed = integer_seed(self.seed, "proxies/definition")
            self._supernet = self.space.supernet(self.task.channels, self.task.resolution, self.task.classes, seed)
        return self._supernet.extract(row)


def _reset(module: nn.Module) -> Callable[[], None] | None:
    """What draws the parameters of one of torch's own layers anew."""
    found = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
    return found if callable(found) else None
