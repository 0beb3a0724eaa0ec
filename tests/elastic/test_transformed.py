"""Learned kernel transform: smaller kernels as linear functions of larger ones, in the supernet and out of it."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nas.choices import Choice, Value
from nas.elastic import DirectGradients, ElasticConv2d, ElasticLinear, ElasticTransformedConv2d
from nas.supernet import Space, Supernet, Task

KERNEL = Choice("kernel", (3, 5, 7))
WIDTH = Choice("width", (4, 6))


class Transformed(nn.Module):
    """A depthwise and an ordinary convolution with learned kernels."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        other = Choice("other", (1, 5))
        self.stem = ElasticConv2d(task.channels, WIDTH, 3)
        self.depthwise = ElasticTransformedConv2d(WIDTH, WIDTH, KERNEL, groups=WIDTH)
        self.dense = ElasticTransformedConv2d(WIDTH, 8, other, stride=2, bias=True)
        self.head = ElasticLinear(8, task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.dense(torch.tanh(self.depthwise(self.stem(x))))).mean((2, 3)))


@pytest.fixture(scope="module")
def space() -> Space:
    return Space("transformed", Transformed, task=Task(3, 9, 5))


@pytest.fixture
def supernet(space: Space) -> Supernet:
    """With matrices that are no longer the identity."""
    supernet = space.supernet(3, 9, 5, seed=3)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return supernet


def rows(space: Space) -> np.ndarray:
    return space.decisions.check(list(itertools.product(*map(range, space.decisions.cardinalities))))


def layer(kernel: Value = KERNEL, seed: int = 0) -> ElasticTransformedConv2d:
    """Four depthwise channels with random kernels and random matrices."""
    made = ElasticTransformedConv2d(4, 4, kernel, groups=4)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return made


def expected_kernel(made: ElasticTransformedConv2d, kernel: int) -> torch.Tensor:
    """Element by element from the definition: out[i] = sum over j of matrix[i, j] centre[j], 7 -> 5 -> 3."""
    current = made.weight.detach()
    for side in (5, 3):
        if kernel > side:
            break
        matrix = next(p for p in made.parameters() if p.shape == (side**2, side**2)).detach()
        made_smaller = torch.zeros(4, 1, side, side)
        for channel in range(4):
            centre = [float(current[channel, 0, 1 + y, 1 + x]) for y in range(side) for x in range(side)]
            for place in range(side**2):
                total = sum(float(matrix[place, j]) * centre[j] for j in range(side**2))
                made_smaller[channel, 0, place // side, place % side] = total
        current = made_smaller
    return current


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_a_kernel_is_made_step_by_step_from_the_largest(kernel: int) -> None:
    made = layer()
    assert [tuple(p.shape) for p in made.parameters()] == [(4, 1, 7, 7), (25, 25), (9, 9)]
    made.activate((4, 4, kernel, 4))
    weight = expected_kernel(made, kernel)
    x = torch.randn(2, 4, 9, 9, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(made(x), F.conv2d(x, weight, padding=kernel // 2, groups=4), atol=1e-4, rtol=1e-5)
    static = made.static()
    assert isinstance(static, nn.Conv2d)
    torch.testing.assert_close(static.weight.detach(), weight, atol=1e-4, rtol=1e-5)
    assert sum(p.numel() for p in static.parameters()) == 4 * kernel**2, "what is extracted has no matrices"


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_it_begins_as_the_centre_of_the_largest_kernel(kernel: int) -> None:
    made = ElasticTransformedConv2d(4, 4, KERNEL, groups=4)
    plain = ElasticConv2d(4, 4, KERNEL, groups=4)
    plain.load_state_dict({"weight": made.weight.detach()})
    x = torch.randn(2, 4, 9, 9)
    for one in (made, plain):
        one.activate((4, 4, kernel, 4))
    torch.testing.assert_close(made(x), plain(x))
    border = (7 - kernel) // 2
    assert torch.equal(made.static().get_parameter("weight"), made.weight[:, :, border : 7 - border, border : 7 - border])


def test_switching_back_and_forth_changes_nothing() -> None:
    made, x = layer(), torch.randn(1, 4, 9, 9)
    first = {}
    for kernel in (7, 3, 5, 3, 7, 5):
        made.activate((4, 4, kernel, 4))
        assert torch.equal(made(x), first.setdefault(kernel, made(x)))


def test_one_kernel_needs_no_matrix() -> None:
    assert [name for name, _ in layer(5).named_parameters()] == ["weight"]


def test_supernet_and_extracted_agree_and_costs_leave_the_matrices_out(space: Space, supernet: Supernet) -> None:
    images = torch.randn(5, 3, 9, 9)
    outputs = []
    for row in rows(space):
        supernet.activate(row)
        extracted = supernet.extract(row)
        for batch in (1, 5):
            torch.testing.assert_close(supernet(images[:batch]), extracted(images[:batch]), atol=1e-6, rtol=1e-5)
        assert sum(p.numel() for p in extracted.parameters()) == space.cost("params", row[None])[0]
        outputs.append(supernet(images))
    for one, other in itertools.combinations(outputs, 2):
        assert (one - other).abs().max() > 1e-5


STEPS: list[list[dict[str, int]]] = [
    [{"width": 6, "kernel": 7, "other": 5}],
    [{"width": 4, "kernel": 5, "other": 5}],
    [{"width": 4, "kernel": 3, "other": 1}, {"width": 6, "kernel": 5, "other": 1}],
    [{"width": 6, "kernel": 7, "other": 1}, {"width": 6, "kernel": 3, "other": 5}, {"width": 6, "kernel": 3, "other": 5}],
]


def backward(supernet: Supernet, architectures: list[dict[str, int]]) -> dict[str, torch.Tensor | None]:
    images = torch.randn(7, 3, 9, 9, generator=torch.Generator().manual_seed(5))
    for architecture in architectures:
        supernet.activate(architecture)
        F.cross_entropy(supernet(images), torch.arange(7) % 5).backward()
    return {name: None if p.grad is None else p.grad.clone() for name, p in supernet.named_parameters()}


def test_gradients_added_directly_equal_the_ordinary_ones(supernet: Supernet) -> None:
    expectations = [backward(copy.deepcopy(supernet), architectures) for architectures in STEPS]
    with DirectGradients(supernet) as direct:
        for architectures, expected in zip(STEPS, expectations, strict=True):
            direct.begin()
            backward(supernet, architectures)
            direct.end()
            found = {name: p.grad for name, p in supernet.named_parameters()}
            for name, gradient in expected.items():
                assert (found[name] is None) == (gradient is None), name
                if gradient is not None:
                    assert gradient.abs().max() > 0
                    torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-5)


def test_a_matrix_learns_only_where_its_step_is_taken(supernet: Supernet) -> None:
    learns = []
    for kernel in (7, 5, 3):
        gradients = backward(copy.deepcopy(supernet), [{"width": 6, "kernel": kernel, "other": 5}])
        learns.append([g is not None for name, g in gradients.items() if "depthwise.steps" in name])
    assert learns == [[False, False], [True, False], [True, True]]


def test_the_border_of_the_largest_kernel_learns_only_from_the_largest(supernet: Supernet) -> None:
    for kernel in (5, 3):
        gradient = backward(copy.deepcopy(supernet), [{"width": 6, "kernel": kernel, "other": 5}])
        weight = gradient["network.depthwise.weight"]
        assert weight is not None
        assert weight[..., 1:-1, 1:-1].abs().min() > 0, "every place of the centre feeds the smaller kernel"
        weight[..., 1:-1, 1:-1] = 0
        assert not weight.any()
