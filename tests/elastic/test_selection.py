"""Graphs whose connections are searched: the supernet, the extracted network and the costs agree, and weights are those of the
states in use."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nas.base.errors import NasError
from nas.choices import Choice, all_of, bounds, negation
from nas.elastic import (
    Concatenation,
    DirectGradients,
    ElasticBatchNorm2d,
    InputChoice,
    OperatorChoice,
    SelectedConv2d,
    SelectedLinear,
    SelectedSum,
    Selection,
)
from nas.supernet import Space, Supernet, Task

TASK = Task(3, 8, 5)
SOURCE = Choice("source", (0, 1, 2))
USES = [Choice(f"use{index}", (False, True)) for index in range(3)]
OPERATOR = Choice("operator", ("pool", "conv"))


def used(index: int) -> object:
    return USES[index].equals(True)


def some() -> list[object]:
    """The first state where nothing else is in use."""
    none_else = all_of([negation(used(1)), negation(used(2))])  # type: ignore[list-item]
    return [none_else, used(1), used(2)]


class States(nn.Module):
    """Three states of one image, what is in question, mean over the map, classes."""

    def __init__(self, widths: tuple[int, int, int], middle: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.stems = nn.ModuleList([nn.Conv2d(3, width, 3, padding=1) for width in widths])
        self.middle = middle
        self.head = head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states = [torch.tanh(stem(x)) for stem in self.stems]
        return self.head(self.middle(*states).mean((2, 3)))


class Then(nn.Module):
    def __init__(self, first: nn.Module, *rest: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.rest = nn.Sequential(*rest)

    def forward(self, *states: torch.Tensor) -> torch.Tensor:
        return self.rest(self.first(*states))


def conv(in_channels: int, out_channels: int, kernel: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2), ElasticBatchNorm2d(out_channels))


def chosen_operator(width: int) -> nn.Module:
    return OperatorChoice(OPERATOR, {"pool": nn.AvgPool2d(3, 1, 1), "conv": conv(width, width, 3)})


def picks_an_input(task: Task) -> nn.Module:
    branches = [chosen_operator(4), conv(4, 4), nn.Identity()]
    return States((4, 4, 4), InputChoice(SOURCE, branches), nn.Linear(4, task.classes))


def sums(task: Task) -> nn.Module:
    node = SelectedSum(some(), [conv(4, 4), nn.Identity(), chosen_operator(4)])  # type: ignore[arg-type]
    return States((4, 4, 4), node, nn.Linear(4, task.classes))


def sums_or_nothing(task: Task) -> nn.Module:
    conditions = [used(0), used(1), used(2)]
    node = SelectedSum(conditions, [conv(4, 4), nn.Identity(), conv(4, 4)], empty=nn.AvgPool2d(3, 1, 1))  # type: ignore[arg-type]
    return States((4, 4, 4), node, nn.Linear(4, task.classes))


def concatenates(task: Task) -> nn.Module:
    selection = Selection.of(some(), (4, 6, 2))  # type: ignore[arg-type]
    joined = Concatenation(selection, [nn.Identity(), conv(3, 6), nn.Identity()])
    after = [nn.ReLU(), SelectedConv2d(selection, 7, stride=2, bias=True), ElasticBatchNorm2d(7), nn.ReLU()]
    return States((4, 3, 2), Then(joined, *after), nn.Linear(7, task.classes))


def concatenates_for_the_head(task: Task) -> nn.Module:
    selection = Selection.of(some(), (4, 6, 2))  # type: ignore[arg-type]
    return States((4, 6, 2), Concatenation(selection), SelectedLinear(selection, task.classes))


NETWORKS: dict[str, Callable[[Task], nn.Module]] = {
    network.__name__: network for network in (picks_an_input, sums, sums_or_nothing, concatenates, concatenates_for_the_head)
}
SIZES = {
    "picks_an_input": 2 + 1 + 1,
    "sums": 1 + 1 + 2 + 2,
    "sums_or_nothing": 8,
    "concatenates": 4,
    "concatenates_for_the_head": 4,
}


def images(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


def rows_of(space: Space) -> np.ndarray:
    grid = np.array(list(itertools.product(*(range(len(choice.options)) for choice in space.decisions.choices))))
    return np.unique(space.decisions.check(grid), axis=0)


def supernet_of(space: Space) -> Supernet:
    return space.supernet(TASK.channels, TASK.resolution, TASK.classes, seed=3)


@pytest.fixture(scope="module", params=NETWORKS)
def space(request: pytest.FixtureRequest) -> Space:
    return Space(request.param, NETWORKS[request.param], task=TASK)


def test_decisions_matter_where_they_are_read(space: Space) -> None:
    assert space.size == SIZES[space.name] == len(rows_of(space))


def test_supernet_and_extracted_agree_for_every_option(space: Space) -> None:
    supernet = supernet_of(space)
    seen: list[torch.Tensor] = []
    for row in rows_of(space):
        supernet.activate(row)
        statistics = supernet.calibrate([images(6, 1)])
        extracted = supernet.extract(row, statistics).eval()
        supernet.eval()
        with supernet.using(statistics), torch.no_grad():
            for batch in (1, 5):
                torch.testing.assert_close(extracted(images(batch)), supernet(images(batch)), atol=1e-6, rtol=1e-5)
            seen.append(supernet(images(5)))
        assert sum(p.numel() for p in extracted.parameters()) == space.cost("params", row[None])[0]
        assert all(type(module).__module__.startswith("torch.") for module in list(extracted.modules())[1:])
    for first, second in itertools.combinations(seen, 2):
        assert (first - second).abs().max() > 1e-6, "two architectures of this space compute the same"


def test_multiply_adds_are_those_of_the_extracted_network(space: Space) -> None:
    supernet = supernet_of(space)
    for row in rows_of(space):
        extracted = supernet.extract(row)
        counted = 0

        def count(module: nn.Module, _: object, output: torch.Tensor) -> None:
            nonlocal counted
            counted += output.numel() * module.weight[0].numel()  # type: ignore[index, operator, union-attr]

        for module in extracted.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_hook(count)
        extracted.eval()(images(1))
        assert space.cost("macs", row[None])[0] == counted


def test_gradients_written_directly_are_those_of_autograd(space: Space) -> None:
    supernet = supernet_of(space)
    for row in rows_of(space):
        supernet.activate(row)
        supernet.train()
        supernet.zero_grad(set_to_none=True)
        supernet(images(4)).square().sum().backward()
        expected = {name: p.grad.clone() for name, p in supernet.named_parameters() if p.grad is not None}
        supernet.zero_grad(set_to_none=True)
        with DirectGradients(supernet) as gradients:
            supernet.activate(row)
            gradients.begin()
            supernet(images(4)).square().sum().backward()
            gradients.end()
            found = {name: p.grad for name, p in supernet.named_parameters() if p.grad is not None}
            assert set(expected) <= set(found)
            for name, gradient in found.items():
                torch.testing.assert_close(gradient, expected.get(name, torch.zeros_like(gradient)))


def test_memory_is_not_held_for_what_is_not_in_use() -> None:
    """States of 4, 6 and 2 channels from an image of 3; what no one reads is not held while the next state is made."""
    space = Space("concatenates", concatenates_for_the_head, task=TASK)
    pixels, names = 8 * 8 * 4, space.decisions.names
    settings = [(False, False), (True, False), (False, True), (True, True)]
    rows = space.encode([{name: dict(zip(("use1", "use2"), pair, strict=True))[name] for name in names} for pair in settings])
    only_first = 3 + 4 + 6
    only_second = 6 + 6
    only_third = 3 + 6
    second_and_third = (6 + 2) + (6 + 2)
    expected = np.array([only_first, only_second, only_third, second_and_third]) * pixels
    assert space.cost("memory", rows).tolist() == expected.tolist()


@pytest.mark.parametrize("mask", range(1, 8))
def test_a_selected_convolution_has_the_weights_of_the_states_in_use(mask: int) -> None:
    layer = SelectedConv2d(Selection(SOURCE + 1, (2, 3, 4)), 5, stride=2, bias=True)
    layer.activate((mask,))
    states = [place for place in range(3) if mask >> place & 1]
    weight = torch.cat([layer.get_parameter(f"weight{place}") for place in states], 1)
    x = torch.randn(2, weight.shape[1], 6, 6)
    torch.testing.assert_close(layer(x), F.conv2d(x, weight, layer.bias, 2))
    twin = layer.static()
    assert type(twin) is nn.Conv2d
    assert (twin.in_channels, twin.out_channels, twin.stride) == (weight.shape[1], 5, (2, 2))
    torch.testing.assert_close(twin(x), layer(x))
    assert twin.weight.data_ptr() not in [parameter.data_ptr() for parameter in layer.parameters()]


def test_a_selection_knows_its_width() -> None:
    selection = Selection.of(some(), (4, 6, 2))  # type: ignore[arg-type]
    assert bounds(selection.width) == (2, 8)
    assert Selection(0b101, (4, 6, 2)).width == 6
    assert Selection(0b101, (4, 6, 2)).conditions == (True, False, True)


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(NasError, match="index from 0 to 2 does not fit 2 branches"):
        InputChoice(SOURCE, [nn.Identity(), nn.Identity()])
    with pytest.raises(NasError, match="no condition of a sum holds"):
        SelectedSum([used(0), used(1)], [nn.Identity(), nn.Identity()])  # type: ignore[list-item]
    with pytest.raises(NasError, match="one condition for each branch"):
        SelectedSum([True], [nn.Identity(), nn.Identity()])
    with pytest.raises(NasError, match="2 branches were given 1"):
        InputChoice(0, [nn.Identity(), nn.Identity()])(torch.ones(1))
    with pytest.raises(NasError, match="1 to 16 states"):
        Selection(1, [])


def test_states_of_another_size_are_told_with_their_place() -> None:
    def network(task: Task) -> nn.Module:
        selection = Selection.of(some(), (4, 4, 4))  # type: ignore[arg-type]
        joined = Concatenation(selection, [nn.Identity(), nn.MaxPool2d(2), nn.Identity()])
        return States((4, 4, 4), joined, SelectedLinear(selection, task.classes))

    with pytest.raises(NasError, match=r"^middle: concatenated states need the same shape"):
        Space("sizes", network, task=TASK)


def test_a_width_that_is_not_the_selections_is_told() -> None:
    def network(task: Task) -> nn.Module:
        selection = Selection.of(some(), (4, 6, 2))  # type: ignore[arg-type]
        return States((4, 4, 2), Concatenation(selection), SelectedLinear(selection, task.classes))

    with pytest.raises(NasError, match=r"^middle: a state and its width in the selection"):
        Space("widths", network, task=TASK)
