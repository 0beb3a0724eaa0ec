"""Synaptic flow: how much of a signal of ones arrives through the absolute weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from nas.predicting.proxy import Proxy
from predictors.proxies.weights import weights

NORMS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
"""Layers that would hide the size of what passes."""


class Synflow(Proxy):
    """log of sum |w dR/dw|, R being the sum of the scores for one image of ones with the absolute values of all parameters.

    Norms are left out, as in zero-cost-nas the batch norms are, and numbers are of double precision: the sum grows with
    the power of the depth, and its logarithm ranks alike. A network through which nothing flows has -inf.
    """

    summary = "logarithm of the synaptic flow; needs no images"
    source = "Tanaka et al., Pruning neural networks without any data (SynFlow), 2020"
    batch_statistics = False

    def measure(
        self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """See `Proxy.measure`."""
        own = {id(weight) for weight in weights(network, "synflow")}
        state = {
            name: tensor.detach().abs().double() if tensor.is_floating_point() else tensor
            for name, tensor in (*network.named_parameters(), *network.named_buffers())
        }
        at = [state[name].requires_grad_() for name, weight in network.named_parameters() if id(weight) in own]
        ones = torch.ones((1, *images.shape[1:]), dtype=torch.float64, device=images.device)
        with without_norms(network):
            total = functional_call(network, state, (ones if images.is_floating_point() else ones.to(images.dtype),)).sum()
        if not total.requires_grad:
            return torch.tensor(-torch.inf)
        found = torch.autograd.grad(total, at, allow_unused=True)
        flow = [(weight.detach() * g).abs().sum() for weight, g in zip(at, found, strict=True) if g is not None]
        return torch.stack(flow).sum().log()


@contextlib.contextmanager
def without_norms(network: nn.Module) -> Iterator[None]:
    """Inside, every norm gives back what it gets."""

    def skip(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        return inputs[0]

    hooks = [module.register_forward_hook(skip) for module in network.modules() if isinstance(module, NORMS)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
