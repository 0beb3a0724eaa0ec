"""Norms behind a concatenation, whose scales are kept in blocks, are treated as every other norm."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from tiny_training import TASK, recipe, same, stepper, weights
from torch import nn

from nas.elastic import from_module
from nas.elastic.residual import zero_last_norms
from nas.elastic.scales import scales
from nas.supernet import Space, Supernet
from nas.training import Recipe, train
from nas.training.optimisers import build_optimiser
from nas.training.trainers.uniform import Uniform

Kind = Callable[[], nn.Module]

MAPS: dict[str, Kind] = {"batch": lambda: nn.BatchNorm2d(8), "group": lambda: nn.GroupNorm(4, 8)}
FEATURES: dict[str, Kind] = {"layer": lambda: nn.LayerNorm(8)}


class Joined(nn.Module):
    """Two convolutions side by side, and a norm of what both return."""

    def __init__(self, maps: Kind, features: Kind) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 4, 3, 2, padding=1), nn.Conv2d(1, 4, 1, 2)
        self.maps, self.features = maps(), features()
        self.head = nn.Linear(8, TASK.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.maps(torch.cat([self.one(x), self.two(x)], 1)))
        return self.head(self.features(x.mean((2, 3))))  # type: ignore[no-any-return]

    def last_norms(self) -> Iterator[nn.Module]:
        yield self.maps
        yield self.features


def joined(kind: str) -> Supernet:
    network = Joined(MAPS.get(kind, nn.Identity), FEATURES.get(kind, nn.Identity))
    build = from_module(network, example=torch.zeros(1, *TASK.input_shape), widths={"*": (0.5, 1.0)})
    return Space("joined", build, task=TASK).supernet(1, 16, 4)


def norm_parameters(supernet: Supernet) -> dict[str, nn.Parameter]:
    return {name: found for name, found in supernet.named_parameters() if ".maps." in name or ".features." in name}


@pytest.mark.parametrize("kind", [*MAPS, *FEATURES])
def test_weight_decay_leaves_their_scales_and_shifts_alone(kind: str) -> None:
    supernet = joined(kind)
    norms = {id(parameter) for parameter in norm_parameters(supernet).values()}
    assert len(norms) == 4, "two blocks each of scale and shift"
    optimiser = build_optimiser(supernet, Recipe(decay_of="not-norms"))
    decayed = {id(p) for group in optimiser.param_groups if group["weight_decay"] for p in group["params"]}
    assert decayed == {id(parameter) for parameter in supernet.parameters()} - norms


@pytest.mark.parametrize("kind", [*MAPS, *FEATURES])
def test_all_of_a_last_norms_scale_is_zeroed(kind: str) -> None:
    supernet = joined(kind)
    assert zero_last_norms(supernet) == 1
    for name, parameter in norm_parameters(supernet).items():
        assert bool((parameter == 0).all()), name
    (norm,) = (module for module in supernet.network.last_norms() if scales(module))
    assert len(scales(norm)) == 2


def test_batch_norms_that_are_not_trained_let_everything_through() -> None:
    supernet = joined("batch")
    for parameter in norm_parameters(supernet).values():
        nn.init.constant_(parameter, 0.3)
    before = weights(supernet)
    train(stepper(supernet, Uniform(), recipe(norm_affine=False, weight_decay=0.0)))
    for name, parameter in norm_parameters(supernet).items():
        assert not parameter.requires_grad
        assert bool((parameter == ("weight" in name)).all()), name
    trained = {name: value for name, value in weights(supernet).items() if "maps" not in name}
    assert not any(same({name: value}, {name: before[name]}) for name, value in trained.items() if value.ndim > 1)
