"""Whether the modules of a network train or evaluate, for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import nn


@contextlib.contextmanager
def mode(network: nn.Module, training: bool) -> Iterator[None]:
    """Inside, the network trains or evaluates; each module's mode is put back."""
    before = {module: module.training for module in network.modules()}
    network.train(training)
    try:
        yield
    finally:
        for module, was in before.items():
            module.training = was
