"""Which choices a supernet's modules follow."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.base.errors import NasError
from nas.choices import Choice
from nas.elastic import Depth, ElasticConv2d, ElasticLinear
from nas.supernet import Space, Task


class Chain(nn.Module):
    """A depth of a single option, which is no decision, and a width that is one."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        width = Choice("width", (8, 16))
        self.blocks = Depth([ElasticConv2d(task.channels, task.channels, 3) for _ in range(2)], Choice("depth", (2,)))
        self.conv = ElasticConv2d(task.channels, width)
        self.head = ElasticLinear(width, task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(self.blocks(x)).mean((2, 3)))


class Forgetful(Chain):
    """It holds a searched module that its forward never runs."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.unused = ElasticConv2d(3, 4, Choice("kernel", (3, 5)))


def test_a_choice_of_one_option_may_steer_a_module() -> None:
    space = Space("chain", Chain, task=Task(3, 8, 5))
    supernet = space.supernet(3, 8, 5)
    images = torch.zeros(2, 3, 8, 8)
    for architecture in (space.smallest, space.largest):
        supernet.activate(architecture)
        assert torch.equal(supernet(images), supernet.extract(architecture)(images))


def test_a_searched_module_that_is_never_run_is_told() -> None:
    space = Space("forgetful", Forgetful, task=Task(3, 8, 5))
    with pytest.raises(NasError, match=r"unused: choice 'kernel' is held by a module that forward never runs"):
        space.supernet(3, 8, 5)
