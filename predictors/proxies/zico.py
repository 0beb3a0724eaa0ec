"""How steady the gradients are from batch to batch."""

from __future__ import annotations

import torch
from torch import nn

from nas.base.errors import NasError
from nas.predicting.proxy import Proxy
from predictors.proxies.weights import gradients, loss, weights


class ZiCo(Proxy):
    """sum over the layers of log of the sum over weights of mean |g| / std(g), over the gradients of several batches.

    Weights whose gradient does not vary are left out, and so are layers without any other.

    Args:
        batches: into how many parts the images are divided (the paper takes 2 batches).
    """

    summary = "size of the gradients relative to how they vary"
    source = "Li et al., ZiCo: zero-shot NAS via inverse coefficient of variation on gradients, 2023"
    needs_labels = True
    needs_data = True

    def __init__(self, batches: int = 2) -> None:
        self.batches = batches

    def measure(
        self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """See `Proxy.measure`."""
        if len(images) < 2 * self.batches:
            raise NasError(f"zico divides the images into {self.batches} batches of at least 2; given {len(images)} images")
        at = weights(network, "zico")
        parts = zip(images.tensor_split(self.batches), targets.tensor_split(self.batches), strict=True)
        found = [gradients(loss(network, *part), at) for part in parts]
        total = torch.zeros((), dtype=torch.float64)
        for layer in zip(*found, strict=True):
            stacked = torch.stack(layer).double()
            deviation = stacked.std(0, correction=0)
            varies = deviation > 0
            if bool(varies.any()):
                total = total + (stacked.abs().mean(0)[varies] / deviation[varies]).sum().log().cpu()
        return total
