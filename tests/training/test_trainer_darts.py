"""DARTS: both orders of the architecture gradient against autograd's, the collapse monitor, resuming."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_relaxation import Held, relaxable_space, searching
from tiny_training import RandomBatches, same, tiny_space, weights
from torch.func import functional_call
from toy_device import install_toy_device

from nas.base.errors import NasError
from nas.base.progress import Silent
from nas.supernet import Space
from nas.training import Stepper, train
from nas.training.differentiable.collapse import CollapseMonitor, skip_connections
from nas.training.differentiable.unrolled import ahead, unrolled_gradients
from nas.training.trainer import StepContext
from nas.training.trainers.darts import Darts
from search_spaces.cells import darts_space, nas_bench_201_space


def textbook() -> ModuleType:
    """The reference formulation of the study."""
    path = Path(__file__).parents[2] / "experiments" / "textbook_darts.py"
    spec = importlib.util.spec_from_file_location("textbook_darts", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["textbook_darts"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["cells:darts", "cells:nas-bench-201"])
def test_first_order_gradients_are_the_textbooks(name: str) -> None:
    book = textbook()
    space: Space = darts_space(2, 3) if name == "cells:darts" else nas_bench_201_space(4, 1)
    network = (book.Darts(2, 3, 5) if name == "cells:darts" else book.Bench(4, 1, 5)).double()
    supernet = space.supernet(3, 8, 5, seed=1).double().train()
    book.copy_weights(supernet.network, network)
    relaxation = space.relax(supernet.network)
    generator = torch.Generator().manual_seed(0)
    alphas = [torch.randn(len(edge.operators), generator=generator).double().requires_grad_() for edge in relaxation.edges]
    images = torch.randn((2, 3, 8, 8), generator=generator, dtype=torch.float64)
    labels = torch.tensor([3, 0])
    with relaxation.weighed([alpha.softmax(0) for alpha in alphas]):
        loss = F.cross_entropy(supernet(images), labels)
    own = [p for key, p in supernet.network.named_parameters() if "norm" not in key and "stem.1" not in key]
    ours = torch.autograd.grad(loss, [*alphas, *own])
    theirs = torch.autograd.grad(F.cross_entropy(network(images, alphas), labels), [*alphas, *network.parameters()])
    for first, second in ((ours[: len(alphas)], theirs[: len(alphas)]), (ours[len(alphas) :], theirs[len(alphas) :])):
        mine, other = (torch.cat([part.flatten() for part in parts]) for parts in (first, second))
        assert float((mine - other).norm() / other.norm()) < 1e-10


def context_of(stepper: Stepper, step: int = 0) -> StepContext:
    decisions = stepper.supernet.space.decisions
    return StepContext(step, stepper.steps, decisions, np.random.default_rng(0), stepper.recipe, stepper)


def in_double(stepper: Stepper, trainer: Darts) -> None:
    """Weights, architecture parameters, buffers and batches in double precision."""
    stepper.supernet.double()
    trainer.state.double()
    for state in stepper.optimiser.state.values():
        state["momentum_buffer"] = state["momentum_buffer"].double()
    for batches in (stepper.batches, stepper.held):
        plain = batches.batch  # type: ignore[union-attr]

        def batch(step: int, plain: object = plain) -> object:
            found = plain(step)  # type: ignore[operator]
            return type(found)(found.images.double(), found.targets)

        batches.batch = batch  # type: ignore[method-assign,assignment,union-attr]


def unrolled_by_autograd(stepper: Stepper, trainer: Darts) -> list[torch.Tensor]:
    """The exact gradient of the held loss after one step of SGD, through the step."""
    supernet, alphas = stepper.supernet, list(trainer.state.parameters())
    named = {name: p for name, p in supernet.named_parameters() if p.requires_grad}

    def loss(batches: object, parameters: dict[str, torch.Tensor]) -> torch.Tensor:
        batch = batches.batch(0)  # type: ignore[attr-defined]
        with trainer.mixed([alpha.softmax(0) for alpha in alphas]):
            return F.cross_entropy(functional_call(supernet, parameters, (batch.images,)), batch.targets)

    gradients = torch.autograd.grad(loss(stepper.batches, named), list(named.values()), create_graph=True)
    group = stepper.optimiser.param_groups[0]
    moved = {}
    for (name, weight), gradient in zip(named.items(), gradients, strict=True):
        buffer = stepper.optimiser.state[weight]["momentum_buffer"]
        step = gradient + group["weight_decay"] * weight.detach() + group["momentum"] * buffer
        moved[name] = weight.detach() - group["lr"] * step
    return list(torch.autograd.grad(loss(stepper.held, moved), alphas))


@pytest.mark.parametrize("nesterov", [False, True])
def test_a_virtual_step_is_where_the_optimiser_goes(nesterov: bool) -> None:
    start = [torch.randn(3, 2), torch.randn(4)]
    parameters = [torch.nn.Parameter(value.clone()) for value in start]
    groups = [{"params": parameters[:1], "weight_decay": 0.3}, {"params": parameters[1:], "weight_decay": 0.0}]
    sgd = torch.optim.SGD(groups, lr=0.2, momentum=0.9, nesterov=nesterov)
    for _ in range(3):
        gradients = [torch.randn_like(parameter) for parameter in parameters]
        expected = ahead(sgd, gradients)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        sgd.step()
        for parameter, where in zip(parameters, expected, strict=True):
            torch.testing.assert_close(parameter.data, where)


def test_the_second_order_is_autograds_gradient_through_the_step() -> None:
    """The finite difference is exact to the order of R^2: a tenth of R leaves a hundredth of the error."""
    trainer = Darts()
    stepper = searching(trainer, alpha_std=0.5, learning_rate=0.5, clip_norm=None)
    in_double(stepper, trainer)
    with stepper:
        for group in stepper.optimiser.param_groups:
            group["lr"] = 0.5
        generator = torch.Generator().manual_seed(1)
        for state in stepper.optimiser.state.values():
            state["momentum_buffer"] = torch.randn(state["momentum_buffer"].shape, generator=generator).double() / 100
        before = weights(stepper.supernet)
        exact = torch.cat(unrolled_by_autograd(stepper, trainer))
        errors, found = [], []
        for epsilon in (0.01, 0.001):
            stepper.recipe = stepper.recipe.changed({"difference": epsilon})
            found.append(torch.cat(trainer.architecture_gradients(context_of(stepper), stepper)))
            errors.append(float((found[-1] - exact).norm() / exact.norm()))
        first = stepper.recipe.changed({"order": "first"})
        stepper.recipe = first
        plain = torch.cat(trainer.architecture_gradients(context_of(stepper), stepper))
        assert errors[0] < 1e-3 and errors[1] < max(errors[0] / 50, 1e-9)
        assert float((plain - exact).norm() / exact.norm()) > 0.02  # the part that only the second order has
        assert same(weights(stepper.supernet), before)


def test_the_finite_difference_drops_out_the_same_on_both_sides() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0], dtype=torch.float64))
    alpha = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    sgd = torch.optim.SGD([weight], lr=0.1)
    seen = []

    def loss() -> torch.Tensor:
        seen.append(float(torch.rand(())))
        return (alpha * weight.square()).sum()

    unrolled_gradients([alpha], sgd, loss, lambda: weight.sum() * 1.0)
    assert len(seen) == 3 and len(set(seen)) == 1


def test_a_step_moves_the_architecture_by_held_images_and_the_weights_by_the_others() -> None:
    trainer = Darts()
    stepper = searching(trainer, order="first", alpha_std=0.3)
    reference = relaxable_space().supernet(1, 16, 4, seed=5).train()
    reference.load_state_dict(stepper.supernet.state_dict())
    relaxation = reference.space.relax(reference.network)
    alphas = [alpha.detach().clone().requires_grad_() for alpha in trainer.state.parameters()]

    def gradients(batches: RandomBatches, of: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        batch = batches.batch(0)
        with relaxation.weighed([alpha.softmax(0) for alpha in alphas]):
            return torch.autograd.grad(F.cross_entropy(reference(batch.images), batch.targets), of)

    adam = torch.optim.Adam(alphas, lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    for alpha, gradient in zip(alphas, gradients(Held(), alphas), strict=True):
        alpha.grad = gradient
    adam.step()
    names = [name for name, p in stepper.supernet.named_parameters() if p.requires_grad]
    own = dict(reference.named_parameters())
    expected = gradients(RandomBatches(), [own[name] for name in names])
    with stepper:
        trainer.step(context_of(stepper), stepper)
        for mine, other in zip(trainer.state.parameters(), alphas, strict=True):
            torch.testing.assert_close(mine.data, other.data)
        given = dict(stepper.supernet.named_parameters())
        for name, gradient in zip(names, expected, strict=True):
            torch.testing.assert_close(given[name].grad, gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("order", "in_bfloat16"), [("first", True), ("second", False)])
def test_the_finite_difference_is_never_taken_in_bfloat16(order: str, in_bfloat16: bool) -> None:
    """The weights move by less than bfloat16 tells apart."""
    trainer, seen = Darts(), set()
    stepper = searching(trainer, order=order)
    stepper.precision = "bf16-mixed"
    layer = stepper.supernet.network.classifier
    layer.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    with stepper:
        trainer.architecture_gradients(context_of(stepper), stepper)
        assert seen == {torch.bfloat16 if in_bfloat16 else torch.float32}
        seen.clear()
        trainer.step(context_of(stepper), stepper)
        assert torch.bfloat16 in seen  # the weights' own pass


def test_table_latency_is_weighed_in_the_architecture_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient is that of the cross-entropy plus that of lambda (E - reference) / reference, E enumerated."""
    install_toy_device(monkeypatch, relaxable_space())
    figures = {"order": "first", "metric": "toy-latency", "reference": 2.0, "resource_weight": 0.7}
    plain, weighed = Darts(), Darts()
    steppers = [searching(plain, order="first"), searching(weighed, **figures)]
    found = []
    for stepper in steppers:
        with stepper:
            found.append(stepper.trainer.architecture_gradients(context_of(stepper), stepper))
    alphas = [alpha.detach().double().requires_grad_() for alpha in weighed.state.parameters()]
    space = steppers[1].supernet.space
    expected = torch.zeros((), dtype=torch.float64)
    for codes in itertools.product(range(5), repeat=3):
        p = torch.stack([alpha.softmax(0)[code] for alpha, code in zip(alphas, codes, strict=True)]).prod()
        expected = expected + p * float(space.cost("toy-latency", np.array([codes], dtype=np.uint8))[0])
    extra = torch.autograd.grad(0.7 * (expected - 2.0) / 2.0, alphas)
    assert max(float(part.abs().max()) for part in extra) > 1e-3
    for mine, other, more in zip(found[1], found[0], extra, strict=True):
        torch.testing.assert_close(mine, other + more.float(), rtol=1e-4, atol=1e-7)


