"""How much the loss depends on the channels of activations."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nas.predicting.proxy import NotDefined, Proxy
from predictors.proxies.weights import CONVOLUTIONS, loss


class Fisher(Proxy):
    """sum over weights of the value of their channel: 1/2 mean over the images of (sum over positions of a dL/da)^2.

    Channels are those that a convolution or linear layer puts out; a value counts once for each weight of the channel.
    """

    summary = "Fisher information of the channels of activations"
    source = "Turner et al., BlockSwap, 2020"
    needs_labels = True
    needs_data = True

    def measure(
        self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """See `Proxy.measure`."""
        layers: list[nn.Module] = []
        outputs: list[torch.Tensor] = []

        def keep(layer: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
            layers.append(layer)
            outputs.append(output)
            return output.clone()  # whatever follows may work in place

        chosen = [module for module in network.modules() if isinstance(module, CONVOLUTIONS | nn.Linear)]
        if not chosen:
            raise NotDefined("fisher", "it has no convolution or linear layer", "snip", "params")
        hooks = [module.register_forward_hook(keep) for module in chosen]
        try:
            found = torch.autograd.grad(loss(network, images, targets), outputs, allow_unused=True)
        finally:
            for hook in hooks:
                hook.remove()
        total = torch.zeros((), dtype=torch.float64)
        for layer, output, gradient in zip(layers, outputs, found, strict=True):
            if gradient is not None:
                channels = channel_fisher(layer, output.detach().double() * gradient.double())
                total = total + channels.sum().cpu() * layer.get_parameter("weight")[0].numel()
        return total


def channel_fisher(layer: nn.Module, product: torch.Tensor) -> torch.Tensor:
    """(channels,) from activations times gradients: (N, C, ...) of a convolution, (N, ..., C) of a linear layer."""
    if isinstance(layer, nn.Linear):
        product = product.movedim(-1, 1) if product.ndim > 1 else product[None]
    return product.flatten(2).sum(-1).square().mean(0) / 2 if product.ndim > 2 else product.square().mean(0) / 2
