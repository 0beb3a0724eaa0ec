"""Binary gates, REINFORCE and the resource in the loss, against explicit sums over all draws and all architectures."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_training import TASK, RandomBatches, same, stepper, tiny_space, weights
from torch import nn
from toy_device import install_toy_device

import nas.training.trainers.proxyless as proxyless
from nas.base.errors import NasError
from nas.choices import Choice
from nas.costs import expected
from nas.data import Batch
from nas.elastic import ElasticBatchNorm2d, ElasticConv2d, ElasticLinear, OperatorChoice
from nas.supernet import Space, Task
from nas.training import Stepper, require_fit
from nas.training.checkpoint import load_checkpoint, save_checkpoint
from nas.training.differentiable.gates import draw_gates, draw_operator, gate_policy, gated, softmax_gradient
from nas.training.differentiable.resource_loss import ResourceLoss, summed_cost
from nas.training.trainers.proxyless import Proxyless, ProxylessRecipe, reward

A = Choice("a", ("skip", "thin", "thick"))
B = Choice("b", ("none", "thin", "thick"))


class Nothing(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 0.0


class TinyEdges(nn.Module):
    """Edge a in two places, each with weights of its own, then edge b beside a shortcut."""

    def __init__(self, task: Task, norm: bool) -> None:
        super().__init__()
        self.stem = ElasticConv2d(task.channels, 4, 3, stride=2)
        self.norm = ElasticBatchNorm2d(4) if norm else nn.Identity()

        def candidates() -> dict[str, nn.Module]:
            return {"thin": ElasticConv2d(4, 4, 1), "thick": ElasticConv2d(4, 4, 3)}

        self.first = OperatorChoice(A, {"skip": nn.Identity(), **candidates()})
        self.second = OperatorChoice(A, {"skip": nn.Identity(), **candidates()})
        self.third = OperatorChoice(B, {"none": Nothing(), **candidates()})
        self.classifier = ElasticLinear(4, task.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.second(torch.tanh(self.first(self.norm(self.stem(x))))))
        return self.classifier((x + self.third(x)).mean((2, 3)))  # type: ignore[no-any-return]


def edges_space(norm: bool = False) -> Space:
    return Space("edges", lambda task: TinyEdges(task, norm), task=TASK)


def figures(**changes: Any) -> ProxylessRecipe:
    given = {
        "reference_batch": 8,
        "batch_size": 8,
        "warmup_epochs": 0,
        "frozen_epochs": 0,
        "epochs": 1,
        "architecture_every": 1,
        "alpha_std": 0.5,
        "architecture_share": 0.5,
        "zero": "learnt",
        **changes,
    }
    return Proxyless.defaults.changed(given)  # type: ignore[return-value]


def training(space: Space | None = None, steps: int = 12, seed: int = 3, **changes: Any) -> Stepper:
    space = space or edges_space()
    supernet = space.supernet(1, 16, 4, seed=5)
    return stepper(supernet, Proxyless(), figures(**changes), steps, seed, held=RandomBatches())


def alphas(made: Stepper) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in made.trainer.state.parameters()]


def softmax(values: torch.Tensor) -> np.ndarray:
    exact = np.exp(values.detach().numpy().astype(np.float64))
    return exact / exact.sum()


def pairs(p: np.ndarray) -> Iterator[tuple[tuple[int, int], float]]:
    """Every draw of two operators without replacement, the active one first, with its probability."""
    for i, j in itertools.permutations(range(len(p)), 2):
        either_order = p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j])
        yield (i, j), either_order * p[i] / (p[i] + p[j])


def reference_gradient(made: Stepper, draws: list[tuple[int, ...]]) -> list[np.ndarray]:
    """dL/dalpha by the paper's formulas, from a network in which every gated sum is written out."""
    network = copy.deepcopy(made.supernet.network)
    gates = [torch.tensor([1.0] + [0.0] * (len(draw) - 1), requires_grad=True) for draw in draws]

    def gated_sum(module: OperatorChoice, x: torch.Tensor, edge: int) -> torch.Tensor:
        total = torch.zeros(())
        for place, number in enumerate(draws[edge]):
            output = module.candidates[number](x)
            total = total + gates[edge][place] * (output if place == 0 else output.detach())
        return total

    batch = RandomBatches().batch(0)
    x = network.norm(network.stem(batch.images))
    x = torch.tanh(gated_sum(network.first, x, 0))
    x = torch.tanh(gated_sum(network.second, x, 0))
    scores = network.classifier((x + gated_sum(network.third, x, 1)).mean((2, 3)))
    of_gates = torch.autograd.grad(F.cross_entropy(scores, batch.targets), gates)
    found = []
    for alpha, draw, of_gate in zip(made.trainer.state.parameters(), draws, of_gates, strict=True):
        p = softmax(alpha[list(draw)])
        gradient = np.zeros(len(alpha))
        for i, j in itertools.product(range(len(draw)), repeat=2):
            gradient[draw[i]] += float(of_gate[j]) * p[j] * ((i == j) - p[i])
        found.append(gradient)
    return found


