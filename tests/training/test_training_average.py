"""The moving average of the weights, and dropout and drop path at the recipe's probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_training import Scripted, recipe, row, same, stepper, tiny_space, weights
from torch import nn

import nas.training.loop
from nas.base.progress import Silent
from nas.elastic.drop_path import DropPath
from nas.supernet import Space
from nas.training import Recipe, Stepper, train
from nas.training.average import WeightAverage
from nas.training.regularisers import Regularisers
from nas.training.trainers.uniform import Uniform


@pytest.fixture(scope="module")
def space() -> Space:
    return tiny_space(dropout=0.3)


def test_the_average_forgets_as_slowly_as_asked_and_faster_at_first() -> None:
    layer = nn.Linear(2, 1, bias=False).double()
    average, decay = WeightAverage(layer, 0.6), 0.6
    expected = layer.weight.detach().clone()
    for step in range(12):
        with torch.no_grad():
            layer.weight += torch.tensor([[1.0, -2.0]]) * (step + 1)
        average.update(step)
        now = min(decay, (1 + step) / (10 + step))
        expected = now * expected + (1 - now) * layer.weight.detach()
        assert (now < decay) is (step < 12 and (1 + step) / (10 + step) < decay)
    assert not torch.allclose(expected, layer.weight)
    average.apply_to_network()
    torch.testing.assert_close(layer.weight.detach(), expected)


def test_the_average_replaces_the_weights_at_the_end_and_does_not_change_the_training(space: Space) -> None:
    plain, averaged = (fresh(space, recipe(average=decay, norm_affine=False)) for decay in (None, 0.5))
    expected = []
    with fresh(space, recipe(norm_affine=False)) as steps:
        mean = weights(steps.supernet)
        for step in range(steps.steps):
            expected.append(steps.run(step))
            decay = min(0.5, (1 + step) / (10 + step))
            trained = {name for name, value in steps.supernet.network.named_parameters() if value.requires_grad}
            mean = {
                name: decay * mean[name] + (1 - decay) * value if name in trained else value
                for name, value in weights(steps.supernet).items()
            }
    assert train(plain).losses == train(averaged).losses == expected
    found = weights(averaged.supernet)
    for name, value in mean.items():
        torch.testing.assert_close(found[name], value, atol=1e-6, rtol=1e-5)
    assert not same(found, weights(plain.supernet))


def test_a_resumed_training_has_the_same_average(space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nas.training.loop, "CHECKPOINT_SECONDS", -1.0)

    class Stop(Silent):
        def advance(self, done: int, note: str = "") -> None:
            if done == 7:
                raise KeyboardInterrupt

    figures = recipe(average=0.8)
    whole, resumed = fresh(space, figures), fresh(space, figures)
    train(whole)
    with pytest.raises(KeyboardInterrupt):
        train(fresh(space, figures), tmp_path / "checkpoint", Stop())
    train(resumed, tmp_path / "checkpoint")
    assert same(weights(whole.supernet), weights(resumed.supernet))
    repeated = fresh(space, figures)
    train(repeated, tmp_path / "checkpoint")
    assert same(weights(whole.supernet), weights(repeated.supernet)), "a finished training ends with its average again"


def fresh(space: Space, figures: Recipe) -> Stepper:
    return stepper(space.supernet(1, 16, 4, seed=5), Uniform(), figures)


def regularised() -> nn.Sequential:
    return nn.Sequential(nn.Dropout(0.2), nn.Dropout2d(0.1), DropPath(0.3), DropPath(0.4, depth=0.5))


def test_the_network_s_own_probabilities_stay_unless_the_recipe_says_otherwise() -> None:
    made: Any = regularised()
    Regularisers(made, Recipe()).set_progress(1.0)
    assert [made[0].p, made[1].p, made[2].probability, made[3].probability] == [0.2, 0.1, 0.3, 0.2]


@pytest.mark.parametrize("value", [0.0, 0.6])
def test_the_recipe_s_probabilities_replace_the_network_s(value: float) -> None:
    made: Any = regularised()
    Regularisers(made, Recipe(dropout=value, drop_path=value)).set_progress(0.5)
    assert [made[0].p, made[1].p] == [value, value]
    assert [made[2].probability, made[3].probability] == [0.5 * value, 0.25 * value]


def test_a_pass_may_leave_them_out() -> None:
    made = regularised().train()
    regularisers = Regularisers(made, Recipe())
    regularisers.set_progress(1.0)
    x = torch.ones(64, 3, 4, 4)
    with regularisers.switched(False):
        assert torch.equal(made(x), x)
    with regularisers.switched(True):
        assert not torch.equal(made(x), x)
    assert not torch.equal(made(x), x)


def test_training_tells_drop_paths_how_far_it_is() -> None:
    space = tiny_space()
    supernet = space.supernet(1, 16, 4)
    path = DropPath(0.8)
    supernet.network.dropout = path
    seen = []
    with stepper(supernet, Scripted(row(space)), recipe(drop_path=0.4), steps=4) as steps:
        for step in range(4):
            steps.run(step)
            seen.append(path.probability)
    assert seen == pytest.approx([0.0, 0.1, 0.2, 0.3])
