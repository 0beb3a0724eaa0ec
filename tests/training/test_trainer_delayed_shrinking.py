"""Delayed epsilon-shrinking: who learns when and with which weight, against the algorithm written out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from shrinking import Interrupting, Watched, options, shrinking_space, shrunk
from tiny_training import RandomBatches, same, weights

import nas.training.loop
from nas.base.errors import NasError
from nas.elastic import ElasticConv2d
from nas.supernet import Space, Supernet, open_space
from nas.training import Recipe, Stepper, require_fit, train
from nas.training.trainers.delayed_shrinking import DelayedShrinking

PAPER = DelayedShrinking.defaults
STEPS = 270 * 10
"""Ten steps an epoch."""


def figures(**changes: Any) -> Recipe:
    """Plain gradient descent at a rate of about one, so that a step shows its gradient."""
    plain = {
        "batch_size": 8,
        "reference_batch": 8,
        "momentum": 0.0,
        "nesterov": False,
        "weight_decay": 0.0,
        "learning_rate": 0.1,
    }
    return PAPER.changed({**plain, **changes})


@pytest.fixture(scope="module")
def space() -> Space:
    """With kernels that are cut out, so that an extracted network consists of entries of the supernet's weights."""
    return shrinking_space(convolution=ElasticConv2d, dropout=0.0)


def cosine(epoch: float) -> float:
    """The paper's rate at batch 128."""
    return 0.1625 * 0.5 * (1 + math.cos(math.pi * epoch / 270))


def test_the_weight_of_small_networks_grows_linearly_in_effective_rate() -> None:
    trainer, recipe = DelayedShrinking(), PAPER.changed({"batch_size": 128})
    assert [phase.name for phase in trainer.phases(STEPS, recipe)] == ["largest", "shrinking", "sandwich"]
    assert [phase.start for phase in trainer.phases(STEPS, recipe)] == [0, 1450, 1500]
    assert {trainer.beta(step, STEPS, recipe) for step in (0, 700, 1449)} == {0.0}
    for step in (1450, 1451, 1475, 1499):
        ramp = cosine(150) * (step - 1450 + 1) / 50
        assert trainer.beta(step, STEPS, recipe) == pytest.approx(ramp / cosine(step / 10), rel=1e-12)
    assert trainer.beta(1450, STEPS, recipe) == pytest.approx(0.02 * cosine(150) / cosine(145))
    assert trainer.beta(1499, STEPS, recipe) < 1
    assert {trainer.beta(step, STEPS, recipe) for step in (1500, 2000, 2699)} == {1.0}


def test_without_a_ramp_small_networks_start_at_full_weight() -> None:
    trainer, recipe = DelayedShrinking(), PAPER.changed({"smallnet_warmup": 0})
    assert [phase.name for phase in trainer.phases(STEPS, recipe)] == ["largest", "sandwich"]
    assert trainer.beta(1500, STEPS, recipe) == 1.0
    assert trainer.beta(1499, STEPS, recipe) == 0.0


def test_who_learns_in_a_step(space: Space) -> None:
    watched = Watched(shrunk(space, DelayedShrinking(), figures(min_weight=2, other_weight=0.5), STEPS))
    watched.run(0, 1449, 1450, 1475, 1500, 2000)
    assert [len(passes) for passes in watched.passes] == [1, 1, 4, 4, 4, 4]
    largest, smallest = (options(space, rows[0]) for rows in (space.decisions.largest(), space.decisions.smallest()))
    for step, passes in zip((0, 1449, 1450, 1475, 1500, 2000), watched.passes, strict=True):
        found = [options(space, asked.row) for asked in passes]
        assert len({each["resolution"] for each in found}) == 1
        assert {**found[0], "resolution": 16} == largest
        assert (passes[0].weight, passes[0].regularised) == (1, True)
        if step >= 1450:
            beta = DelayedShrinking().beta(step, STEPS, figures())
            assert {**found[1], "resolution": 8} == smallest
            assert [asked.weight for asked in passes[1:]] == pytest.approx([2 * beta, beta / 2, beta / 2])
            assert not any(asked.regularised for asked in passes[1:])