def test_two_operators_are_drawn_without_replacement_and_one_of_them_is_active() -> None:
    alpha = torch.tensor([0.3, -0.7, 1.1, 0.0])
    rng, count = np.random.default_rng(0), 5_000
    seen = np.zeros((4, 4))
    for _ in range(count):
        seen[draw_gates(alpha, "two", rng).involved] += 1
    for pair, probability in pairs(softmax(alpha)):
        spread = math.sqrt(probability * (1 - probability) / count)
        assert abs(seen[pair] / count - probability) < 5 * spread
    drawn = np.bincount([draw_operator(alpha, rng) for _ in range(count)], minlength=4) / count
    assert np.abs(drawn - softmax(alpha)).max() < 0.035
    assert [draw_operator(torch.tensor([0.0, -500.0, -1000.0]), rng) for _ in range(5)] == [0] * 5
    assert set(draw_gates(torch.tensor([0.0, -500.0, -1000.0]), "two", rng).involved) == {0, 1}


@pytest.mark.parametrize("mode", ["two", "full", "full_v2"])
def test_a_gated_edge_is_the_sum_over_gates_with_inactive_operators_detached(mode: Any) -> None:
    torch.manual_seed(0)
    candidates = [nn.Conv2d(3, 3, 1), nn.Identity(), nn.Conv2d(3, 3, 3, padding=1)]
    place = OperatorChoice(Choice("c", (0, 1, 2)), dict(enumerate(candidates))).double()
    draw = gated((2, 0) if mode == "two" else (2, 0, 1), torch.zeros(3, dtype=torch.float64))
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    target = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    place.policy = gate_policy(draw, mode)
    asked = [draw.gates, x, candidates[2].weight]
    output = place(x)
    found = torch.autograd.grad((output.relu() * target).sum(), asked, retain_graph=True)
    assert torch.autograd.grad((output.relu() * target).sum(), candidates[0].weight, allow_unused=True) == (None,)
    wanted = sum(
        gate * (candidates[number](x) if number == 2 else candidates[number](x).detach())
        for gate, number in zip(draw.gates, draw.involved, strict=True)
    )
    assert torch.allclose(output, wanted, rtol=0, atol=1e-14)
    for one, other in zip(found, torch.autograd.grad((wanted.relu() * target).sum(), asked), strict=True):
        assert torch.allclose(one, other, rtol=1e-12, atol=1e-12)


def test_softmax_gradient_is_that_of_the_gates_taken_for_probabilities() -> None:
    logits, of_gates = torch.randn(5, dtype=torch.float64, requires_grad=True), torch.randn(5, dtype=torch.float64)
    (wanted,) = torch.autograd.grad((logits.softmax(0) * of_gates).sum(), logits)
    assert torch.allclose(softmax_gradient(of_gates, logits.detach()), wanted)


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize(("mode", "norm"), [("two", False), ("two", True), ("full", False), ("full_v2", True)])
def test_the_gradient_of_every_draw_is_the_papers(mode: str, norm: bool, direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Proxyless, "is_direct", lambda self, recipe, direct=direct: direct)
    monkeypatch.setattr(Proxyless, "step", lambda self, context, engine: 0.0)
    every = list(itertools.permutations(range(3), 2)) if mode == "two" else [(0, 1, 2), (1, 0, 2), (2, 0, 1)]
    for draws in zip(every, [*every[1:], every[0]], strict=True):
        made = training(edges_space(norm), gradient=mode)
        wanted = reference_gradient(made, list(draws))
        turn = iter(draws)
        monkeypatch.setattr(proxyless, "draw_gates", lambda alpha, mode, rng, turn=turn: gated(next(turn), alpha))
        with made:
            made.run(0)
        for alpha, gradient in zip(made.trainer.state.parameters(), wanted, strict=True):
            assert alpha.grad is not None
            assert np.abs(alpha.grad.numpy() - gradient).max() < 1e-6
            assert np.abs(gradient).max() > 1e-6 or {0} == set(draws[1])


