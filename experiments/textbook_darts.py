"""Differentiable search as its papers' text has it, in plain torch: the side that `darts_step.py` compares with.

Every operator of every edge is computed apart, maps are in torch's default layout, and both gradients come from full backward
passes over weights and architecture parameters together. Networks: that of DARTS (Liu et al., 2019) for small images, and
that of NAS-Bench-201 (Dong & Yang, 2020), without scale and shift in the norms.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn


def norm(channels: int) -> nn.Module:
    """A batch norm without scale, shift and running statistics."""
    return nn.BatchNorm2d(channels, affine=False, track_running_stats=False)


def conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1) -> nn.Module:
    """A convolution that keeps the map's side at stride 1."""
    return nn.Conv2d(in_channels, out_channels, kernel, stride, dilation * (kernel // 2), dilation, groups, bias=False)


class None_(nn.Module):
    """Zeros."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, :: self.stride, :: self.stride] * 0.0


class Reduction(nn.Module):
    """Factorised reduction of a map of even side."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.first, self.second = (conv(in_channels, channels // 2, 1, 2) for _ in range(2))
        self.norm = norm(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(x)
        return self.norm(torch.cat([self.first(x), self.second(x[:, :, 1:, 1:])], 1))


def unit(in_channels: int, channels: int, kernel: int, stride: int = 1) -> nn.Module:
    """ReLU, convolution, norm."""
    return nn.Sequential(nn.ReLU(), conv(in_channels, channels, kernel, stride), norm(channels))


def separable(channels: int, kernel: int, stride: int, dilation: int = 1) -> list[nn.Module]:
    """ReLU, depthwise and 1 x 1 convolution, norm."""
    depthwise = conv(channels, channels, kernel, stride, dilation, channels)
    return [nn.ReLU(), depthwise, conv(channels, channels, 1), norm(channels)]


def darts_operators(channels: int, stride: int) -> nn.ModuleList:
    """The eight operators of DARTS."""
    pools = [nn.MaxPool2d(3, stride, 1), nn.AvgPool2d(3, stride, 1, count_include_pad=False)]
    return nn.ModuleList(
        [
            None_(stride),
            *(nn.Sequential(pool, norm(channels)) for pool in pools),
            nn.Identity() if stride == 1 else Reduction(channels, channels),
            *(nn.Sequential(*separable(channels, kernel, stride), *separable(channels, kernel, 1)) for kernel in (3, 5)),
            *(nn.Sequential(*separable(channels, kernel, stride, dilation=2)) for kernel in (3, 5)),
        ]
    )


def mixed(operators: nn.ModuleList, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """An edge: the weighted sum of its operators."""
    return sum(weight * operator(x) for weight, operator in zip(weights, operators, strict=True))  # type: ignore[return-value]


class DartsCell(nn.Module):
    """Two inputs, four nodes, each the sum of the edges from all states before it."""

    def __init__(self, before: int, previous: int, channels: int, reduces: bool, after_reduction: bool) -> None:
        super().__init__()
        self.reduces = reduces
        self.first = Reduction(before, channels) if after_reduction else unit(before, channels, 1)
        self.second = unit(previous, channels, 1)
        strides = [2 if reduces and source < 2 else 1 for node in range(4) for source in range(2 + node)]
        self.edges = nn.ModuleList(darts_operators(channels, stride) for stride in strides)

    def forward(self, before: torch.Tensor, previous: torch.Tensor, weights: Sequence[torch.Tensor]) -> torch.Tensor:
        states = [self.first(before), self.second(previous)]
        edges = iter(zip(self.edges, weights, strict=True))
        for _ in range(4):
            states.append(sum(mixed(*_with(next(edges), state)) for state in states))  # type: ignore[arg-type]
        return torch.cat(states[2:], 1)


def _with(edge: tuple[nn.Module, torch.Tensor], state: torch.Tensor) -> tuple[nn.ModuleList, torch.Tensor, torch.Tensor]:
    operators, weights = edge
    return operators, state, weights  # type: ignore[return-value]


class Darts(nn.Module):
    """The network that DARTS searches; one vector of architecture parameters for each of 28 edges."""

    edges = 28
    operators = 8

    def __init__(self, channels: int = 16, cells: int = 8, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 3 * channels, 3), norm(3 * channels))
        before = previous = 3 * channels
        self.cells = nn.ModuleList()
        after_reduction = False
        for index in range(cells):
            reduces = index in (cells // 3, 2 * cells // 3)
            channels *= 2 if reduces else 1
            self.cells.append(DartsCell(before, previous, channels, reduces, after_reduction))
            before, previous, after_reduction = previous, 4 * channels, reduces
        self.linear = nn.Linear(previous, classes)

    def forward(self, images: torch.Tensor, alphas: Sequence[torch.Tensor]) -> torch.Tensor:
        weights = [alpha.softmax(0) for alpha in alphas]
        before = previous = self.stem(images)
        for cell in self.cells:
            before, previous = previous, cell(before, previous, weights[14:] if cell.reduces else weights[:14])
        return self.linear(previous.mean((2, 3)))


class BenchCell(nn.Module):
    """Four nodes; six edges in the order of their ends."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(
            nn.ModuleList(
                [
                    None_(1),
                    nn.Identity(),
                    nn.AvgPool2d(3, 1, 1, count_include_pad=False),
                    unit(channels, channels, 1),
                    unit(channels, channels, 3),
                ]
            )
            for _ in range(6)
        )

    def forward(self, x: torch.Tensor, weights: Sequence[torch.Tensor]) -> torch.Tensor:
        states = [x]
        edges = iter(zip(self.edges, weights, strict=True))
        for _ in range(3):
            states.append(sum(mixed(*_with(next(edges), state)) for state in states))  # type: ignore[arg-type]
        return states[-1]


class BenchReduction(nn.Module):
    """The residual block between stages."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.first, self.second = unit(in_channels, channels, 3, 2), unit(channels, channels, 3)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, 2), conv(in_channels, channels, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.shortcut(x) + self.second(self.first(x))


class Bench(nn.Module):
    """The network of NAS-Bench-201; one vector of architecture parameters for each of six edges."""

    edges = 6
    operators = 5

    def __init__(self, channels: int = 16, cells: int = 5, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, channels, 3), norm(channels))
        layers: list[nn.Module] = []
        for stage in range(3):
            if stage:
                layers.append(BenchReduction(channels, 2 * channels))
                channels *= 2
            layers += [BenchCell(channels) for _ in range(cells)]
        self.layers = nn.ModuleList(layers)
        self.norm = norm(channels)
        self.linear = nn.Linear(channels, classes)

    def forward(self, images: torch.Tensor, alphas: Sequence[torch.Tensor]) -> torch.Tensor:
        weights = [alpha.softmax(0) for alpha in alphas]
        x = self.stem(images)
        for layer in self.layers:
            x = layer(x, weights) if isinstance(layer, BenchCell) else layer(x)
        return self.linear(torch.relu(self.norm(x)).mean((2, 3)))


Network = Darts | Bench


class Search:
    """The step of DARTS on a network: a batch of its own for the architecture parameters, then the weights."""

    def __init__(self, network: Network, alphas: Sequence[torch.Tensor], second_order: bool) -> None:
        self.network = network
        self.alphas = [alpha.detach().clone().requires_grad_() for alpha in alphas]
        self.second_order = second_order
        self.sgd = torch.optim.SGD(network.parameters(), lr=0.025, momentum=0.9, weight_decay=3e-4)
        self.adam = torch.optim.Adam(self.alphas, lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)

    def step(self, images: torch.Tensor, labels: torch.Tensor, held: torch.Tensor, held_labels: torch.Tensor) -> None:
        """One step of both."""
        self.adam.zero_grad()
        if self.second_order:
            self._unrolled(images, labels, held, held_labels)
        else:
            F.cross_entropy(self.network(held, self.alphas), held_labels).backward()
        self.adam.step()
        self.sgd.zero_grad()
        F.cross_entropy(self.network(images, self.alphas), labels).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.sgd.step()

    def _unrolled(self, images: torch.Tensor, labels: torch.Tensor, held: torch.Tensor, held_labels: torch.Tensor) -> None:
        rate, parameters = 0.025, list(self.network.parameters())
        gradients = torch.autograd.grad(F.cross_entropy(self.network(images, self.alphas), labels), parameters)
        ahead = copy.deepcopy(self.network)
        with torch.no_grad():
            for weight, own, gradient in zip(ahead.parameters(), parameters, gradients, strict=True):
                buffer = self.sgd.state[own].get("momentum_buffer")
                step = gradient + 3e-4 * own + (0.0 if buffer is None else 0.9 * buffer)
                weight -= rate * step
        alphas = [alpha.detach().clone().requires_grad_() for alpha in self.alphas]
        F.cross_entropy(ahead(held, alphas), held_labels).backward()
        vector = [weight.grad for weight in ahead.parameters()]
        radius = 0.01 / torch.cat([part.flatten() for part in vector]).norm()
        sides = []
        for sign in (1, -2):
            with torch.no_grad():
                for weight, part in zip(parameters, vector, strict=True):
                    weight += sign * radius * part
            loss = F.cross_entropy(self.network(images, self.alphas), labels)
            sides.append(torch.autograd.grad(loss, self.alphas))
        with torch.no_grad():
            for weight, part in zip(parameters, vector, strict=True):
                weight += radius * part
        for alpha, direct, plus, minus in zip(self.alphas, alphas, *sides, strict=True):
            alpha.grad = direct.grad - rate * (plus - minus) / (2 * radius)


def copy_weights(ours: nn.Module, theirs: Network) -> None:
    """Give the textbook network the weights of a supernet's convolutions and linear layers, which come in the same order."""
    mine = [p for name, p in ours.named_parameters() if "norm" not in name and "stem.1" not in name]
    other = list(theirs.parameters())
    with torch.no_grad():
        for source, target in zip(mine, other, strict=True):
            target.copy_(source)
