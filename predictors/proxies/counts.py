"""Figures of size, the baselines that every other proxy has to beat."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import flop_registry

from nas.predicting.proxy import Proxy
from predictors.proxies.watching import Operators
from predictors.proxies.weights import weights


class Params(Proxy):
    """Weights and biases."""

    summary = "weights and biases"
    source = "baseline of Abdelfattah et al., Zero-cost proxies for lightweight NAS, 2021"
    cost = "params"

    def measure(self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator) -> float:
        """See `Proxy.measure`."""
        return float(sum(parameter.numel() for parameter in network.parameters()))


class Macs(Proxy):
    """Multiply-adds of one image in convolutions, linear layers, recurrent layers and matrix products."""

    summary = "multiply-adds of one image"
    source = "baseline of Abdelfattah et al., Zero-cost proxies for lightweight NAS, 2021"
    cost = "macs"
    batch_statistics = False

    def measure(self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator) -> float:
        """See `Proxy.measure`."""
        with torch.no_grad(), counted_recurrence(network), Products() as products:
            network(images[:1])
        return float(products.macs)


class Products(Operators):
    """Inside, counts multiply-adds by torch's own formulas for convolutions and matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Run one operator."""
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.macs += float(count(*args, **kwargs, out_val=output)) / 2  # it counts a multiply-add as two
        return output


@contextlib.contextmanager
def counted_recurrence(network: nn.Module) -> Iterator[None]:
    """Inside, recurrent layers run as matrix products; oneDNN's are one operator, which counts as nothing."""
    if not any(isinstance(module, nn.RNNBase) for module in network.modules()):
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # leaving oneDNN's settings as they are warns of TF32
        with torch.backends.mkldnn.flags(enabled=False):
            yield


class L2(Proxy):
    """sum over the layers of ||W||_2."""

    summary = "norms of the weights, layer by layer"
    source = "Abdelfattah et al., Zero-cost proxies for lightweight NAS, 2021"

    def measure(
        self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """See `Proxy.measure`."""
        return torch.stack([weight.detach().double().norm() for weight in weights(network, "l2")]).sum()