def test_the_gradient_is_the_enumerated_expectation_on_average(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Proxyless, "step", lambda self, context, engine: 0.0)
    made = training(architecture_rate=1e-12, steps=10_000)
    ps = [softmax(alpha) for alpha in alphas(made)]
    wanted = [np.zeros(3), np.zeros(3)]
    for (first, p), (second, q) in itertools.product(pairs(ps[0]), pairs(ps[1])):
        for total, part in zip(wanted, reference_gradient(made, [first, second]), strict=True):
            total += p * q * part
    monkeypatch.setattr(made, "held_batch", lambda: RandomBatches().batch(0))
    seen: list[list[np.ndarray]] = []
    with made:
        for step in range(250):
            made.run(step)
            seen.append([alpha.grad.numpy().copy() for alpha in made.trainer.state.parameters()])
    for edge in range(2):
        found = np.stack([one[edge] for one in seen]).astype(np.float64)
        error = found.std(0) / math.sqrt(len(found))
        assert (np.abs(found.mean(0) - wanted[edge]) < 4.5 * error).all()
        assert (np.abs(wanted[edge]) > 3 * error).any()


@pytest.mark.parametrize("metric", [None, "macs"])
def test_a_step_keeps_what_the_two_operators_have_together(metric: str | None) -> None:
    made = training(metric=metric, reference=1000.0 if metric else None, architecture_rate=0.1)
    with made:
        for step in range(6):
            before = alphas(made)
            made.run(step)
            for old, new in zip(before, alphas(made), strict=True):
                moved = [n for n in range(3) if old[n] != new[n]]
                assert moved
                totals = [
                    (old[list(pair)].exp().sum() - new[list(pair)].exp().sum()).abs() < 1e-5
                    for pair in itertools.combinations(range(3), 2)
                ]
                assert any(totals)
                if metric is None:
                    assert len(moved) == 2
                    assert abs(softmax(old)[moved].sum() - softmax(new)[moved].sum()) < 1e-6


def test_an_edge_whose_active_operator_is_zero_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxyless, "draw_gates", lambda alpha, mode, rng: gated((0, 2), alpha))
    for zero, moves in (("left-alone", [False, False]), ("learnt", [True, True])):
        made = training(zero=zero, metric="macs", reference=1000.0)
        before = alphas(made)
        with made:
            made.run(0)
        assert [not torch.equal(old, new) for old, new in zip(before, alphas(made), strict=True)] == moves


def test_reinforce_is_the_gradient_of_the_expected_reward_on_average(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Proxyless, "step", lambda self, context, engine: 0.0)
    space = edges_space()
    figures = {"metric": "macs", "reference": 5000.0, "reward_power": 0.5, "baseline_weight": 0.0, "updates_per_epoch": 8}
    made = training(space, gradient="reinforce", architecture_rate=1e-12, networks=4, steps=10_000, **figures)
    made.trainer.restore({"baseline": 0.2})
    batch = RandomBatches().batch(0)
    parameters = [alpha.double().requires_grad_() for alpha in alphas(made)]
    value = torch.zeros((), dtype=torch.float64)
    for codes in itertools.product(range(3), repeat=2):
        row = np.array(codes, dtype=np.uint8)
        made.supernet.activate(row)
        with torch.no_grad():
            accuracy = float((made.supernet(batch.images).argmax(1) == batch.targets).double().mean())
        gain = accuracy * (5000.0 / float(space.cost("macs", row[None], made.supernet.task)[0])) ** 0.5
        value = value + gain * parameters[0].softmax(0)[codes[0]] * parameters[1].softmax(0)[codes[1]]
    wanted = torch.autograd.grad(-value, parameters)
    monkeypatch.setattr(made, "held_batch", lambda: batch)
    seen: list[list[np.ndarray]] = []
    with made:
        for step in range(150):
            made.run(step)
            seen.append([alpha.grad.numpy().copy() for alpha in made.trainer.state.parameters()])
    for edge in range(2):
        found = np.stack([one[edge] for one in seen]).astype(np.float64)
        error = found.std(0) / math.sqrt(len(found))
        assert (np.abs(found.mean(0) - wanted[edge].numpy()) < 4.5 * error).all()
        assert (np.abs(wanted[edge].numpy()) > 3 * error).any()


