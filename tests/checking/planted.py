"""A correct little space, in which each test plants one fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from nas.choices import Choice, Value
from nas.elastic import Depth, ElasticBatchNorm2d, ElasticConv2d, ElasticLinear, OperatorChoice
from nas.supernet import Space, Task

OWN = Task(3, 16, 10)


class Block(nn.Module):
    """A convolution of searched kernel with a shortcut."""

    def __init__(self, width: Value, kernel: Value) -> None:
        super().__init__()
        self.conv = ElasticConv2d(width, width, kernel)
        self.norm = ElasticBatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.relu(self.norm(self.conv(x)))


class Correct(nn.Module):
    """Elastic width, depth and kernels, and a choice of operators.

    Tests override the methods that make its parts.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task
        self.width = Choice("width", (4, 8))
        self.stem = ElasticConv2d(task.channels, self.width, 3, stride=2)
        self.norm = self.make_norm()
        self.blocks = Depth([self.make_block(index) for index in range(2)], Choice("depth", (1, 2)))
        self.operator = self.make_operator()
        self.head = self.make_head()

    def make_norm(self) -> nn.Module:
        return ElasticBatchNorm2d(self.width)

    def make_block(self, index: int) -> nn.Module:
        return Block(self.width, Choice(f"kernel{index}", (1, 3)))

    def make_operator(self) -> nn.Module:
        candidates = {"skip": nn.Identity(), "pool": nn.MaxPool2d(3, 1, 1), "conv": ElasticConv2d(self.width, self.width, 3)}
        return OperatorChoice(Choice("operator", tuple(candidates)), candidates)

    def make_head(self) -> nn.Module:
        return ElasticLinear(self.width, self.task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.operator(self.blocks(torch.relu(self.norm(self.stem(x)))))
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]


def space(network: type[nn.Module] = Correct, known: Mapping[str, Any] | None = None, **settings: Any) -> Callable[[], Space]:
    """What makes a space of a network."""
    return lambda: Space("planted", network, known=known, task=OWN, **settings)
