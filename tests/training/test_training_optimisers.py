"""Optimisers against their update rules written out, and which parameters weight decay acts on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tiny_training import Scripted, recipe, row, same, stepper, tiny_space, weights
from torch import nn

from nas.elastic import ElasticBatchNorm2d
from nas.supernet import Space
from nas.training import Recipe, train
from nas.training.optimisers import build_optimiser
from nas.training.regularisers import run_by_largest

STEPS = 6
RATES = (0.1, 0.1, 0.05, 0.02, 0.02, 0.01)

Rule = Callable[[float, float, float, dict[str, float], Recipe, bool, int], float]
"""Weight, gradient, rate, memory of this number, recipe, whether it decays, step -> the next weight."""


def sgd(w: float, g: float, rate: float, m: dict[str, float], r: Recipe, decays: bool, step: int) -> float:
    g += r.weight_decay * w if decays else 0.0
    m["v"] = r.momentum * m.get("v", 0.0) + g
    return w - rate * (g + r.momentum * m["v"] if r.nesterov else m["v"])


def rmsprop(w: float, g: float, rate: float, m: dict[str, float], r: Recipe, decays: bool, step: int) -> float:
    g += r.weight_decay * w if decays else 0.0
    m["s"] = r.squares_decay * m.get("s", 0.0) + (1 - r.squares_decay) * g * g
    m["v"] = r.momentum * m.get("v", 0.0) + g / (math.sqrt(m["s"]) + r.epsilon)
    return w - rate * m["v"]


def adamw(w: float, g: float, rate: float, m: dict[str, float], r: Recipe, decays: bool, step: int) -> float:
    w -= rate * r.weight_decay * w if decays else 0.0
    m["a"] = r.momentum * m.get("a", 0.0) + (1 - r.momentum) * g
    m["s"] = 0.999 * m.get("s", 0.0) + 0.001 * g * g
    mean, square = m["a"] / (1 - r.momentum ** (step + 1)), m["s"] / (1 - 0.999 ** (step + 1))
    return w - rate * mean / (math.sqrt(square) + r.epsilon)


ELEMENTWISE: dict[str, tuple[Rule, dict[str, Any]]] = {
    "sgd": (sgd, {"optimiser": "sgd"}),
    "nesterov": (sgd, {"optimiser": "sgd", "nesterov": True}),
    "plain sgd": (sgd, {"optimiser": "sgd", "momentum": 0.0, "nesterov": True}),
    "rmsprop": (rmsprop, {"optimiser": "rmsprop", "squares_decay": 0.8, "epsilon": 1e-3}),
    "rmsprop without momentum": (rmsprop, {"optimiser": "rmsprop", "momentum": 0.0}),
    "adamw": (adamw, {"optimiser": "adamw", "epsilon": 1e-6}),
}


def network() -> nn.Module:
    """A matrix, a bias, and a norm's scale and shift, in double precision."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2)).double()