def test_the_baseline_starts_at_the_first_mean_reward_and_follows_with_its_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    made = training(gradient="reinforce", networks=2, baseline_weight=0.25, updates_per_epoch=8)
    rewards = iter([0.2, 0.4, 0.9, 0.9, 0.1, 0.3])
    monkeypatch.setattr(Proxyless, "_reward", lambda self, active, engine, recipe: next(rewards))
    baselines = []
    with made:
        for step in range(3):
            made.run(step)
            baselines.append(made.trainer.facts()["baseline"])
    assert baselines == pytest.approx([0.3, 0.45, 0.45 + 0.25 * (0.2 - 0.45)])
    assert reward(0.5, 100.0, 80.0, 0.1) == pytest.approx(0.5 * 0.8**0.1)


def test_the_expected_resource_is_the_mean_over_all_architectures() -> None:
    space = edges_space()
    made = training(space)
    cost = summed_cost(space, "macs", made.supernet.task)
    ps = [torch.from_numpy(softmax(alpha)) for alpha in alphas(made)]
    total = 0.0
    for codes in itertools.product(range(3), repeat=2):
        macs = float(space.cost("macs", np.array([codes], dtype=np.uint8), made.supernet.task)[0])
        total += macs * float(ps[0][codes[0]] * ps[1][codes[1]])
    assert float(expected(cost, ps)) == pytest.approx(total, rel=1e-12)


def test_table_latency_changes_the_gradient_of_the_gates_by_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    space = edges_space()
    install_toy_device(monkeypatch, space)
    gradients = []
    for changes in ({}, {"metric": "toy-latency", "reference": 1.5, "resource_loss": "add-linear", "resource_weight": 0.4}):
        made = training(space, gradient="full", **changes)
        with made:
            made.run(0)
        gradients.append([alpha.grad.clone() for alpha in made.trainer.state.parameters()])
    start = [alpha.double().requires_grad_() for alpha in alphas(training(space, gradient="full"))]
    total = torch.zeros((), dtype=torch.float64)
    for codes in itertools.product(range(3), repeat=2):
        p = torch.stack([alpha.softmax(0)[code] for alpha, code in zip(start, codes, strict=True)]).prod()
        total = total + p * float(space.cost("toy-latency", np.array([codes], dtype=np.uint8))[0])
    extra = torch.autograd.grad(0.4 * (total - 1.5) / 1.5, start)
    for without, weighed, more in zip(*gradients, extra, strict=True):
        assert float(more.abs().max()) > 1e-3
        torch.testing.assert_close(weighed - without, more.float(), rtol=1e-3, atol=1e-6)


def test_rewards_of_mixed_images_count_the_class_that_has_most_of_them() -> None:
    class Mixed(RandomBatches):
        def batch(self, step: int) -> Batch:
            plain = super().batch(step)
            shares = 0.7 * F.one_hot(plain.targets, TASK.classes) + 0.3 / TASK.classes
            return Batch(plain.images, shares)

    found = []
    for held in (RandomBatches(), Mixed()):
        supernet = edges_space().supernet(1, 16, 4, seed=5)
        made = stepper(supernet, Proxyless(), figures(gradient="reinforce", updates_per_epoch=8), 12, 3, held=held)
        with made:
            made.run(0)
        found.append(alphas(made))
    assert all(map(torch.equal, *found))


