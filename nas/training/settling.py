"""Running statistics of a plain network's batch norms, estimated anew."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from nas.supernet.modes import mode


@torch.no_grad()
def settle_norms(network: nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Give the batch norms the mean and variance of all the images, each batch counting alike.

    Averaged weights need it: the statistics of the training are those of the weights that were averaged.

    Args:
        batches: images (N, C, H, W) of about one size N, on the network's device.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    with mode(network, False):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over the batches
            norm.train()
        for images in batches:
            network(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
