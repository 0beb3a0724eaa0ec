"""One step: what moves, by how much, and what must not move."""

from __future__ import annotations

import math
import warnings
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_training import NOBODY, RandomBatches, Scripted, parts_in_use, recipe, row, same, stepper, tiny_space, weights
from torch import nn

from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.elastic import ElasticBatchNorm2d
from nas.supernet import Space
from nas.training import Pass, Recipe, StepContext, Trainer, train
from nas.training.schedules import rate_at
from nas.training.trainers.uniform import Uniform


@pytest.fixture(scope="module")
def space() -> Space:
    return tiny_space()


def slow_training(network: nn.Module, figures: Recipe, steps: int) -> list[float]:
    """An independent reference: plain torch, plain SGD, written out."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)] if not figures.norm_affine else []
    frozen = {id(parameter) for norm in norms for parameter in norm.parameters()}
    trained = [parameter for parameter in network.parameters() if id(parameter) not in frozen]
    speed = [torch.zeros_like(parameter) for parameter in trained]
    losses = []
    for step in range(steps):
        batch = RandomBatches().batch(step)
        rate = figures.learning_rate * figures.batch_size / figures.reference_batch * (1 - step / steps)
        loss = F.cross_entropy(network(batch.images), batch.targets, label_smoothing=figures.label_smoothing)
        gradients = torch.autograd.grad(loss, trained)
        losses.append(loss.item())
        with torch.no_grad():
            for parameter, gradient, velocity in zip(trained, gradients, speed, strict=True):
                decayed = gradient + (figures.weight_decay * parameter if parameter.ndim > 1 else 0.0)
                velocity.mul_(figures.momentum).add_(decayed)
                parameter.sub_(rate * velocity)
    return losses


@pytest.mark.parametrize("norm_affine", [True, False])
@pytest.mark.parametrize(
    "decisions",
    [
        {},
        {"width": 4, "kernel0": 3},
        {"width": 4, "depth": 1, "operator0": "full"},
        {"operator0": "depthwise", "kernel0": 3, "operator1": "full"},
    ],
)
def test_a_sub_network_learns_exactly_what_it_would_learn_alone(
    space: Space, decisions: dict[str, Any], norm_affine: bool
) -> None:
    supernet = space.supernet(1, 16, 4)
    chosen, figures = row(space, **decisions), recipe(norm_affine=norm_affine)
    alone = supernet.train().extract(chosen)
    losses = train(stepper(supernet, Scripted(chosen), figures, steps=4)).losses
    expected = slow_training(alone, figures, steps=4)
    assert losses == pytest.approx(expected, abs=1e-5)
    supernet.activate(chosen)
    learned, reference = parts_in_use(supernet), dict(alone.named_parameters())
    assert reference.keys() <= learned.keys()
    for name, parameter in reference.items():
        torch.testing.assert_close(learned[name], parameter.detach(), atol=1e-5, rtol=1e-5)


def test_changing_architectures_learn_what_autograd_teaches_them(space: Space) -> None:
    """The ordinary path through the same supernet, with SGD written out: a parameter without gradient is left alone."""
    drawn = list(space.decisions.sample(np.random.default_rng(1), 12))
    figures = recipe(schedule="constant", learning_rate=0.05)
    supernet, reference = space.supernet(1, 16, 4), space.supernet(1, 16, 4).train()
    losses = train(stepper(supernet, Scripted(*drawn), figures)).losses
    speed: dict[nn.Parameter, torch.Tensor] = {}
    for step, chosen in enumerate(drawn):
        batch = RandomBatches().batch(step)
        reference.activate(chosen)
        loss = F.cross_entropy(reference(batch.images), batch.targets, label_smoothing=figures.label_smoothing)
        assert losses[step] == pytest.approx(loss.item(), abs=1e-5)
        trained = list(reference.parameters())
        with torch.no_grad():
            for parameter, gradient in zip(trained, torch.autograd.grad(loss, trained, allow_unused=True), strict=True):
                if gradient is not None:
                    decayed = gradient + (figures.weight_decay * parameter if parameter.ndim > 1 else 0.0)
                    speed[parameter] = figures.momentum * speed.get(parameter, 0.0) + decayed
                    parameter.sub_(0.05 * speed[parameter])
    for (name, learned), expected in zip(supernet.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(learned.detach(), expected.detach(), atol=1e-5, rtol=1e-5, msg=name)


def test_what_a_step_does_not_use_stays_to_the_bit(space: Space) -> None:
    """Although weight decay is on and the momentum of an earlier step stands ready to move it."""
    supernet = space.supernet(1, 16, 4)
    small = row(space, width=4, depth=1, operator0="full")
    snapshots = []
    with stepper(supernet, Scripted(row(space), small)) as steps:
        for step in range(4):
            steps.run(step)
            snapshots.append(weights(supernet))
    unused = [name for name in snapshots[0] if name.startswith(("blocks.blocks.1.", "blocks.blocks.0.0.candidates.1."))]
    assert len(unused) == 5
    for name, value in snapshots[0].items():
        assert torch.equal(value, snapshots[-1][name]) == (name in unused), name
    assert not torch.equal(snapshots[0][unused[0]], space.supernet(1, 16, 4).network.state_dict()[unused[0]])


class Distilling(Trainer):
    """The largest learns from the labels, then the smallest, with half the weight, from the largest's scores."""

    def __init__(self, large: np.ndarray, small: np.ndarray) -> None:
        self.large, self.small = large, small
        self.received: list[torch.Tensor] = []

    def passes(self, context: StepContext) -> Generator[Pass, torch.Tensor, None]:
        teacher = yield Pass(self.large, context.loss)
        self.received.append(teacher)
        student = yield Pass(self.small, lambda scores, _: F.cross_entropy(scores, teacher.softmax(1)), 0.5)
        self.received.append(student)


