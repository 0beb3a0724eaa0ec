"""Gradients added straight into those of the supernet equal the ones that autograd finds through slices."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nas.choices import Choice
from nas.elastic import (
    Depth,
    DirectGradients,
    ElasticBatchNorm2d,
    ElasticConv2d,
    ElasticLayerNorm,
    ElasticLinear,
    ElasticSqueezeExcite,
    OperatorChoice,
    Optional,
)
from nas.supernet import Space, Supernet, Task


class Everything(nn.Module):
    """Each kind of layer once, with widths, kernels, depth and operators to choose."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        width, kernel = Choice("width", (4, 8)), Choice("kernel", (1, 3))
        self.plain = nn.Conv2d(task.channels, 6, 3, padding=1)
        self.stem = nn.Sequential(ElasticConv2d(6, width, kernel, bias=True), ElasticBatchNorm2d(width), nn.ReLU())
        self.depthwise = ElasticConv2d(width, width, kernel, groups=width)
        self.squeeze = Optional(ElasticSqueezeExcite(width, 3), Choice("squeeze", (False, True)))
        blocks = [nn.Sequential(ElasticConv2d(width, width, 3), ElasticBatchNorm2d(width)) for _ in range(2)]
        self.blocks = Depth(blocks, Choice("depth", (0, 1, 2)))
        self.either = OperatorChoice(
            Choice("operator", ("conv", "pool")),
            {"conv": ElasticConv2d(width, width, 3), "pool": nn.AvgPool2d(3, 1, 1)},
        )
        self.norm = ElasticLayerNorm(width)
        self.head = ElasticLinear(width, task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.either(self.blocks(self.squeeze(self.depthwise(self.stem(self.plain(x))))))
        return self.head(self.norm(x.mean((2, 3))))


Architecture = dict[str, object]
SMALL: Architecture = {"width": 4, "kernel": 1, "squeeze": False, "depth": 0, "operator": "pool"}
MIDDLE: Architecture = {"width": 8, "kernel": 1, "squeeze": True, "depth": 1, "operator": "pool"}
LARGE: Architecture = {"width": 8, "kernel": 3, "squeeze": True, "depth": 2, "operator": "conv"}
OTHER: Architecture = {"width": 4, "kernel": 3, "squeeze": False, "depth": 2, "operator": "conv"}

STEPS: list[list[Architecture]] = [
    [SMALL],
    [LARGE],
    [SMALL, LARGE],
    [MIDDLE, OTHER],
    [LARGE, SMALL, MIDDLE, OTHER],
    [SMALL, SMALL],
]
Gradients = dict[str, torch.Tensor | None]


@pytest.fixture(scope="module")
def space() -> Space:
    return Space("everything", Everything, task=Task(3, 6, 5))


@pytest.fixture
def supernet(space: Space) -> Supernet:
    return space.supernet(resolution=6, classes=5, seed=3)


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(7, 3, 6, 6, generator=generator), torch.randint(0, 5, (7,), generator=generator)


def backward(supernet: Supernet, architecture: Architecture, batch: tuple[torch.Tensor, torch.Tensor]) -> float:
    supernet.activate(architecture)
    loss = F.cross_entropy(supernet(batch[0]), batch[1])
    loss.backward()
    return loss.item()


def gradients(supernet: Supernet) -> Gradients:
    return {name: None if p.grad is None else p.grad.clone() for name, p in supernet.named_parameters()}


def ordinary(supernet: Supernet, architectures: list[Architecture], batch: tuple[torch.Tensor, torch.Tensor]) -> Gradients:
    """The gradients by the path through slices, on a copy."""
    twin = copy.deepcopy(supernet)
    for architecture in architectures:
        backward(twin, architecture, batch)
    return gradients(twin)


def assert_same(found: Gradients, expected: Gradients) -> None:
    assert {name for name, g in found.items() if g is None} == {name for name, g in expected.items() if g is None}
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-5, msg=lambda text, n=name: f"{n}: {text}")