def gradients(step: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    shapes = [parameter.shape for parameter in network().parameters()]
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def descend(figures: Recipe) -> list[torch.Tensor]:
    """The parameters after STEPS steps of the optimiser of a recipe."""
    made = network()
    optimiser = build_optimiser(made, figures)
    for step, rate in enumerate(RATES):
        for group in optimiser.param_groups:
            group["lr"] = rate
        for parameter, gradient in zip(made.parameters(), gradients(step), strict=True):
            parameter.grad = gradient
        optimiser.step()
    return [parameter.detach() for parameter in made.parameters()]


@pytest.mark.parametrize("decay_of", ["matrices", "all"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_each_number_follows_its_rule(name: str, decay_of: Any) -> None:
    rule, changes = ELEMENTWISE[name]
    figures = Recipe(**{"weight_decay": 0.1, "momentum": 0.7, "decay_of": decay_of, **changes})
    start = [parameter.detach() for parameter in network().parameters()]
    for index, (first, found) in enumerate(zip(start, descend(figures), strict=True)):
        for place, value in enumerate(first.flatten().tolist()):
            memory: dict[str, float] = {}
            for step, rate in enumerate(RATES):
                gradient = float(gradients(step)[index].flatten()[place])
                value = rule(value, gradient, rate, memory, figures, decay_of == "all" or first.ndim > 1, step)
            assert float(found.flatten()[place]) == pytest.approx(value, rel=1e-9, abs=1e-12)


def test_lars_scales_each_tensor_s_rate_by_its_norms() -> None:
    """You et al. 2017, algorithm 1, tensor by tensor; biases and norms go at the plain rate."""
    figures = Recipe(optimiser="lars", weight_decay=0.1, momentum=0.7, trust=0.02)
    for index, (first, found) in enumerate(zip(network().parameters(), descend(figures), strict=True)):
        w, v = first.detach().clone(), torch.zeros_like(first)
        for step, rate in enumerate(RATES):
            g = gradients(step)[index]
            local = 1.0
            if w.ndim > 1:
                size, slope = math.sqrt(float((w * w).sum())), math.sqrt(float((g * g).sum()))
                local = figures.trust * size / (slope + figures.weight_decay * size)
                g = g + figures.weight_decay * w
            v = figures.momentum * v + rate * local * g
            w = w - v
        torch.testing.assert_close(found, w, rtol=1e-10, atol=1e-12)


def test_lars_moves_tensors_of_zeros() -> None:
    layer = nn.Linear(2, 2)
    nn.init.zeros_(layer.weight)
    optimiser = build_optimiser(layer, Recipe(optimiser="lars", momentum=0.0, learning_rate=1.0, batch_size=1024))
    layer.weight.grad, layer.bias.grad = torch.ones(2, 2), None
    optimiser.step()
    assert (layer.weight == -1).all()
    layer.weight.grad = torch.zeros(2, 2)
    optimiser.step()
    assert torch.isfinite(layer.weight).all()


@pytest.mark.parametrize("optimiser", ["sgd", "rmsprop", "adamw", "lars"])
def test_every_optimiser_lowers_the_loss_of_a_supernet_and_leaves_unused_weights_alone(optimiser: str) -> None:
    space = tiny_space()
    supernet = space.supernet(1, 16, 4)
    rate = {"sgd": 0.05, "rmsprop": 0.003, "adamw": 0.01, "lars": 0.1}[optimiser]
    figures = recipe(optimiser=optimiser, learning_rate=rate, weight_decay=1e-4, trust=0.1)
    before = weights(supernet)
    small = row(space, width=8, depth=1, operator0="full")
    losses = train(stepper(supernet, Scripted(small), figures, steps=60)).losses
    assert sum(losses[-10:]) / 10 < 0.85 * sum(losses[:5]) / 5
    for name, value in weights(supernet).items():
        unused = name.startswith(("blocks.blocks.1.", "blocks.blocks.0.0.candidates.1."))
        assert torch.equal(value, before[name]) is unused, name


def decayed(made: nn.Module, figures: Recipe, among: Any = None) -> set[str]:
    optimiser = build_optimiser(made, figures, among)
    identities = {id(p) for group in optimiser.param_groups if group["weight_decay"] for p in group["params"]}
    return {name for name, parameter in made.named_parameters() if id(parameter) in identities}


def test_what_weight_decay_acts_on() -> None:
    made = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), ElasticBatchNorm2d(2), nn.LayerNorm(2))
    every = {name for name, _ in made.named_parameters()}
    assert decayed(made, Recipe(decay_of="matrices")) == {"0.weight"}
    assert decayed(made, Recipe(decay_of="not-norms")) == {"0.weight", "0.bias"}
    assert decayed(made, Recipe(decay_of="all")) == every
    assert decayed(made, Recipe(decay_of="all", weight_decay=0.0)) == set()


@pytest.fixture(scope="module")
def space() -> Space:
    return tiny_space()


def test_decay_on_the_largest_leaves_other_operators_alone(space: Space) -> None:
    supernet = space.supernet(1, 16, 4)
    used = run_by_largest(supernet)
    names = {name for name, parameter in supernet.network.named_parameters() if id(parameter) in used}
    every = {name for name, _ in supernet.network.named_parameters()}
    # The last option of both operators is the depthwise convolution.
    assert every - names == {"blocks.blocks.0.0.candidates.0.weight", "blocks.blocks.1.0.candidates.0.weight"} | {
        name for name in every if ".candidates.0." in name
    }
    made = stepper(supernet, Scripted(row(space)), recipe(decay_on="largest", decay_of="all"))
    groups = {id(p): group["weight_decay"] for group in made.optimiser.param_groups for p in group["params"]}
    for name, parameter in supernet.network.named_parameters():
        assert (groups[id(parameter)] > 0) is (name in names), name


def test_asking_what_the_largest_uses_changes_nothing(space: Space) -> None:
    supernet = space.supernet(1, 16, 4).eval()
    torch.manual_seed(4)
    before, state = weights(supernet), torch.get_rng_state()
    run_by_largest(supernet)
    assert same(before, weights(supernet))
    assert not supernet.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in supernet.parameters())


@pytest.mark.parametrize("bound", [1e-3, 1e-2])
def test_clip_value_bounds_every_number_of_the_gradient(space: Space, bound: float) -> None:
    moved = {}
    for clip in (None, bound):
        supernet = space.supernet(1, 16, 4)
        start = weights(supernet)
        figures = recipe(clip_value=clip, momentum=0.0, weight_decay=0.0, schedule="constant")
        with stepper(supernet, Scripted(row(space)), figures) as steps:
            steps.run(0)
        moved[clip] = {name: value - start[name] for name, value in weights(supernet).items()}
    for name, free in moved[None].items():
        torch.testing.assert_close(moved[bound][name], free.clamp(-0.1 * bound, 0.1 * bound), atol=1e-6, rtol=1e-3)
    assert max(float(value.abs().max()) for value in moved[None].values()) > 0.1 * bound, "the bound binds"