def test_the_passes_of_a_step_add_up_their_weighted_gradients(space: Space) -> None:
    supernet, reference = space.supernet(1, 16, 4), space.supernet(1, 16, 4).train()
    large, small = row(space), row(space, width=4, depth=1, operator0="full")
    figures = recipe(momentum=0.0, weight_decay=0.0, schedule="constant")
    rule = Distilling(large, small)
    with stepper(supernet, rule, figures) as steps:
        total = steps.run(0)
    batch = RandomBatches().batch(0)
    reference.activate(large)
    teacher = reference(batch.images)
    first = F.cross_entropy(teacher, batch.targets, label_smoothing=0.1)
    reference.activate(small)
    student = reference(batch.images)
    second = F.cross_entropy(student, teacher.detach().softmax(1))
    (first + 0.5 * second).backward()
    assert total == pytest.approx(first.item() + 0.5 * second.item(), abs=1e-5)
    for (name, moved), start in zip(supernet.named_parameters(), reference.parameters(), strict=True):
        gradient = torch.zeros_like(start) if start.grad is None else start.grad
        torch.testing.assert_close(moved.detach(), start.detach() - 0.1 * gradient, atol=1e-5, rtol=1e-5, msg=name)
    assert len(rule.received) == 2, "the rule is resumed after its last pass, too"
    torch.testing.assert_close(rule.received[0], teacher.detach(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(rule.received[1], student.detach(), atol=1e-5, rtol=1e-5)
    assert not any(scores.requires_grad for scores in rule.received)


def test_gradients_do_not_leak_from_one_step_into_the_next(space: Space) -> None:
    """Same batch, no momentum: two steps are two separate descents, in whatever order architectures change."""
    large, small = row(space), row(space, width=4)
    figures = recipe(momentum=0.0, weight_decay=0.0, schedule="constant")
    together = space.supernet(1, 16, 4)
    with stepper(together, Scripted(large, small, large), figures) as steps:
        for step in range(3):
            steps.run(step)
    apart = space.supernet(1, 16, 4)
    for step in range(3):
        with stepper(apart, Scripted(large, small, large), figures) as steps:
            steps.run(step)
    assert same(weights(together), weights(apart))


@pytest.mark.parametrize("norm_affine", [True, False])
def test_scale_and_shift_of_batch_norms_are_trained_only_where_asked(space: Space, norm_affine: bool) -> None:
    supernet = space.supernet(1, 16, 4)
    train(stepper(supernet, Scripted(row(space)), recipe(norm_affine=norm_affine), steps=3))
    norms = [module for module in supernet.modules() if isinstance(module, ElasticBatchNorm2d)]
    assert len(norms) == 3
    for norm in norms:
        assert isinstance(norm.weight, nn.Parameter)
        assert isinstance(norm.bias, nn.Parameter)
        untouched = bool((norm.weight == 1).all()) and bool((norm.bias == 0).all())
        assert untouched is not norm_affine


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training_lowers_the_loss(space: Space, optimiser: str, precision: str) -> None:
    figures = recipe(optimiser=optimiser, learning_rate=0.05 if optimiser == "sgd" else 0.01, weight_decay=0.0)
    supernet = space.supernet(1, 16, 4)
    losses = train(stepper(supernet, Scripted(row(space)), figures, steps=60, precision=precision)).losses
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:5])
    assert all(value.dtype == torch.float32 for value in supernet.state_dict().values())


def test_mixed_precision_computes_in_bfloat16_and_keeps_float32_weights(space: Space) -> None:
    seen = set()

    class Looking(Scripted):
        def passes(self, context: StepContext) -> Generator[Pass, torch.Tensor, None]:
            scores = yield Pass(self.rows[0], context.loss)
            seen.add(scores.dtype)

    for precision in ("32-true", "bf16-mixed"):
        with stepper(space.supernet(1, 16, 4), Looking(row(space)), precision=precision) as steps:
            steps.run(0)
    assert seen == {torch.float32, torch.bfloat16}


