"""Synaptic flow: how much of a signal of ones arrives through the absolute weights."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

from nas.predicting.proxy import Proxy
from predictors.proxies.weights import weights

NORMS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
"""Layers that would hide the size of what passes."""

SOFTMAX = (torch.softmax, torch.Tensor.softmax, F.softmax)
PRODUCTS = (torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.bmm, torch.Tensor.bmm, torch.einsum)

LARGEST = 1e150
"""Of two tensors whose product would overflow."""


class Synflow(Proxy):
    """log of sum |w dR/dw|, R being the sum of the scores for one image of ones with the absolute values of all parameters.

    Norms are left out, as in zero-cost-nas the batch norms are, and numbers are of double precision: the sum grows with
    the power of the depth, and its logarithm ranks alike. A network through which nothing flows has -inf. Attention is taken
    as given, so that what flows are the values: behind the first blocks its scores are so large that it has no slope but the
    noise of rounding, which times such scores would be all of the sum.
    """

    summary = "logarithm of the synaptic flow; needs no images"
    source = "Tanaka et al., Pruning neural networks without any data (SynFlow), 2020"
    batch_statistics = False

    def measure(
        self, network: nn.Module, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """See `Proxy.measure`."""
        own = {id(weight) for weight in weights(network, "synflow")}
        state = {name: weight.detach().abs().double() for name, weight in network.named_parameters()}
        # Buffers keep their signs: masks of attention are -inf.
        buffers = {name: buffer.double() if buffer.is_floating_point() else buffer for name, buffer in network.named_buffers()}
        at = [state[name].requires_grad_() for name, weight in network.named_parameters() if id(weight) in own]
        ones = torch.ones((1, *images.shape[1:]), dtype=torch.float64, device=images.device)
        if not images.is_floating_point():
            ones = ones.to(images.dtype)
        with without_norms(network), AttentionAsGiven() as mode:
            total = functional_call(network, {**buffers, **state}, (ones,)).sum()
        if mode.is_shrunk(total):
            return torch.tensor(torch.inf)
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


class AttentionAsGiven(TorchFunctionMode):
    """Inside, nothing is differentiated by the scores of a softmax, and products that overflow may be such scores."""

    def __init__(self) -> None:
        super().__init__()
        self._shrunk: dict[int, torch.Tensor] = {}

    def is_shrunk(self, tensor: torch.Tensor) -> bool:
        """Whether what the tensor was computed from had been made smaller, on a way through no softmax."""
        return id(tensor) in self._shrunk

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """See torch."""
        kwargs = dict(kwargs or {})
        if function in SOFTMAX:
            return function(*args, **kwargs).detach()
        if function is F.scaled_dot_product_attention:
            names = ("query", "key", "value")
            given = {**dict(zip(names, args, strict=False)), **kwargs}
            query, key, value = (given.pop(name) for name in names)
            return self._marked(function(_smaller(query), _smaller(key), value, *args[3:], **given), (value,))
        found = function(*args, **kwargs)
        if function in PRODUCTS and not found.isfinite().all():
            found = function(*(_smaller(arg) if isinstance(arg, torch.Tensor) else arg for arg in args), **kwargs)
            self._shrunk[id(found)] = found
        return self._marked(found, (*args, *kwargs.values())) if self._shrunk else found

    def _marked(self, found: Any, given: tuple[Any, ...]) -> Any:
        """Kept in mind if something that was given is; a tensor that is kept cannot leave its identity to another."""
        flat = [part for arg in given for part in (arg if isinstance(arg, list | tuple) else [arg])]
        if any(id(part) in self._shrunk for part in flat):
            results = found if isinstance(found, list | tuple) else [found]
            self._shrunk.update({id(part): part for part in results if isinstance(part, torch.Tensor)})
        return found


def _smaller(tensor: torch.Tensor) -> torch.Tensor:
    """Without gradient, and such that a product of two does not overflow: a softmax has saturated long before that."""
    tensor = tensor.detach()
    return tensor * (LARGEST / tensor.abs().max().clamp_min(LARGEST))