def test_an_edge_without_a_live_operator_learns_by_the_plain_formula() -> None:
    """In cells whose edges run only while they are live: the operators that were not drawn have a gradient, too."""
    from search_spaces.cells.nas_bench_201 import nas_bench_201_space

    space = nas_bench_201_space(4, 1)
    supernet = space.supernet(1, 16, 4, seed=1)
    made = stepper(supernet, Proxyless(), figures(gradient="full", zero="learnt"), 4, held=RandomBatches(4))
    none = next(iter(made.trainer._relaxation.edges)).none
    assert none is not None
    with torch.no_grad():
        for number, alpha in enumerate(made.trainer.state.parameters()):
            alpha.zero_()
            alpha[none if number == 3 else (none + 3) % 5] = 50.0
    with made:
        made.run(0)
    assert float(list(made.trainer.state.parameters())[3].grad.abs().max()) > 0


def test_losses_with_a_resource() -> None:
    loss, resource = torch.tensor(1.5, requires_grad=True), torch.tensor(95.0, requires_grad=True)
    multiplied = ResourceLoss("mul-log", 80.0, 0.2, 0.3, 0.1)(loss, resource)
    assert float(multiplied.detach()) == pytest.approx(0.2 * 1.5 * (math.log(95) / math.log(80)) ** 0.3)
    slope = 0.2 * 1.5 * 0.3 * (math.log(95) / math.log(80)) ** -0.7 / (95 * math.log(80))
    assert float(torch.autograd.grad(multiplied, resource)[0]) == pytest.approx(slope)
    added = ResourceLoss("add-linear", 80.0, 0.2, 0.3, 0.1)(loss, resource)
    assert float(added.detach()) == pytest.approx(1.5 + 0.1 * 15 / 80)


def test_a_dear_operator_loses_probability_to_the_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Proxyless, "step", lambda self, context, engine: 0.0)
    made = training(
        metric="macs",
        reference=1000.0,
        resource_loss="add-linear",
        resource_weight=100.0,
        architecture_rate=0.05,
        gradient="full",
    )
    before = alphas(made)
    with made:
        for step in range(10):
            made.run(step)
    for old, new in zip(before, alphas(made), strict=True):
        assert softmax(new)[2] < softmax(old)[2]
        assert softmax(new)[0] > softmax(old)[0]


