"""Optimisers and learning-rate schedules."""

from __future__ import annotations

import math

import torch
from torch import nn

from nas.training.recipe import Recipe


def build_optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """An optimiser over the trainable parameters; weight decay acts on tensors of more than one dimension only."""
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.peak_rate, betas=(recipe.momentum, 0.999), fused=True)
    optimiser = torch.optim.SGD(groups, lr=recipe.peak_rate, momentum=recipe.momentum, fused=True)
    if recipe.momentum:
        # The fused kernel wants a buffer for all parameters of a step or for none, and a sub-network may use some
        # parameters for the first time. A buffer of zeros is what the first use would make.
        for parameter in trainable:
            optimiser.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimiser


def rate_at(recipe: Recipe, step: int, steps: int) -> float:
    """The learning rate of one step: a linear warm-up, then the schedule down to 0 at the end."""
    warmup = recipe.warmup * steps
    if step < warmup:
        return recipe.peak_rate * (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(steps - warmup, 1)
    if recipe.schedule == "linear":
        return recipe.peak_rate * (1.0 - progress)
    if recipe.schedule == "cosine":
        return recipe.peak_rate * 0.5 * (1.0 + math.cos(math.pi * progress))
    return recipe.peak_rate
