"""PC-DARTS: partial channels against operators built at a quarter of the width, edge weights, derivation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_relaxation import WIDTH, Relaxable, relaxable_space, searching
from tiny_training import TASK, same, weights
from torch import nn

from nas.elastic import ElasticBatchNorm2d, ElasticConv2d
from nas.elastic.narrowing import narrowable, narrowed
from nas.supernet import open_space
from nas.training import train
from nas.training.differentiable.partial_channels import divisible_places, partly_mixed, shuffled
from nas.training.trainers.pc_darts import PcDarts
from search_spaces.cells import darts_space
from search_spaces.cells.operators import DARTS_OPERATORS, Place


def copied(layer: nn.Module, small: nn.Module) -> None:
    """Give a narrow layer the first rows and columns of a wide one."""
    for name, parameter in small.named_parameters():
        cut = tuple(slice(size) for size in parameter.shape)
        parameter.data.copy_(layer.get_parameter(name)[cut])


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [5, 6])
def test_operators_on_a_part_of_the_channels_are_operators_of_that_width(stride: int, side: int) -> None:
    wide, small = (
        nn.ModuleList(make(Place(width, width, stride, side)) for make in DARTS_OPERATORS.values()).train() for width in (8, 2)
    )
    copied(wide, small)
    weight = torch.randn(8).softmax(0).requires_grad_()
    x = torch.randn(3, 8, side, side)
    with narrowed([wide], 4):
        found = partly_mixed(weight, wide, x, 4)
    mixed = sum(factor * operator(x[:, :2]) for factor, operator in zip(weight, small, strict=True))
    passing = x[:, 2:] if stride == 1 else F.max_pool2d(F.pad(x[:, 2:], (0, side % 2, 0, side % 2), value=-9.0), 2)
    joined = torch.cat([mixed, passing], 1)  # type: ignore[list-item]
    order = [group * 2 + member for member in range(2) for group in range(4)]  # one channel of each quarter in turn
    torch.testing.assert_close(found, joined[:, order])
    found.square().sum().backward()
    assert weight.grad is not None and weight.grad.abs().min() >= 0
    depthwise = wide[4][0].conv.weight.grad  # type: ignore[index,union-attr]
    assert depthwise[:2].abs().min() > 0 and not depthwise[2:].any()  # type: ignore[index,union-attr]


def test_the_shuffle_takes_a_channel_of_each_group_in_turn() -> None:
    x = torch.arange(12.0).view(1, 12, 1, 1)
    assert shuffled(x, 4).flatten().tolist() == [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]


def test_elastic_layers_are_narrowed_too_and_then_wide_again() -> None:
    def layers(width: int) -> nn.Module:
        return nn.Sequential(
            ElasticConv2d(width, 2 * width, 1, bias=True),
            ElasticBatchNorm2d(2 * width),
            ElasticConv2d(2 * width, 2 * width, 3, groups=2 * width),
            ElasticConv2d(2 * width, width, 1, groups=2),
        )

    wide, small = layers(8), layers(2)
    copied(wide, small)
    x = torch.randn(2, 8, 5, 5)
    before = wide(x)
    with narrowed([wide], 4):
        torch.testing.assert_close(wide(x[:, :2]), small(x[:, :2]))
    torch.testing.assert_close(wide(x), before)


def test_what_cannot_be_divided_is_mixed_whole() -> None:
    assert narrowable(nn.Conv2d(8, 8, 1), 4) and not narrowable(nn.Conv2d(6, 8, 1), 4)
    assert not narrowable(nn.LayerNorm(8), 4)
    with torch.device("meta"):
        network = Relaxable(TASK)
        relaxation = relaxable_space().relax(network)
        assert len(divisible_places(network, relaxation, TASK, 4)) == 3
        assert not divisible_places(network, relaxation, TASK, 3)
    space = open_space("mbconv:proxyless")
    with torch.device("meta"):
        network = space.build(space.task)
        relaxation = space.relax(network)
        divided = divisible_places(network, relaxation, space.task, 4)
    whole = [edge.name for edge in relaxation.edges if not set(edge.places) <= divided]
    assert whole == [edge.name for edge in relaxation.edges if "skip" not in edge.operators]  # those that change the width


def test_edges_of_a_node_share_one_softmax_and_scores_are_products() -> None:
    trainer = PcDarts()
    space = darts_space(4, 3)
    searching(trainer, space.supernet(3, 8, 4))
    with torch.no_grad():
        for parameter in trainer.state.parameters():
            parameter.normal_()
    operators = [alpha.softmax(0).detach().numpy() for alpha in trainer.state.alphas.values()]
    edges = np.concatenate([beta.softmax(0).detach().numpy() for beta in trainer.state.betas.values()])
    assert len(edges) == 28 and edges.sum() == pytest.approx(8)
    for score, operator, edge in zip(trainer.scores(), operators, edges, strict=True):
        np.testing.assert_allclose(score, operator * edge, rtol=1e-6)


def test_edge_weights_scale_what_passes_by_as_well() -> None:
    trainer = PcDarts()
    stepper = searching(trainer)
    x = torch.randn(2, 1, 16, 16)
    network = stepper.supernet.network.train()
    halved = [weight.detach() for weight in trainer.weights()]
    for number in range(3, 6):
        halved[number] = halved[number] / 2
    with trainer.mixed(trainer.weights()):
        whole = network.edges(network.stem(x))  # type: ignore[operator]
    first = network.edges[0]  # type: ignore[index]
    with trainer.mixed(halved):
        part = first(network.stem(x))  # type: ignore[operator]
    with trainer.mixed(trainer.weights()):
        torch.testing.assert_close(part * 2, first(network.stem(x)))  # type: ignore[operator]
    assert whole.shape == (2, WIDTH, 4, 4)
    assert first.policy is None and "forward" not in first.candidates[2][1].__dict__


def test_a_resumed_search_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    whole, second = PcDarts(), PcDarts()
    uninterrupted = searching(whole, steps=4, frozen_epochs=25)
    train(uninterrupted)
    for _ in range(2):  # the first one stops after three steps, the second one goes on
        second = PcDarts()
        stepper = searching(second, steps=4, frozen_epochs=25)
        run = stepper.run

        def stopping(step: int, stepper: object = stepper, run: object = run) -> float:
            total: float = run(step)  # type: ignore[operator]
            stepper.stopping = step == 2  # type: ignore[attr-defined]
            return total

        stepper.run = stopping  # type: ignore[method-assign]
        try:
            train(stepper, tmp_path / "checkpoint")
        except KeyboardInterrupt:
            continue
    assert same(weights(stepper.supernet), weights(uninterrupted.supernet))
    assert same(second.state.state_dict(), whole.state.state_dict())


def test_spaces_that_cannot_be_divided_are_refused() -> None:
    assert PcDarts.misfit(relaxable_space(), PcDarts.defaults) is None
    why = PcDarts.misfit(relaxable_space(), PcDarts.defaults.changed({"channel_parts": 5}))
    assert why is not None and "5 equal parts" in why