def used_entries(supernet: Supernet, row: np.ndarray) -> dict[str, torch.Tensor]:
    """Which entries of each weight a sub-network consists of: number all of them, extract it, look which numbers it has."""
    twin = supernet.space.supernet(1, 16, 4)
    count = 0
    with torch.no_grad():
        for parameter in twin.network.parameters():
            parameter.copy_(torch.arange(count, count + parameter.numel()).view(parameter.shape))
            count += parameter.numel()
    assert count < 2**24, "float32 tells the numbers apart"
    there = torch.cat([parameter.detach().flatten() for parameter in twin.extract(row).parameters()])
    return {name: torch.isin(parameter.detach(), there) for name, parameter in twin.network.named_parameters()}


def literally(
    supernet: Supernet, rows: list[np.ndarray], factors: list[float], aggregation: str, temperature: float, step: int
) -> dict[str, torch.Tensor]:
    """Every sub-network's gradient apart, by plain autograd; times its mask and its factor; then put together."""
    batch, named = RandomBatches().batch(step), dict(supernet.network.named_parameters())
    sums = {name: torch.zeros_like(parameter) for name, parameter in named.items()}
    masks = {name: torch.zeros_like(parameter) for name, parameter in named.items()}
    taught = torch.empty(0)
    for place, (row, factor) in enumerate(zip(rows, factors, strict=True)):
        supernet.activate(row)
        scores = supernet(batch.images)
        if place == 0:
            loss, taught = F.cross_entropy(scores, batch.targets, label_smoothing=0.1), scores.detach()
        else:
            probabilities, logs = (taught / temperature).softmax(1), (scores / temperature).log_softmax(1)
            loss = temperature**2 * -(probabilities * logs).sum() / len(scores)
        gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
        used = used_entries(supernet, row)
        for name, gradient in zip(named, gradients, strict=True):
            masks[name] += used[name]
            if gradient is not None:
                sums[name] += factor * gradient * used[name]
    divided = {"sum": lambda mask: 1.0, "avg": lambda mask: mask, "avg_sqrt": torch.sqrt}[aggregation]
    return {name: torch.nan_to_num(sums[name] / divided(masks[name]), nan=0.0) for name in named}


@pytest.mark.parametrize(
    ("aggregation", "temperature", "step"),
    [("sum", 1.0, 1475), ("sum", 3.0, 1600), ("avg", 1.0, 1475), ("avg_sqrt", 2.0, 1475)],
)
def test_a_step_is_the_algorithm_written_out(space: Space, aggregation: str, temperature: float, step: int) -> None:
    """Factors of gradients instead of gradients stored apart, masked and scaled: the same weights after the step."""
    recipe = figures(aggregation=aggregation, temperature=temperature, max_weight=1.5, min_weight=0.7, dropout=0)
    watched = Watched(shrunk(space, DelayedShrinking(), recipe, STEPS))
    supernet, reference = watched.made.supernet, space.supernet(1, 16, 4).train()
    reference.load_state_dict(supernet.state_dict())
    before = weights(supernet)
    watched.run(step)
    rows = [asked.row for asked in watched.passes[0]]
    beta = DelayedShrinking().beta(step, STEPS, recipe)
    gradients = literally(reference, rows, [1.5, 0.7 * beta, beta, beta], aggregation, temperature, step)
    rate = watched.made.trainer.rate(step, STEPS, recipe)
    assert 0 < beta < 1 or step == 1600
    for name, value in weights(supernet).items():
        torch.testing.assert_close(value, before[name] - rate * gradients[name], rtol=1e-4, atol=1e-6, msg=name)


def test_sorting_does_not_disturb_the_largest_network(space: Space) -> None:
    """Its weights move with their momentum and their average; small networks have no weight here."""
    found = []
    for sort in ("off", "within", "all"):
        quiet = {"min_weight": 0, "other_weight": 0, "momentum": 0.9, "average": 0.5, "dropout": 0, "teacher_warmup": 100}
        made = shrunk(space, DelayedShrinking(), figures(sort_channels=sort, **quiet), 27)
        losses = train(made).losses
        made.supernet.activate(space.decisions.largest()[0])
        with torch.no_grad():
            found.append((losses, made.supernet.train()(RandomBatches().batch(0).images), weights(made.supernet)))
    for losses, scores, moved in found[1:]:
        assert losses == pytest.approx(found[0][0], rel=1e-3)
        torch.testing.assert_close(scores, found[0][1], rtol=1e-2, atol=1e-2)
        assert not same(moved, found[0][2])
    assert not same(found[1][2], found[2][2])


