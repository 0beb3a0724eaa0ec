"""Small spaces whose pictures and tables are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import networkx
import torch
from torch import nn

from nas.choices import Choice, Value
from nas.elastic import Depth, ElasticBatchNorm2d, ElasticConv2d, ElasticLinear, OperatorChoice, Optional, Unit
from nas.supernet import Space, Task

TASK = Task(channels=3, resolution=16, classes=10)


class Block(nn.Module):
    """A residual block without a unit."""

    def __init__(self, width: Value, kernel: Value) -> None:
        super().__init__()
        self.conv = ElasticConv2d(width, width, kernel)
        self.norm = ElasticBatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.relu(self.norm(self.conv(x)))


class PlainNetwork(nn.Module):
    """Stem with norm, a depth of residual blocks, mean, linear layer."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        width = Choice("width", (16, 24, 32))
        kernels = [Choice(f"kernel{i}", (3, 5)) for i in range(1, 5)]
        self.stem = ElasticConv2d(task.channels, width, 3, stride=2)
        self.norm = ElasticBatchNorm2d(width)
        self.blocks = Depth([Block(width, kernel) for kernel in kernels], Choice("depth", (2, 3, 4)))
        self.head = ElasticLinear(width, task.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(torch.relu(self.norm(self.stem(images)))).mean((2, 3)))


class UnitBlock(nn.Module):
    """A unit that keeps the shape."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.conv = ElasticConv2d(width, width, kernel)
        self.unit = Unit("thing", {"kernel": kernel, "act": "relu", "squeeze": 0})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(x))


class BranchingNetwork(nn.Module):
    """A unit that may be left out, a choice of operators, then two branches that are concatenated, one longer."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.stem = ElasticConv2d(task.channels, 8, 3)
        self.maybe = Optional(UnitBlock(8, 3), Choice("maybe", (False, True)).equals(True))
        candidates = {"unit": UnitBlock(8, 5), "pool": nn.MaxPool2d(3, 1, 1)}
        self.pick = OperatorChoice(Choice("operator", ("pool", "unit")), candidates)
        self.left = UnitBlock(8, 3)
        self.right = nn.Sequential(UnitBlock(8, 3), UnitBlock(8, 3))
        self.head = ElasticLinear(16, task.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.pick(self.maybe(self.stem(images)))
        return self.head(torch.cat((self.left(x), self.right(x)), dim=1).mean((2, 3)))


@cache
def plain() -> Space:
    """The plain space."""
    return Space("plain", PlainNetwork, known={"deep": _deep()}, task=TASK, summary="a plain network", source="nobody, 2026")


@cache
def branching() -> Space:
    """The branching space."""
    return Space("branching", BranchingNetwork, task=TASK)


def drawing_itself(graphs: Callable[[Any], Mapping[str, networkx.DiGraph]]) -> Space:
    """The plain space with graphs of its own."""
    return Space("own", PlainNetwork, known={"deep": _deep()}, task=TASK, graphs=graphs)


def cell(architecture: Any = None) -> dict[str, networkx.DiGraph]:
    """Two inputs, a sum of two operators on the same input, an output that reads two states."""
    graph = networkx.MultiDiGraph()
    graph.add_nodes_from([("a", {"label": "input A"}), ("b", {"label": "input B"}), ("s", {"label": "sum"}), "out"])
    graph.add_edge("a", "s", label="conv 3x3", kind="convolution")
    graph.add_edge("a", "s", label="conv 5x5", kind="convolution")
    graph.add_edge("b", "s", label="pool")
    graph.add_edge("s", "out")
    graph.add_edge("a", "out")
    return {"cell": graph}


def _deep() -> dict[str, Any]:
    return {"width": 24, "depth": 4, "kernel1": 3, "kernel2": 3, "kernel3": 3, "kernel4": 5}
