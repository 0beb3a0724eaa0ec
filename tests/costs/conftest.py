"""Extracted networks, a small conditional space, and latency tables for the tests of costs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nas.choices import Choice
from nas.costs import LatencyTable
from nas.elastic import (
    Depth,
    ElasticBatchNorm2d,
    ElasticConv2d,
    ElasticLinear,
    ElasticSqueezeExcite,
    OperatorChoice,
    Unit,
)
from nas.supernet import Space, Task


class Block(nn.Module):
    """A layer with a shortcut, as one unit."""

    def __init__(self, width: Any, kernel: Any, position: str) -> None:
        super().__init__()
        self.body = nn.Sequential(ElasticConv2d(width, width, kernel), ElasticBatchNorm2d(width), nn.ReLU())
        self.unit = Unit("block", {"kernel": kernel}, position)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


class Small(nn.Module):
    """Elastic width, depth, kernels, a choice of operators and squeeze-and-excitation."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        width = Choice("width", (4, 8))
        self.stem = nn.Sequential(ElasticConv2d(task.channels, width, 3, stride=2), ElasticBatchNorm2d(width), nn.ReLU())
        kernels = [Choice(f"kernel{index}", (1, 3, 5)) for index in range(2)]
        blocks = [Block(width, kernel, f"place{index}") for index, kernel in enumerate(kernels)]
        self.blocks = Depth(blocks, Choice("depth", (0, 1, 2)))
        self.either = OperatorChoice(
            Choice("operator", ("skip", "pool", "conv", "squeeze")),
            {
                "skip": nn.Identity(),
                "pool": nn.MaxPool2d(3, 1, 1),
                "conv": ElasticConv2d(width, width, 3, groups=width, bias=True),
                "squeeze": ElasticSqueezeExcite(width, Choice("hidden", (2, 4))),
            },
        )
        self.head = ElasticLinear(width, task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.either(self.blocks(self.stem(x))).mean((2, 3)))


@pytest.fixture(scope="session")
def small() -> Space:
    return Space("small", Small, task=Task(3, 8, 5))


@pytest.fixture(scope="session")
def small_rows(small: Space) -> np.ndarray:
    """Every architecture of the small space, once."""
    grid = itertools.product(*map(range, small.decisions.cardinalities))
    return np.unique(small.decisions.check(list(grid)), axis=0)


@pytest.fixture
def table() -> Callable[..., LatencyTable]:
    """A table of the given operators: table({"block ...": 1.5}, groups=[(["a", "b"], 3.0)], resolution=8)."""

    def make(operators: dict[str, float] | list[tuple[str, str | None, float]], groups: Any = (), **fields: Any) -> Any:
        listed = operators if isinstance(operators, list) else [(key, None, ms) for key, ms in operators.items()]
        return LatencyTable.model_validate(
            {
                "schema": 1,
                "name": "toy",
                "device": "toy",
                "runtime": None,
                "dtype": "float32",
                "threads": 1,
                "batch": 1,
                "resolution": 8,
                "channels": 3,
                "classes": 5,
                "source": "made up",
                "licence": "none",
                "operators": [{"key": key, "position": position, "ms": ms} for key, position, ms in listed],
                "groups": [{"keys": keys, "ms": ms} for keys, ms in groups],
                **fields,
            }
        )

    return make