@pytest.mark.parametrize("bound", [0.01, 0.1])
def test_clipping_bounds_the_length_of_a_step(space: Space, bound: float) -> None:
    moved = {}
    for clip in (None, bound):
        supernet = space.supernet(1, 16, 4)
        start = weights(supernet)
        figures = recipe(clip_norm=clip, momentum=0.0, weight_decay=0.0, schedule="constant")
        with stepper(supernet, Scripted(row(space)), figures) as steps:
            steps.run(0)
        squares = sum(float((value - start[name]).double().square().sum()) for name, value in weights(supernet).items())
        moved[clip] = math.sqrt(squares)
    assert moved[None] > 0.1 * bound * 1.5, "the bound binds"
    assert moved[bound] == pytest.approx(0.1 * bound, rel=1e-3)


def test_a_loss_that_is_no_number_ends_training_with_advice_and_moves_nothing(space: Space) -> None:
    class Diverging(Scripted):
        def passes(self, context: StepContext) -> Generator[Pass, torch.Tensor, None]:
            factor = float("nan") if context.step == 2 else 1.0
            yield Pass(self.rows[0], lambda scores, targets: F.cross_entropy(scores, targets) * factor)

    supernet = space.supernet(1, 16, 4)
    with stepper(supernet, Diverging(row(space))) as steps:
        steps.run(0)
        steps.run(1)
        before = weights(supernet)
        with pytest.raises(NasError, match=r"nan at step 3.*learning_rate=0\.025.*clip_norm=1"):
            steps.run(2)
    assert same(before, weights(supernet))


def test_an_exploding_rate_ends_in_the_same_advice(space: Space) -> None:
    figures = recipe(learning_rate=1e12)
    with pytest.raises(NasError, match=r"training diverged; lower the rate"):
        train(stepper(space.supernet(1, 16, 4), Scripted(row(space)), figures, steps=50))


def test_every_step_uses_the_rate_of_its_schedule(space: Space) -> None:
    figures = recipe(schedule="cosine", warmup=0.25)
    with stepper(space.supernet(1, 16, 4), Scripted(row(space)), figures, steps=8) as steps:
        for step in range(8):
            steps.run(step)
            assert {group["lr"] for group in steps.optimiser.param_groups} == {rate_at(figures, step, 8)}


def test_uniform_draws_every_option_of_every_decision_equally_often(space: Space) -> None:
    """Chi-square over 4000 steps; a decision without meaning in an architecture counts where it has one."""
    rule, count = Uniform(), 4000
    rows = []
    for step in range(count):
        rng = generator(3, "architectures", step)
        context = StepContext(step, count, space.decisions, rng, Uniform.defaults, NOBODY)
        asked = list(rule.passes(context))
        assert len(asked) == 1
        assert asked[0].weight == 1.0
        rows.append(asked[0].row)
    drawn = np.asfortranarray(rows)
    assert (space.decisions.canonical(drawn) == drawn).all()
    active = space.decisions.active(drawn)
    for column, options in enumerate(space.decisions.cardinalities):
        codes = drawn[active[:, column], column]
        observed, expected = np.bincount(codes, minlength=options), len(codes) / options
        assert len(codes) > count / 8
        # 10.8 is the 99.9 % quantile for one degree of freedom; every decision here has two options.
        assert options == 2
        assert ((observed - expected) ** 2 / expected).sum() < 10.8, space.decisions.names[column]
    pairs = np.corrcoef(drawn[:, space.decisions.column["width"]], drawn[:, space.decisions.column["depth"]])
    assert abs(pairs[0, 1]) < 0.06


def test_uniform_minimises_smoothed_cross_entropy(space: Space) -> None:
    figures = Uniform.defaults.changed({"label_smoothing": 0.3})
    context = StepContext(0, 1, space.decisions, np.random.default_rng(0), figures, NOBODY)
    scores, targets = torch.tensor([[1.0, 2.0, 0.5]]), torch.tensor([0])
    logs = torch.log_softmax(scores, 1)[0]
    expected = -(0.7 * logs[0] + 0.3 * logs.mean())
    assert next(Uniform().passes(context)).loss(scores, targets) == pytest.approx(expected)


def test_training_says_nothing_to_warning_filters(space: Space) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(stepper(space.supernet(1, 16, 4), Uniform(), steps=10))


def test_norms_that_are_not_trained_let_everything_through() -> None:
    """A branch whose last scale begins at zero would otherwise stay shut, and its weights never learn."""
    supernet = tiny_space().supernet(1, 16, 4)
    norms = [module for module in supernet.modules() if isinstance(module, ElasticBatchNorm2d)]
    for norm in norms:
        nn.init.zeros_(norm.weight)
        nn.init.constant_(norm.bias, 0.3)
    before = weights(supernet)
    train(stepper(supernet, Uniform(), recipe(norm_affine=False, weight_decay=0.0)))
    assert all(bool((norm.weight == 1).all()) and bool((norm.bias == 0).all()) for norm in norms)
    for name, value in weights(supernet).items():
        if value.ndim == 4:
            assert not torch.equal(value, before[name]), name
