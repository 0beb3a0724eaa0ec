"""Optimisers over a supernet's weights."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

import torch
from torch import nn

from nas.elastic.scales import is_norm
from nas.training.lars import Lars
from nas.training.recipe import Recipe


def build_optimiser(network: nn.Module, recipe: Recipe, decayed: Container[int] | None = None) -> torch.optim.Optimizer:
    """An optimiser over the trainable parameters.

    Args:
        decayed: identities of the parameters that weight decay may act on; all of them by default. By `recipe.decay_of` it
            acts on tensors of more than one dimension only, on all but those of norms, or on all.
    """
    norms = {id(p) for module in network.modules() if is_norm(module) for p in module.parameters(recurse=False)}
    decayed_by_kind: dict[str, Callable[[nn.Parameter], bool]] = {
        "matrices": lambda parameter: parameter.ndim > 1,
        "not-norms": lambda parameter: id(parameter) not in norms,
        "all": lambda parameter: True,
    }
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]

    def decays(parameter: nn.Parameter) -> bool:
        return decayed_by_kind[recipe.decay_of](parameter) and (decayed is None or id(parameter) in decayed)

    groups: list[dict[str, Any]] = [
        {"params": [p for p in trainable if decays(p)], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trainable if not decays(p)], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    rate, momentum = recipe.peak_rate, recipe.momentum
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=rate, betas=(momentum, 0.999), eps=recipe.epsilon, fused=True)
    if recipe.optimiser == "rmsprop":
        return torch.optim.RMSprop(
            groups, lr=rate, alpha=recipe.squares_decay, eps=recipe.epsilon, momentum=momentum, foreach=True
        )
    if recipe.optimiser == "lars":
        return Lars(groups, lr=rate, momentum=momentum, trust=recipe.trust)
    nesterov = recipe.nesterov and momentum > 0
    optimiser = torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=nesterov, fused=True)
    forget(optimiser)
    return optimiser


def forget(optimiser: torch.optim.Optimizer) -> None:
    """Begin anew with the optimiser's state, as at the start of a training."""
    optimiser.state.clear()
    if isinstance(optimiser, torch.optim.SGD):
        # The fused kernel wants a buffer for all parameters of a step or for none, and a sub-network may use some
        # parameters for the first time. A buffer of zeros is what the first use would make.
        for group in optimiser.param_groups:
            for parameter in group["params"] if group["momentum"] else ():
                optimiser.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
