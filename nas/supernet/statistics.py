"""Batch-norm statistics of one sub-network, estimated on its own buffers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from nas.elastic import ElasticBatchNorm2d
from nas.supernet.modes import mode


@dataclass(frozen=True)
class Statistics:
    """Mean and variance, (C,) each, of every batch norm that a sub-network runs, by module name."""

    values: dict[str, tuple[torch.Tensor, torch.Tensor]]


def _elastic_norms(network: nn.Module) -> dict[str, ElasticBatchNorm2d]:
    return {name: module for name, module in network.named_modules() if isinstance(module, ElasticBatchNorm2d)}


@contextlib.contextmanager
def lent(network: nn.Module, statistics: Statistics) -> Iterator[None]:
    """Inside, the network's batch norms evaluate with these statistics."""
    norms = _elastic_norms(network)
    try:
        for name, norm in norms.items():
            norm.statistics = statistics.values.get(name)
        yield
    finally:
        for norm in norms.values():
            norm.statistics = None


@torch.no_grad()
def estimate(network: nn.Module, batches: Sequence[torch.Tensor]) -> Statistics:
    """The statistics of the active sub-network over all the images: each batch counts by its size.

    Runs in evaluation mode except for the batch norms, so dropout is off. Nothing of the network is changed.

    Args:
        batches: images (N, C, H, W), normalised as in training; at least one batch.
    """
    if not batches:
        raise ValueError("batch-norm statistics need at least one batch")
    norms = _elastic_norms(network)
    try:
        seen = 0
        with mode(network, False):
            for images in batches:
                seen += len(images)
                for norm in norms.values():
                    norm.collecting = len(images) / seen
                network(images)
        return Statistics({name: norm.statistics for name, norm in norms.items() if norm.statistics is not None})
    finally:
        for norm in norms.values():
            norm.statistics = norm.collecting = None
