"""Expected costs against the mean over all architectures, each weighed with its probability."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from nas.architectures import Decisions
from nas.base.errors import NasError
from nas.choices import Choice
from nas.costs import compile_cost, expected
from nas.costs.compiled import CompiledCost, Term
from nas.elastic import Depth, ElasticConv2d, ElasticLinear
from nas.supernet import Space, Task

WIDTH, DEPTH = Choice("width", (2, 4, 6)), Choice("depth", (1, 2, 3))
KERNELS = [Choice(f"kernel{place}", (1, 3, 5)) for place in range(3)]


class Network(nn.Module):
    """Width ties all layers together, depth switches the last ones off."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.stem = ElasticConv2d(task.channels, WIDTH, 3)
        self.blocks = Depth([ElasticConv2d(WIDTH, WIDTH, kernel) for kernel in KERNELS], DEPTH)
        self.linear = ElasticLinear(WIDTH, task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.blocks(self.stem(x)).mean((2, 3)))  # type: ignore[no-any-return]


SPACE = Space("tiny", Network, task=Task(1, 8, 3))


def drawn(cost: CompiledCost, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = cost.decisions.cardinalities.tolist()
    return [torch.rand(n, generator=generator, dtype=torch.float64).softmax(0).requires_grad_() for n in sizes]


def enumerated(cost: CompiledCost, probabilities: list[torch.Tensor]) -> torch.Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for codes in itertools.product(*(range(len(part)) for part in probabilities)):
        weight = torch.stack([part[code] for part, code in zip(probabilities, codes, strict=True)]).prod()
        total = total + weight * float(cost(np.array([codes], dtype=np.uint8))[0])
    return total


@pytest.mark.parametrize("metric", ["macs", "params"])
def test_the_expectation_is_that_of_all_architectures_weighed_with_their_probability(metric: str) -> None:
    cost = SPACE.compiled(metric)
    assert isinstance(cost, CompiledCost)
    probabilities = drawn(cost)
    ours, slow = expected(cost, probabilities), enumerated(cost, probabilities)
    torch.testing.assert_close(ours, slow, rtol=1e-12, atol=0)
    ours_gradients, slow_gradients = (torch.autograd.grad(value, probabilities) for value in (ours, slow))
    for ours_gradient, slow_gradient in zip(ours_gradients, slow_gradients, strict=True):
        torch.testing.assert_close(ours_gradient, slow_gradient, rtol=1e-12, atol=1e-9)


def test_certain_decisions_give_the_cost_of_that_architecture() -> None:
    cost = SPACE.compiled("macs")
    assert isinstance(cost, CompiledCost)
    rows = SPACE.decisions.sample(np.random.default_rng(1), 20)
    for row, value in zip(rows, cost(rows), strict=True):
        certain = [
            torch.eye(int(n), dtype=torch.float64)[code] for n, code in zip(cost.decisions.cardinalities, row, strict=True)
        ]
        assert float(expected(cost, certain)) == pytest.approx(float(value), rel=1e-12)


def test_what_has_no_exact_expectation_is_refused() -> None:
    decisions = SPACE.decisions
    with pytest.raises(NasError, match="maximum"):
        expected(compile_cost(decisions, [], "max"), [])
    cost = SPACE.compiled("macs")
    assert isinstance(cost, CompiledCost)
    with pytest.raises(NasError, match="one tensor for each decision"):
        expected(cost, drawn(cost)[:-1])


def test_a_term_of_too_many_decisions_is_refused() -> None:
    many = [Choice(f"c{place}", tuple(range(10))) for place in range(5)]
    decisions = Decisions(tuple(many), {})
    cost = compile_cost(decisions, [Term(tuple(many), lambda codes: sum(codes[choice.name] for choice in many))])
    with pytest.raises(NasError, match="5 decisions"):
        expected(cost, [torch.full((10,), 0.1) for _ in many])