def test_a_resource_needs_a_reference_and_must_be_a_sum() -> None:
    with pytest.raises(NasError, match="'macs' needs a reference"):
        Darts.defaults.changed({"metric": "macs"})
    why = Darts.misfit(relaxable_space(), Darts.defaults.changed({"metric": "memory", "reference": 1e6}))
    assert why is not None and "no sum" in why


def test_frozen_epochs_leave_the_architecture_as_it_was_drawn() -> None:
    trainer = Darts()
    stepper = searching(trainer, steps=4, order="first", frozen_epochs=25)
    drawn = [alpha.detach().clone() for alpha in trainer.state.parameters()]
    assert [phase.start for phase in trainer.phases(4, stepper.recipe)] == [0, 2]
    with stepper:
        for step in range(3):
            stepper.run(step)
            still = [torch.equal(alpha, first) for alpha, first in zip(trainer.state.parameters(), drawn, strict=True)]
            assert all(still) == (step < 2)


@pytest.mark.parametrize("order", ["first", "second"])
def test_a_resumed_search_equals_an_uninterrupted_one(order: str, tmp_path: Path) -> None:
    whole, halves = Darts(), (Darts(), Darts())
    uninterrupted = searching(whole, order=order)
    train(uninterrupted)
    first = searching(halves[0], order=order)
    first.stop_asked = lambda: False
    with pytest.raises(KeyboardInterrupt):
        run = first.run

        def stopping(step: int) -> float:
            total = run(step)
            first.stopping = step == 2
            return total

        first.run = stopping  # type: ignore[method-assign]
        train(first, tmp_path / "checkpoint")
    second = searching(halves[1], order=order)
    train(second, tmp_path / "checkpoint")
    assert same(weights(second.supernet), weights(uninterrupted.supernet))
    for mine, other in zip(halves[1].state.parameters(), whole.state.parameters(), strict=True):
        assert torch.equal(mine, other)
    assert halves[1].facts() == whole.facts()