def test_sorting_within_widths_keeps_the_channels_of_every_width_but_the_smallest(space: Space) -> None:
    made = shrunk(space, DelayedShrinking(), figures(), 27)
    block = made.supernet.network.stages[0].blocks[1]
    start = made.trainer.phases(27, made.recipe)[1].start
    seen: list[torch.Tensor] = []
    learn = made.learn

    def noting(asked: Any) -> Any:
        seen.append(block.project.conv.weight.detach().abs().sum((0, 2, 3)))
        return learn(asked)

    with made:
        before = block.project.conv.weight.detach().abs().sum((0, 2, 3))
        made.learn = noting  # type: ignore[method-assign]
        made.run(start)
    parts = zip(seen[0].split([24, 16]), before.split([24, 16]), strict=True)
    for now, then in parts:
        torch.testing.assert_close(now, then.sort(descending=True).values)


def test_compofa_sampling_ties_the_widths_of_a_stage_to_its_depth(space: Space) -> None:
    watched = Watched(shrunk(space, DelayedShrinking(), figures(sampling="compofa"), STEPS))
    watched.run(*range(1600, 1620))
    drawn = [options(space, asked.row) for passes in watched.passes for asked in passes[2:]]
    assert {each["stage.depth"] for each in drawn} == {1, 2, 3}
    for each in drawn:
        expansions = {option for name, option in each.items() if name.endswith("expand")}
        assert expansions == {{1: 2, 2: 3, 3: 5}[each["stage.depth"]]}  # type: ignore[index]
    assert len({option for each in drawn for name, option in each.items() if name.endswith("kernel")}) == 3
    assert len({each["resolution"] for each in drawn}) == 3


def test_compofa_sampling_needs_widths_inside_stages_of_elastic_depth() -> None:
    recipe = PAPER.changed({"sampling": "compofa"})
    assert DelayedShrinking.misfit(shrinking_space(depths=(2,)), PAPER) is None
    with pytest.raises(NasError, match="none of its widths is decided inside a stage of elastic depth"):
        require_fit("delayed-shrinking", DelayedShrinking(), shrinking_space(depths=(2,)), recipe)


RESUMED = {"momentum": 0.9, "weight_decay": 0.01, "average": 0.9, "smallnet_warmup": 50, "teacher_warmup": 190}


def resumable(space: Space, aggregation: str) -> Stepper:
    return shrunk(space, DelayedShrinking(), figures(aggregation=aggregation, **RESUMED), 14)


@pytest.fixture(scope="module", params=["sum", "avg"])
def uninterrupted(space: Space, request: pytest.FixtureRequest) -> tuple[str, Stepper, list[float]]:
    whole = resumable(space, request.param)
    assert [phase.start for phase in whole.trainer.phases(14, whole.recipe)] == [0, 7, 10]
    return request.param, whole, train(whole).losses


@pytest.mark.parametrize("done", [6, 7, 8])
def test_a_training_interrupted_around_the_start_of_shrinking_ends_to_the_bit_like_an_uninterrupted_one(
    space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: tuple[str, Stepper, list[float]], done: int
) -> None:
    monkeypatch.setattr(nas.training.loop, "CHECKPOINT_SECONDS", -1.0)
    aggregation, whole, losses = uninterrupted
    path = tmp_path / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        train(resumable(space, aggregation), path, Interrupting(done + 1))
    resumed = resumable(space, aggregation)
    assert train(resumed, path).losses == losses
    assert same(weights(whole.supernet), weights(resumed.supernet))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 100}, "'teacher_warmup' cannot be 150.*less than epochs, which is 100"),
        ({"teacher_warmup": 3}, "'smallnet_warmup' cannot be 5.*more than teacher_warmup, which is 3"),
        ({"aggregation": "mean"}, "'aggregation' cannot be 'mean'"),
    ],
)
def test_figures_that_do_not_fit_together_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(NasError, match=message):
        PAPER.changed(changes)


def test_a_space_of_operators_alone_is_refused() -> None:
    assert DelayedShrinking.misfit(open_space("cells:nas-bench-201"), PAPER) is not None
