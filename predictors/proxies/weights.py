"""The weights that proxies add up over, and the gradients of the loss by them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn

from nas.base.errors import NasError
from nas.predicting.proxy import NotDefined

CONVOLUTIONS = nn.modules.conv._ConvNd


def weights(network: nn.Module, proxy: str) -> list[torch.Tensor]:
    """The kernels and matrices of convolutions, linear layers, attention and recurrent layers; no biases, no norms.

    For a convolutional network these are the weights of `Conv2d` and `Linear`, which the papers add up over.

    Raises:
        NotDefined: there are none.
    """
    found = {id(weight): weight for module in network.modules() for weight in _own(module)}
    if not found:
        raise NotDefined(proxy, "it has no convolution, linear, attention or recurrent layer", "params")
    return list(found.values())


def _own(module: nn.Module) -> Iterator[torch.Tensor]:
    """The weights that a module holds itself."""
    if isinstance(module, CONVOLUTIONS | nn.Linear):
        yield module.weight
    elif isinstance(module, nn.MultiheadAttention):
        for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            weight = getattr(module, name)
            if weight is not None:
                yield weight
    elif isinstance(module, nn.RNNBase | nn.RNNCellBase):
        for name, weight in module.named_parameters(recurse=False):
            if name.startswith("weight"):
                yield weight


def loss(network: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the network's scores (N, classes).

    Raises:
        NasError: another shape of scores, or a target beyond the classes.
    """
    scores = network(images)
    if not isinstance(scores, torch.Tensor) or scores.ndim != 2:
        given = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
        raise NasError(f"a proxy with labels needs a network that returns scores (N, classes); it returns {given}")
    if int(targets.max()) >= scores.shape[1]:
        raise NasError(f"target {int(targets.max())} is beyond the {scores.shape[1]} classes of the network")
    return F.cross_entropy(scores, targets)


def gradients(value: torch.Tensor, at: list[torch.Tensor], graph: bool = False) -> list[torch.Tensor]:
    """Derivatives of a value by each weight; zeros for weights that it does not depend on.

    Args:
        graph: whether the derivatives can be derived again.
    """
    if not value.requires_grad:
        return [torch.zeros_like(weight) for weight in at]
    found = torch.autograd.grad(value, at, create_graph=graph, allow_unused=True)
    return [torch.zeros_like(weight) if g is None else g for weight, g in zip(at, found, strict=True)]