def test_the_monitor_warns_once_when_skip_connections_take_over() -> None:
    space = relaxable_space()
    relaxation = space.relax(space.supernet(1, 16, 4).network)
    monitor = CollapseMonitor(relaxation, 0.5)
    none, skip, conv = (np.eye(5)[number] for number in (0, 1, 2))
    assert monitor.observe([skip, conv, conv]) is None
    warning = monitor.observe([skip, none, skip])
    assert warning is not None and "2 of 2" in warning
    assert monitor.observe([skip, skip, skip]) is None  # told already
    assert monitor.observe([conv, conv, conv]) is None
    assert monitor.observe([skip, skip, conv]) is not None
    assert monitor.shares == [1 / 3, 1.0, 1.0, 0.0, 2 / 3]


def test_the_monitor_watches_the_normal_cells_of_darts() -> None:
    space = darts_space(2, 3)
    relaxation = space.relax(space.supernet(3, 8, 5).network)
    skip, conv = np.eye(8)[3], np.eye(8)[4]
    assert skip_connections(relaxation, [*[skip] * 14, *[conv] * 14]) == (8, 8)
    assert skip_connections(relaxation, [*[conv] * 14, *[skip] * 14]) == (0, 8)


def test_a_collapse_is_told_to_the_user_and_kept_with_the_run() -> None:
    class Listening(Silent):
        def __init__(self) -> None:
            self.lines: list[str] = []

        def say(self, text: str) -> None:
            self.lines.append(text)

    trainer, listening = Darts(), Listening()
    stepper = searching(trainer, steps=2, order="first")
    for alpha in trainer.state.parameters():
        alpha.data = 5.0 * torch.eye(5)[1]
    train(stepper, reporter=listening)
    assert len(listening.lines) == 1 and "3 of 3 derived operators are skip connections" in listening.lines[0]
    assert trainer.facts() == {"skips": [1.0]}
    np.testing.assert_array_equal(trainer.derive(stepper.supernet.space.decisions), [1, 1, 1])


def test_spaces_that_are_no_choice_of_operators_are_refused() -> None:
    why = Darts.misfit(tiny_space(), Darts.defaults)
    assert why is not None and "no choice of operators" in why
    for changes, part in (({"architecture_share": 0.0}, "architecture_share"), ({"optimiser": "adamw"}, "order=first")):
        why = Darts.misfit(relaxable_space(), Darts.defaults.changed(changes))
        assert why is not None and part in why
    assert Darts.misfit(relaxable_space(), Darts.defaults) is None
