"""Which weights of a network the largest one has too, and whether it is the largest."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nas.choices import Choice
from nas.elastic import ElasticConv2d, ElasticLinear, OperatorChoice
from nas.supernet import Space, Task, open_space
from nas.supernet.nesting import not_bounded, not_nested, outside_largest

TASK = Task(1, 8, 2)


class Operators(nn.Module):
    """A choice between a convolution of few weights and one of many, then an elastic width."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        width = Choice("width", (2, 4))
        self.stem = ElasticConv2d(1, width)
        small, large = ElasticConv2d(width, width, 1), ElasticConv2d(width, width, 3)
        self.operator = OperatorChoice(Choice("operator", ("small", "large")), {"small": small, "large": large})
        self.linear = ElasticLinear(width, task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.operator(self.stem(x)).mean((2, 3)))  # type: ignore[no-any-return]


def test_shares_are_those_counted_by_hand() -> None:
    space = Space("operators", Operators, task=TASK)
    column = space.decisions.column
    rows = np.zeros((4, 2), dtype=np.uint8, order="F")
    rows[:, column["width"]], rows[:, column["operator"]] = [0, 1, 0, 1], [0, 0, 1, 1]
    # Width 2: stem 2, operator 4, linear 2 * 2 + 2. Width 4: stem 4, operator 16, linear 4 * 2 + 2.
    assert outside_largest(space, rows) == pytest.approx([4 / 12, 16 / 30, 0, 0])
    why = not_nested(space)
    assert why is not None
    assert "53% of their weights" in why
    assert not_bounded(space) is None


@pytest.mark.parametrize("name", ["mbconv:attentive", "mbconv:ofa", "mbconv:single-path", "vit:autoformer-t"])
def test_elastic_spaces_are_nested_and_bounded(name: str) -> None:
    space = open_space(name)
    assert not_nested(space) is None
    assert not_bounded(space) is None


def test_a_choice_of_operators_is_not_nested() -> None:
    assert not_nested(open_space("cells:nas-bench-201")) is not None
    assert not_nested(open_space("mbconv:spos")) is not None
    assert not_bounded(open_space("mbconv:spos")) is not None