@pytest.mark.parametrize("architectures", STEPS)
def test_gradients_equal_the_ordinary_path(
    supernet: Supernet, batch: tuple[torch.Tensor, torch.Tensor], architectures: list[Architecture]
) -> None:
    expected = ordinary(supernet, architectures, batch)
    assert any(gradient is not None and gradient.abs().max() > 1e-4 for gradient in expected.values())
    with DirectGradients(supernet) as direct:
        direct.begin()
        for architecture in architectures:
            backward(supernet, architecture, batch)
        direct.end()
        assert_same(gradients(supernet), expected)


def test_unused_parameters_have_no_gradient(supernet: Supernet, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    with DirectGradients(supernet) as direct:
        direct.begin()
        backward(supernet, SMALL, batch)
        direct.end()
        without = {name for name, gradient in gradients(supernet).items() if gradient is None}
    assert {name.split(".")[1] for name in without} == {"squeeze", "blocks", "either"}


def test_one_step_leaves_nothing_in_the_next(supernet: Supernet, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    expectations = [ordinary(supernet, architectures, batch) for architectures in STEPS]
    with DirectGradients(supernet) as direct:
        for architectures, expected in zip(STEPS, expectations, strict=True):
            direct.begin()
            for architecture in architectures:
                backward(supernet, architecture, batch)
            direct.end()
            assert_same(gradients(supernet), expected)


def test_training_is_the_same_step_by_step(supernet: Supernet, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    twin = copy.deepcopy(supernet)
    settings = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05}
    optimiser, twin_optimiser = (torch.optim.SGD(net.parameters(), **settings) for net in (supernet, twin))
    with DirectGradients(supernet) as direct:
        for architectures in STEPS:
            direct.begin()
            twin_optimiser.zero_grad(set_to_none=True)
            for architecture in architectures:
                assert backward(supernet, architecture, batch) == pytest.approx(backward(twin, architecture, batch), rel=1e-4)
            direct.end()
            optimiser.step()
            twin_optimiser.step()
    for name, parameter in twin.named_parameters():
        torch.testing.assert_close(supernet.get_parameter(name), parameter, atol=1e-5, rtol=1e-4)


def test_weight_decay_and_momentum_leave_unused_parameters_alone(
    supernet: Supernet, batch: tuple[torch.Tensor, torch.Tensor]
) -> None:
    optimiser = torch.optim.SGD(supernet.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    with DirectGradients(supernet) as direct:
        for architecture in (LARGE, SMALL):
            before = {name: parameter.detach().clone() for name, parameter in supernet.named_parameters()}
            direct.begin()
            backward(supernet, architecture, batch)
            direct.end()
            optimiser.step()
            changed = {name for name, p in supernet.named_parameters() if not torch.equal(before[name], p)}
            if architecture is LARGE:
                assert changed == set(before)
    assert {name.split(".")[1] for name in changed} == {"plain", "stem", "depthwise", "norm", "head"}


def test_frozen_parameters_get_no_gradient(supernet: Supernet, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    frozen = ["network.depthwise.weight", "network.plain.weight", "network.stem.0.bias"]
    for name in frozen:
        supernet.get_parameter(name).requires_grad_(False)
    expected = ordinary(supernet, [LARGE], batch)
    with DirectGradients(supernet) as direct:
        direct.begin()
        backward(supernet, LARGE, batch)
        direct.end()
        found = gradients(supernet)
    assert [found[name] for name in frozen] == [None] * 3
    assert_same(found, expected)


def test_leaving_returns_to_the_ordinary_path(supernet: Supernet, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    expected = ordinary(supernet, [MIDDLE], batch)
    with DirectGradients(supernet) as direct:
        direct.begin()
        backward(supernet, LARGE, batch)
        direct.end()
    supernet.zero_grad()
    backward(supernet, MIDDLE, batch)
    assert_same(gradients(supernet), expected)


def test_new_weights_are_seen_through_the_views(supernet: Supernet, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    with DirectGradients(supernet):
        supernet.activate(LARGE)
        before = supernet(batch[0])
        with torch.no_grad():
            for parameter in supernet.parameters():
                parameter.mul_(1.5)
        after = supernet(batch[0])
        expected = supernet.extract(LARGE)(batch[0])
    assert (before - after).abs().max() > 1e-3
    torch.testing.assert_close(after, expected, atol=1e-5, rtol=1e-4)
