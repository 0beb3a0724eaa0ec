"""The moving average of a supernet's weights."""

from __future__ import annotations

import torch
from torch import nn


class WeightAverage(nn.Module):
    """average <- decay * average + (1 - decay) * weight after every step (Polyak & Juditsky 1992, as an exponential mean).

    The decay of the first steps is smaller, (1 + n) / (10 + n) after n steps, so that the initial weights are forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self._weights = [parameter for parameter in network.parameters() if parameter.requires_grad]
        for index, weight in enumerate(self._weights):
            self.register_buffer(f"average{index}", weight.detach().clone())

    def update(self, step: int) -> None:
        """Take in the weights after step number `step`, counted from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.buffers()), [weight.detach() for weight in self._weights], 1 - decay)

    def of(self, weight: nn.Parameter) -> list[torch.Tensor]:
        """The average of one weight; nothing where it is not trained."""
        return [average for average, known in zip(self.buffers(), self._weights, strict=True) if known is weight]

    @torch.no_grad()
    def apply_to_network(self) -> None:
        """Put the averages in the place of the weights."""
        for average, weight in zip(self.buffers(), self._weights, strict=True):
            weight.copy_(average)
