"""A space of nested sizes that thresholds can decide, which trains in milliseconds."""

from __future__ import annotations

import torch
from tiny_training import TASK
from torch import nn

from nas.choices import Choice
from nas.elastic import ElasticBatchNorm2d, ElasticConv2d, ElasticLinear, Optional
from nas.supernet import Space, Task


class TinyKernels(nn.Module):
    """Two layers of Single-Path NAS, the second optional, and a perceptron of searched width."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        layers = [
            Choice("layer1", ("k3e1", "k5e1", "k3e2", "k5e2")),
            Choice("layer2", ("skip", "k3e1", "k5e1", "k3e2", "k5e2")),
        ]
        self.stem = ElasticConv2d(task.channels, 4, 3, stride=2)
        self.blocks = nn.Sequential()
        for layer in layers:
            kernel = layer.map({option: 5 if "5" in option else 3 for option in layer.options})
            width = layer.map({option: 8 if "e2" in option else 4 for option in layer.options})
            block = nn.Sequential(
                ElasticConv2d(4, width),
                ElasticConv2d(width, width, kernel, groups=width),
                nn.ReLU(),
                ElasticConv2d(width, 4),
            )
            self.blocks.append(Optional(block, layer.differs("skip")) if "skip" in layer.options else block)
        self.norm = ElasticBatchNorm2d(4)
        hidden = Choice("hidden", (3, 5, 8))
        self.mlp = nn.Sequential(ElasticLinear(4, hidden), nn.GELU(), ElasticLinear(hidden, task.classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mlp(self.norm(self.blocks(self.stem(x))).mean((2, 3)))  # type: ignore[no-any-return]


def superkernel_space() -> Space:
    return Space("tiny-kernels", TinyKernels, task=TASK)
