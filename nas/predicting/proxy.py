"""What a zero-cost proxy is: a figure of an untrained network that is meant to rank trained ones."""

from __future__ import annotations

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from nas.base import plugins
from nas.base.errors import NasError


class NotDefined(NasError):
    """A proxy means nothing for a network, such as one that counts ReLUs for a network without any.

    Args:
        proxy: its name.
        reason: what the network lacks or has.
        fitting: names of proxies that are defined for such a network.
    """

    def __init__(self, proxy: str, reason: str, *fitting: str) -> None:
        self.reason = reason
        advice = f"; proxies that fit such a network: {', '.join(fitting)}" if fitting else ""
        super().__init__(f"proxy '{proxy}' is not defined for this network: {reason}{advice}")


class Proxy(ABC):
    """Scores one untrained network. Whether larger is better depends on the space: never take a sign for granted.

    A subclass gives `measure`, which runs on a network that `score` made ready and puts back afterwards.

    Attributes:
        summary: one line for `nas proxies`.
        source: the paper.
        needs_labels: whether the targets matter.
        needs_data: whether the values of the images matter; otherwise their shape alone is read.
        cost: the cost of a space that is the same figure, so that rows can be scored without networks; None for most.
        batch_statistics: whether batch norms use those of the batch, as in training, instead of their own.
    """

    summary: ClassVar[str]
    source: ClassVar[str]
    needs_labels: ClassVar[bool] = False
    needs_data: ClassVar[bool] = False
    cost: ClassVar[str | None] = None
    batch_statistics: ClassVar[bool] = True

    @abstractmethod
    def measure(
        self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
    ) -> float | torch.Tensor:
        """The score; see `score`. Parameters require gradients; drop-out is off; hooks must be removed again.

        Raises:
            NotDefined: the proxy means nothing for this network.
        """

    def score(self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator) -> float:
        """The score of a network in plain torch, which is left as it was: weights, buffers, gradients and mode.

        Args:
            network: untrained; images -> scores (N, classes).
            images: (N, C, H, W), or whatever the network takes, on its device.
            targets: (N,) classes.
            generator: everything random is drawn from it; on the processor.

        Returns:
            A finite number, or -inf where a logarithm is taken of a network that passes no signal on.

        Raises:
            NotDefined: the proxy means nothing for this network, or the result is no number; names proxies that do.
            NasError: images and targets do not match.
        """
        if len(images) != len(targets):
            raise NasError(f"a proxy needs a target for each image; given {len(images)} images and {len(targets)} targets")
        drawn = int(torch.randint(2**62, (), generator=generator))
        with prepared(network, self.batch_statistics), torch.random.fork_rng():
            torch.manual_seed(drawn)
            # Other kernels of attention have no second derivative, and hide their softmax.
            with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
                found = float(self.measure(network, images, targets, generator))
        if math.isnan(found) or found == math.inf:
            reason = f"the score is {found}, since what it computes overflows at initialisation"
            raise NotDefined(type(self).__name__, reason, "params", "macs", "l2")
        return found


@contextlib.contextmanager
def prepared(network: nn.Module, batch_statistics: bool = True) -> Iterator[None]:
    """Inside, the network is ready for a proxy; afterwards it is as it was.

    Everything is in evaluation mode, but for batch norms that are to use the statistics of the batch. Parameters require
    gradients.
    """
    modes = {module: module.training for module in network.modules()}
    parameters = list(network.parameters())
    state = [(parameter, parameter.requires_grad, parameter.grad) for parameter in parameters]
    values = [(tensor, tensor.detach().clone()) for tensor in (*parameters, *network.buffers())]
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)  # it hides the activations of torch's own transformer layers
        network.eval()
        for module in modes:
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.train(batch_statistics)
        for parameter in parameters:
            parameter.requires_grad_(parameter.is_floating_point())
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        with torch.no_grad():
            for tensor, value in values:
                tensor.copy_(value)
        for parameter, required, gradient in state:
            parameter.requires_grad_(required)
            parameter.grad = gradient
        for module, mode in modes.items():
            module.training = mode


def open_proxy(name: str) -> type[Proxy]:
    """The installed proxy of that name. Raises NasError that lists what is installed."""
    found: Any = plugins.load("proxies", name, "proxy")
    if not (isinstance(found, type) and issubclass(found, Proxy)):
        raise NasError(f"the entry point of proxy '{name}' must be a subclass of nas.predicting.Proxy; it is {found!r}")
    return found


def proxy_names() -> list[str]:
    """Every installed proxy."""
    return list(plugins.installed("proxies"))
