"""Dropout and drop path of a network under training, and which of its weights the largest network uses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from nas.elastic.drop_path import DropPath, scheduled
from nas.supernet import Supernet
from nas.supernet.modes import mode
from nas.training.recipe import Recipe

SAMPLE = 2
"""Images that the largest network is run on once to see which weights it uses."""


class Regularisers:
    """The dropout and drop-path modules of a network, at the recipe's probabilities where it gives any."""

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        self._modules = [module for module in network.modules() if isinstance(module, _DropoutNd | DropPath)]
        self._scheduled = scheduled(network)
        for module in self._modules:
            if isinstance(module, DropPath):
                module.final = module.final if recipe.drop_path is None else recipe.drop_path
            elif recipe.dropout is not None:
                module.p = recipe.dropout

    def set_progress(self, fraction: float) -> None:
        """Tell the modules that have a schedule which share of the training is done."""
        for module in self._scheduled:
            module.set_progress(fraction)

    @contextlib.contextmanager
    def switched(self, on: bool) -> Iterator[None]:
        """Inside, all of them are on (as in training) or off."""
        if on:
            yield
            return
        for module in self._modules:
            module.training = False
        try:
            yield
        finally:
            for module in self._modules:
                module.training = True


def run_by_largest(supernet: Supernet) -> set[int]:
    """Identities of the trainable parameters that the scores of the largest architecture depend on.

    Asked of autograd, since not every parameter belongs to a module that is called: a class token is only read.
    """
    trainable = [parameter for parameter in supernet.parameters() if parameter.requires_grad]
    first = trainable[0]
    supernet.activate(supernet.space.decisions.largest()[0])
    with mode(supernet, True), torch.random.fork_rng(devices=[]), torch.enable_grad():
        images = torch.zeros((SAMPLE, *supernet.task.input_shape), device=first.device, dtype=first.dtype)
        scores = supernet(images)
        gradients = torch.autograd.grad(scores.sum(), trainable, allow_unused=True)
    return {id(parameter) for parameter, gradient in zip(trainable, gradients, strict=True) if gradient is not None}
