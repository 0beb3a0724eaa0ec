"""Proxies from one gradient of the loss by the weights."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import nn

from nas.predicting.proxy import Proxy
from predictors.proxies.weights import gradients, loss, weights


class Saliency(Proxy):
    """A sum over the layers of a function of the weights and their gradients."""

    needs_labels = True
    needs_data = True

    def measure(
        self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """See `Proxy.measure`."""
        at = weights(network, type(self).__name__.lower())
        found = gradients(loss(network, images, targets), at)
        layers = [self.of_layer(w.detach().double(), g.double()) for w, g in zip(at, found, strict=True)]
        return torch.stack(layers).sum()

    @abstractmethod
    def of_layer(self, weight: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """What one layer adds, of its weight and the gradient of the same shape."""


class GradNorm(Saliency):
    """sum over the layers of ||dL/dW||_2."""

    summary = "norms of the gradients, layer by layer"
    source = "Abdelfattah et al., Zero-cost proxies for lightweight NAS, 2021"

    def of_layer(self, weight: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """See `Saliency.of_layer`."""
        found: torch.Tensor = gradient.norm()
        return found


class Snip(Saliency):
    """sum |w dL/dw|: how much the loss changes, to first order, where single weights are taken away."""

    summary = "first-order effect on the loss of taking weights away"
    source = "Lee et al., SNIP, 2019"

    def of_layer(self, weight: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """See `Saliency.of_layer`."""
        return (weight * gradient).abs().sum()


class Plain(Saliency):
    """sum w dL/dw, signed."""

    summary = "the same effect with its sign"
    source = "Abdelfattah et al., Zero-cost proxies for lightweight NAS, 2021; Mozer & Smolensky, 1989"

    def of_layer(self, weight: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """See `Saliency.of_layer`."""
        return (weight * gradient).sum()