def test_warm_up_and_search_have_schedules_of_their_own() -> None:
    figures = Proxyless.defaults.changed({"batch_size": 256})
    trainer = Proxyless()
    rates = [trainer.rate(step, 1600, figures) for step in (0, 200, 399, 400, 1000, 1599)]
    half = 0.5 * (1 + math.cos(math.pi * 399 / 400))
    last = 0.5 * (1 + math.cos(math.pi * 1199 / 1200))
    assert rates == pytest.approx([0.05, 0.025, 0.05 * half, 0.025, 0.0125, 0.025 * last])
    assert [phase.start for phase in trainer.phases(1600, figures)] == [0, 400, 410]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"gradient": "two", "architecture_every": 5}, {24: 1, 29: 1, 34: 1, 39: 1}),
        ({"gradient": "reinforce", "updates_per_epoch": 2}, {23: 1, 27: 1, 31: 1, 35: 1, 39: 1}),
        ({"gradient": "reinforce", "updates_per_epoch": 12}, {step: 1 + (step - 20) % 2 for step in range(20, 40)}),
    ],
)
def test_architecture_steps_come_after_warm_up_and_first_epoch(
    changes: dict[str, Any], wanted: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = training(steps=40, warmup_epochs=1, frozen_epochs=1, epochs=4, **changes)
    seen: dict[int, int] = {}

    def note(self: Proxyless, context: Any, engine: Any) -> None:
        seen[context.step] = seen.get(context.step, 0) + 1

    monkeypatch.setattr(Proxyless, "_step_gates", note)
    monkeypatch.setattr(Proxyless, "_step_reinforce", note)
    with made:
        for step in range(40):
            made.run(step)
    assert seen == wanted


def test_weights_and_architecture_learn_on_different_images() -> None:
    made = training()
    seen: dict[str, int] = {"held": 0, "batch": 0}
    held, batch = made.held_batch, made.batch
    made.held_batch = lambda: (seen.update(held=seen["held"] + 1), held())[1]  # type: ignore[method-assign,func-returns-value]
    made.batch = lambda: (seen.update(batch=seen["batch"] + 1), batch())[1]  # type: ignore[method-assign,func-returns-value]
    with made:
        made.run(0)
    assert seen == {"held": 1, "batch": 1}


def test_direct_gradients_change_no_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for direct in (True, False):
        monkeypatch.setattr(Proxyless, "is_direct", lambda self, recipe, direct=direct: direct)
        made = training(edges_space(norm=True), metric="macs", reference=1000.0, weight_decay=0.05)
        with made:
            for step in range(8):
                made.run(step)
        found.append((weights(made.supernet), alphas(made)))
    for name, value in found[0][0].items():
        assert torch.allclose(value, found[1][0][name], atol=1e-6), name
    for one, other in zip(found[0][1], found[1][1], strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("gradient", ["two", "full_v2", "reinforce"])
def test_a_resumed_search_equals_the_uninterrupted_one(gradient: str, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"gradient": gradient, "networks": 2, "updates_per_epoch": 8, "zero": "left-alone"}
    whole = training(edges_space(norm=True), **changes)
    with whole:
        losses = [whole.run(step) for step in range(12)]
    first = training(edges_space(norm=True), **changes)
    with first:
        begun = [first.run(step) for step in range(5)]
        facts = {"rule": first.trainer.facts()}
        save_checkpoint(tmp_path / "checkpoint", first.supernet, first.optimiser, facts, first.parts)
    second = training(edges_space(norm=True), **changes)
    read = load_checkpoint(tmp_path / "checkpoint", second.supernet, second.optimiser, second.parts)
    second.trainer.restore(read["rule"])
    with second:
        assert begun + [second.run(step) for step in range(5, 12)] == losses
    assert same(weights(whole.supernet), weights(second.supernet))
    assert all(map(torch.equal, alphas(whole), alphas(second)))


def test_the_derived_architecture_has_the_likeliest_operators() -> None:
    made = training()
    with torch.no_grad():
        for alpha, best in zip(made.trainer.state.parameters(), (2, 1), strict=True):
            alpha[best] = 3.0
    assert made.trainer.derive(made.supernet.space.decisions).tolist() == [2, 1]


def test_policies_are_gone_after_a_step() -> None:
    made = training()
    with made:
        made.run(0)
    assert all(module.policy is None for module in made.supernet.modules() if isinstance(module, OperatorChoice))


def test_a_relaxation_whose_edges_are_no_decisions_is_searched_too() -> None:
    from search_spaces.cells.darts import darts_space

    space = darts_space(channels=4, cells=3)
    supernet = space.supernet(1, 16, 4, seed=1)
    made = stepper(supernet, Proxyless(), figures(zero="left-alone"), 4, held=RandomBatches(4))
    before = alphas(made)
    with made:
        for step in range(2):
            assert math.isfinite(made.run(step))
    moved = sum(not torch.equal(old, new) for old, new in zip(before, alphas(made), strict=True))
    assert moved > len(before) // 2
    row = made.trainer.derive(space.decisions)
    space.decisions.check(row[None])
    assert "edges are not its decisions" in str(Proxyless.misfit(space, figures(metric="macs", reference=1e6)))


def test_misfits_say_why() -> None:
    with pytest.raises(NasError, match=r"'width' is read by .* no choice of operators; trainers that can: .*uniform"):
        require_fit("proxyless", Proxyless(), tiny_space(), Proxyless.defaults)
    space = edges_space()
    assert Proxyless.misfit(space, Proxyless.defaults) is None
    assert "architecture_share" in str(Proxyless.misfit(space, figures(architecture_share=0)))
    assert "no sum" in str(Proxyless.misfit(space, figures(metric="memory", reference=1e6)))
    assert "lacks" in str(Proxyless.misfit(space, figures(metric="pixel1-latency", reference=80)))
    assert "logarithm" in str(Proxyless.misfit(space, figures(metric="macs", reference=0.5)))
    with pytest.raises(NasError, match=r"'reference' cannot be None: .* 'macs' needs a reference"):
        figures(metric="macs")
