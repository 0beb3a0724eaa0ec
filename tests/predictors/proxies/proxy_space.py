"""A small space for the tests of proxies: widths, a skipped block, and a network without ReLU."""

from __future__ import annotations

import torch
from torch import nn

import nas
from nas.elastic import ElasticBatchNorm2d, ElasticConv2d, ElasticLinear, OperatorChoice


class Small(nn.Module):
    """Two convolutions; `act` chooses the activation after both, of which one is no ReLU."""

    task = nas.Task(channels=1, resolution=8, classes=10)
    known = {"ours": {"width": 8, "kernel": 3, "act": "relu"}}  # noqa: RUF012

    def __init__(self, task: nas.Task) -> None:
        super().__init__()
        width = nas.Choice("width", (4, 8, 16))
        act = nas.Choice("act", ("gelu", "relu"))
        self.first = ElasticConv2d(task.channels, width, nas.Choice("kernel", (3, 5)), stride=2)
        self.norm = ElasticBatchNorm2d(width)
        self.act = OperatorChoice(act, {"gelu": nn.GELU(), "relu": nn.ReLU()})
        self.second = ElasticConv2d(width, width, 3)
        self.head = ElasticLinear(width, task.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.act(self.norm(self.first(images)))
        return self.head(self.second(x).mean((2, 3)))
