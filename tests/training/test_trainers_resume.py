"""Every installed trainer, interrupted and resumed, ends to the bit like one that was not interrupted.

A trainer that fits none of the spaces in `tiny_spaces.TINY` needs another one there; figures that it needs go into `SETTINGS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_spaces import TINY
from torch import nn

import nas.training.loop
from nas.base.plugins import installed
from nas.base.progress import Silent
from nas.data import ImageData, TrainingBatches, load_data
from nas.supernet import Space
from nas.training import Recipe, Stepper, open_trainer, train

STEPS = 12

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "blockwise": {"hidden": 32, "projected": 16, "rating_images": 16, "rating_limit": 8, "population": 4, "generations": 2},
    "multi-arch": {"examples_per_arch": 2},
    "rc-darts": {"upper": 15_000.0, "project_every": 3},
    "single-path": {"metric": "macs"},
}
"""By trainer, what its defaults cannot do with a tiny space, or not in a second."""

SLOW = ("alphanet", "attentive", "blockwise")
"""Trainers that are another one, sandwich, with an option changed, and one that takes long: the slow tests train them."""

NAMES = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in installed("trainers")]


class Stopped(Exception):
    """The process ends here."""


class Stopping(Silent):
    """Ends a training after some steps, before the checkpoint of the last of them."""

    def __init__(self, at: int) -> None:
        self.at = at

    def advance(self, done: int, note: str = "") -> None:
        if done == self.at:
            raise Stopped


@cache
def digits() -> ImageData:
    return load_data("digits", resolution=16)


@cache
def spaces() -> tuple[Space, ...]:
    return tuple(make() for make in TINY)


def figures(name: str) -> Recipe:
    """The trainer's own figures on a small batch."""
    return open_trainer(name).defaults.changed({"batch_size": 8, **SETTINGS.get(name, {})})


def fitting(name: str) -> Space:
    """The first tiny space that a trainer fits."""
    recipe = figures(name)
    why = {space.name: open_trainer(name).misfit(space, recipe) for space in spaces()}
    found = next((space for space in spaces() if why[space.name] is None), None)
    assert found is not None, f"no tiny space for trainer {name}: {why}; append one to tiny_spaces.TINY"
    return found


def fresh(name: str, seed: int = 3) -> Stepper:
    recipe, data = figures(name), digits()
    share = recipe.architecture_share
    batches = TrainingBatches(data, recipe.batch_size, seed, share=(0.0, 1.0 - share))
    held = TrainingBatches(data, recipe.batch_size, seed, share=(1.0 - share, 1.0)) if share else None
    supernet = fitting(name).supernet(data.channels, data.resolution, len(data.classes), seed)
    return Stepper(supernet, open_trainer(name), batches, recipe, STEPS, seed, held=held)


def everything(stepper: Stepper) -> dict[str, torch.Tensor]:
    """All tensors of a training: weights, parts of the rule, and what the optimisers remember."""
    modules: dict[str, tuple[nn.Module, torch.optim.Optimizer | None]] = {"": (stepper.supernet, stepper.optimiser)}
    found = {}
    for part, (module, optimiser) in {**modules, **stepper.parts}.items():
        found |= {f"{part}/{name}": value.detach().clone() for name, value in module.state_dict().items()}
        for name, parameter in module.named_parameters():
            remembered = {} if optimiser is None else optimiser.state.get(parameter, {})
            found |= {f"{part}/{name}/{key}": torch.as_tensor(v).clone() for key, v in remembered.items() if v is not None}
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_resumed_training_ends_like_an_uninterrupted_one(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nas.training.loop, "CHECKPOINT_SECONDS", -1.0)
    whole = fresh(name)
    start = everything(whole)
    expected = train(whole)
    for stop in (3, 7, 10):
        with pytest.raises(Stopped):
            train(fresh(name), tmp_path / "checkpoint", Stopping(stop))
    resumed = fresh(name)
    result = train(resumed, tmp_path / "checkpoint")
    assert len(result.losses) == STEPS
    assert result.losses == expected.losses
    ours, theirs = everything(resumed), everything(whole)
    assert ours.keys() == theirs.keys()
    different = [key for key in ours if not torch.equal(ours[key], theirs[key])]
    assert different == []
    assert any(key not in start or not torch.equal(value, start[key]) for key, value in theirs.items()), "something was learnt"
    decisions = resumed.supernet.space.decisions
    assert str(resumed.trainer.derive(decisions)) == str(whole.trainer.derive(decisions))


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_alone_decides_a_training(name: str) -> None:
    losses = []
    for outside, seed in ((1, 3), (2, 3), (1, 4)):
        torch.manual_seed(outside)
        with fresh(name, seed) as steps:
            losses.append([steps.run(0), steps.run(1)])
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]
