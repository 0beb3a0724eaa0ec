"""Recipes, schedules and optimisers: the paper's figures, and their meaning."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nas.base.errors import NasError
from nas.training import Recipe, open_trainer
from nas.training.optimisers import build_optimiser
from nas.training.schedules import rate_at
from nas.training.trainers.uniform import Uniform


def test_uniform_has_the_figures_of_the_paper() -> None:
    figures = Uniform.defaults
    assert (figures.optimiser, figures.learning_rate, figures.reference_batch) == ("sgd", 0.5, 1024)
    assert (figures.momentum, figures.weight_decay, figures.schedule) == (0.9, 4e-5, "linear")
    assert (figures.warmup, figures.label_smoothing, figures.norm_affine) == (0.0, 0.1, False)
    assert (figures.clip_norm, figures.epochs) == (None, 120)
    assert isinstance(open_trainer("uniform"), Uniform)


@pytest.mark.parametrize(("batch", "rate"), [(1024, 0.5), (512, 0.25), (64, 0.03125), (4096, 2.0)])
def test_the_rate_grows_in_proportion_to_the_batch(batch: int, rate: float) -> None:
    assert Uniform.defaults.changed({"batch_size": batch}).peak_rate == pytest.approx(rate)


def test_linear_falls_from_the_peak_to_nothing() -> None:
    figures = Recipe(schedule="linear", learning_rate=2.0, reference_batch=8, batch_size=8)
    assert [rate_at(figures, step, 4) for step in range(5)] == pytest.approx([2.0, 1.5, 1.0, 0.5, 0.0])


def test_cosine_falls_from_the_peak_to_nothing_along_half_a_wave() -> None:
    figures = Recipe(schedule="cosine", learning_rate=2.0, reference_batch=8, batch_size=8)
    expected = [1 + math.cos(math.pi * step / 6) for step in range(7)]
    assert [rate_at(figures, step, 6) for step in range(7)] == pytest.approx(expected)


def test_constant_stays() -> None:
    figures = Recipe(schedule="constant", learning_rate=2.0, reference_batch=8, batch_size=8)
    assert {rate_at(figures, step, 5) for step in range(5)} == {2.0}


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_warm_up_rises_to_the_peak_in_equal_steps(schedule: Any) -> None:
    figures = Recipe(schedule=schedule, warmup=0.2, learning_rate=1.0, reference_batch=8, batch_size=8)
    rates = [rate_at(figures, step, 20) for step in range(21)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert max(rates) == rates[4]
    if schedule != "constant":
        assert rates[4:] == sorted(rates[4:], reverse=True)
        assert rates[20] == pytest.approx(0.0)


@given(st.sampled_from(["linear", "cosine", "constant"]), st.floats(0, 0.99), st.integers(1, 500), st.floats(1e-6, 10))
def test_every_step_of_every_schedule_has_a_rate_between_nothing_and_the_peak(
    schedule: Any, warmup: float, steps: int, rate: float
) -> None:
    figures = Recipe(schedule=schedule, warmup=warmup, learning_rate=rate, reference_batch=8, batch_size=8)
    assert all(0 < rate_at(figures, step, steps) <= rate * (1 + 1e-9) for step in range(steps))


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_weight_decay_acts_on_tensors_of_several_dimensions_only(name: Any, kind: type[torch.optim.Optimizer]) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2))
    frozen = network[2].bias
    frozen.requires_grad_(False)
    optimiser = build_optimiser(network, Recipe(optimiser=name, weight_decay=0.25, momentum=0.7))
    assert type(optimiser) is kind
    decay = {id(p): group["weight_decay"] for group in optimiser.param_groups for p in group["params"]}
    trained = [parameter for parameter in network.parameters() if parameter is not frozen]
    assert decay == {id(parameter): 0.25 if parameter.ndim > 1 else 0.0 for parameter in trained}
    for group in optimiser.param_groups:
        assert group["momentum"] == 0.7 if name == "sgd" else group["betas"] == (0.7, 0.999)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("learning_rate", "0.2", 0.2),
        ("learning_rate", "2e-1", 0.2),
        ("batch_size", "128", 128),
        ("norm_affine", "true", True),
        ("norm_affine", "false", False),
        ("schedule", "cosine", "cosine"),
        ("clip_norm", "1", 1.0),
        ("clip_norm", "none", None),
        ("clip_norm", "null", None),
        ("clip_norm", None, None),
        ("epochs", 3, 3.0),
    ],
)
def test_changes_are_read_from_text(name: str, text: Any, value: Any) -> None:
    before = Recipe(clip_norm=5.0)
    after = before.changed({name: text})
    assert getattr(after, name) == value
    assert type(getattr(after, name)) is type(value)
    assert after.model_dump(exclude={name}) == before.model_dump(exclude={name})


def test_a_change_leaves_the_original_alone() -> None:
    Uniform.defaults.changed({"learning_rate": 9})
    assert Uniform.defaults.learning_rate == 0.5


def test_an_unknown_setting_lists_and_suggests() -> None:
    with pytest.raises(NasError, match=r"unknown training setting 'learning_rat'.*momentum.*mean 'learning_rate'"):
        Recipe().changed({"learning_rat": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", "fast"),
        ("learning_rate", 0),
        ("learning_rate", -1),
        ("learning_rate", "inf"),
        ("learning_rate", "nan"),
        ("learning_rate", "none"),
        ("batch_size", "8.5"),
        ("batch_size", 0),
        ("momentum", 1),
        ("momentum", -0.1),
        ("weight_decay", -1),
        ("schedule", "steps"),
        ("optimiser", "adam"),
        ("warmup", 1),
        ("label_smoothing", 1),
        ("clip_norm", 0),
        ("norm_affine", "perhaps"),
        ("epochs", 0),
        ("epochs", "inf"),
        ("reference_batch", 0),
    ],
)
def test_an_illegal_value_is_an_error_that_names_setting_and_value(name: str, value: Any) -> None:
    with pytest.raises(NasError, match=rf"training setting '{name}' cannot be") as caught:
        Recipe().changed({name: value})
    shown = None if value == "none" else value
    assert repr(shown) in str(caught.value)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_last_rate_is_where_the_schedule_ends_scaled_like_the_peak(schedule: Any) -> None:
    figures = Recipe(schedule=schedule, learning_rate=2.0, last_rate=0.5, reference_batch=8, batch_size=4)
    rates = [rate_at(figures, step, 10) for step in range(11)]
    assert rates[0] == pytest.approx(1.0)
    assert rates[5] == pytest.approx(0.625)
    assert rates[10] == pytest.approx(0.25)
    assert rates == sorted(rates, reverse=True)


def test_exponential_goes_down_in_stairs_to_its_floor() -> None:
    """Times 0.5 every 2 of 10 epochs, in 20 steps an epoch; the floor is reached by the third stair."""
    figures = Recipe(
        schedule="exponential",
        rate_decay=0.5,
        rate_decay_epochs=2.0,
        rate_floor=0.2,
        epochs=10,
        learning_rate=1.0,
        reference_batch=8,
        batch_size=8,
    )
    rates = [rate_at(figures, step, 200) for step in range(200)]
    assert rates == pytest.approx([1.0] * 40 + [0.5] * 40 + [0.25] * 40 + [0.2] * 80)


@pytest.mark.parametrize("steps", [50, 100, 1000])
def test_stairs_keep_their_share_of_a_training_of_another_length(steps: int) -> None:
    figures = Recipe(
        schedule="exponential",
        rate_decay=0.5,
        rate_decay_epochs=2.0,
        epochs=10,
        reference_batch=8,
        batch_size=8,
        learning_rate=1,
    )
    rates = [rate_at(figures, step, steps) for step in range(steps)]
    assert [rates.count(0.5**stair) for stair in range(5)] == [steps // 5] * 5


def test_stairs_count_epochs_from_the_end_of_the_warm_up() -> None:
    figures = Recipe(
        schedule="exponential",
        rate_decay=0.5,
        rate_decay_epochs=2.0,
        epochs=10,
        warmup=0.2,
        reference_batch=8,
        batch_size=8,
        learning_rate=1.0,
    )
    rates = [rate_at(figures, step, 100) for step in range(100)]
    assert rates[:20] == pytest.approx([(step + 1) / 21 for step in range(20)])
    assert rates[20:] == pytest.approx([1.0] * 20 + [0.5] * 20 + [0.25] * 20 + [0.125] * 20)


def test_a_change_keeps_in_mind_what_the_trainer_set() -> None:
    """So that a listing can tell the paper's figures from the common ones."""
    changed = Uniform.defaults.changed({"momentum": 0.8})
    assert changed.model_fields_set == Uniform.defaults.model_fields_set | {"momentum"}
    assert changed.changed({}) == changed
