"""Superkernels with thresholds: indicators, decoding and runtime models against what the paper writes down."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_superkernels import TinyKernels, superkernel_space
from tiny_training import TASK, RandomBatches, same, stepper, tiny_space, weights
from torch import nn

from nas.base.errors import NasError
from nas.choices import Choice
from nas.elastic import ElasticBatchNorm2d, ElasticConv2d, ElasticLayerNorm, ElasticLinear
from nas.supernet import Space, Task
from nas.supernet.superkernels import Superkernel, Superkernels, superkernels
from nas.training import Stepper, require_fit
from nas.training.checkpoint import load_checkpoint, save_checkpoint
from nas.training.differentiable.resource_loss import summed_cost
from nas.training.differentiable.runtime_model import ExactRuntime, LayerwiseRuntime, probabilities
from nas.training.differentiable.thresholds import Indicators, hard_step, mask, option_probabilities
from nas.training.optimisers import build_optimiser
from nas.training.trainers.single_path import SinglePath, SinglePathRecipe
from search_spaces.mbconv.single_path import single_path

DECODED = {
    (0, 0, 0): "skip",
    (0, 0, 1): "skip",
    (1, 0, 0): "skip",
    (1, 0, 1): "skip",
    (0, 1, 0): "k3e3",
    (0, 1, 1): "k3e6",
    (1, 1, 0): "k5e3",
    (1, 1, 1): "k5e6",
}
"""(d5x5, d50, d100) -> option, as the paper has it."""

FIRST_OF_STAGE = (1, 5, 9, 13, 17)
CONSTANT = 19.5999


@pytest.fixture(scope="module")
def space() -> Space:
    return single_path()


@pytest.fixture(scope="module")
def found(space: Space) -> Superkernels:
    return superkernels(space.decisions.choices, space.walk(), space.without_memory())


def figures(**changes: Any) -> SinglePathRecipe:
    given = {"reference_batch": 8, "batch_size": 8, "metric": "macs", "learning_rate": 0.01, **changes}
    return SinglePath.defaults.changed(given)  # type: ignore[return-value]


def training(steps: int = 16, **changes: Any) -> Stepper:
    return stepper(superkernel_space().supernet(1, 16, 4, seed=5), SinglePath(), figures(**changes), steps)


def same_indicator(indicator: torch.Tensor) -> torch.Tensor:
    return indicator


def decided(kernel: Superkernel, d5: float, d50: float, d100: float) -> Indicators:
    """The paper's three indicators; the first layer of a stage has no d50."""
    groups = (d50, d100) if kernel.optional else (d100,)
    return Indicators((torch.tensor(d5),), tuple(map(torch.tensor, groups)))


def test_an_indicator_is_a_hard_step_with_the_gradient_of_a_sigmoid() -> None:
    x = torch.tensor([-2.0, -1e-6, 0.0, 0.5], dtype=torch.float64, requires_grad=True)
    indicator = hard_step(x)
    assert indicator.tolist() == [0.0, 0.0, 1.0, 1.0]
    soft = torch.sigmoid(x.detach())
    (gradient,) = torch.autograd.grad((indicator * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum(), x)
    assert torch.allclose(gradient, torch.tensor([1.0, 2.0, 3.0, 4.0]) * soft * (1 - soft))


def test_the_papers_layers_are_found(found: Superkernels) -> None:
    assert not found.others
    assert [kernel.name for kernel in found.kernels] == [f"layer{index}" for index in range(1, 21)]
    for index, kernel in enumerate(found.kernels, 1):
        (layer,) = kernel.layers
        assert kernel.sides == (3, 5)
        assert kernel.widths[0] == (layer.weight.shape[0] // 2, layer.weight.shape[0])
        assert kernel.optional == (index not in FIRST_OF_STAGE)
        assert kernel.increments == (3 if kernel.optional else 2)


@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("signs", list(itertools.product((0, 1), repeat=3)))
def test_weights_in_use_and_their_gradients_are_the_papers(
    found: Superkernels, layer: int, signs: tuple[int, int, int]
) -> None:
    kernel = found.kernels[layer - 1]
    width = kernel.widths[0][1]
    torch.manual_seed(0)
    weight = torch.randn(width, 1, 5, 5, dtype=torch.float64, requires_grad=True)
    far = [0.5 if sign else 2.0 for sign in (signs if kernel.optional else (signs[0], signs[2]))]
    scale = {0.5: 0.9, 2.0: 1.1}
    outer = weight.clone()
    outer[:, :, 1:4, 1:4] = 0

    def indicator(norm: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
        soft = torch.sigmoid(norm - threshold)
        return soft + (float(norm >= threshold) - soft).detach()

    def paper(thresholds: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        t = iter(thresholds)
        d5 = indicator(outer.square().sum().sqrt(), next(t))
        k = (weight - outer) + d5 * outer
        d50 = indicator(k[: width // 2].square().sum().sqrt(), next(t)) if kernel.optional else torch.ones(())
        d100 = indicator(k[width // 2 :].square().sum().sqrt(), next(t))
        first, second = k.clone(), k.clone()
        first[width // 2 :], second[: width // 2] = 0, 0
        return d50 * (first + d100 * second), [d5, d50, d100]

    # Thresholds a tenth below or above the norms that they are compared with.
    inner_norms = [float(outer.detach().norm())]
    chosen = weight.detach() - (0 if signs[0] else 1) * outer.detach()
    inner_norms += [float(chosen[: width // 2].norm())] * kernel.optional + [float(chosen[width // 2 :].norm())]
    thresholds = torch.tensor([norm * scale[f] for norm, f in zip(inner_norms, far, strict=True)], dtype=torch.float64)
    thresholds.requires_grad_()
    wanted, ds = paper(list(thresholds))
    masked = mask(kernel, [weight], thresholds, same_indicator)
    assert torch.allclose(masked.weights[0], wanted, atol=1e-12)
    assert [float(d.detach()) for d in ds] == pytest.approx([signs[0], signs[1] if kernel.optional else 1, signs[2]])
    shown = [float(d.detach()) for d in (*masked.indicators.shells, *masked.indicators.groups)]
    assert shown == [sign for place, sign in enumerate(signs) if kernel.optional or place != 1]
    target = torch.randn_like(weight)
    one = torch.autograd.grad((masked.weights[0] * target).sum(), [weight, thresholds], retain_graph=True)
    other = torch.autograd.grad((wanted * target).sum(), [weight, thresholds], retain_graph=True)
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("combination", list(DECODED))
def test_every_combination_of_indicators_is_decoded_by_the_papers_table(
    space: Space, found: Superkernels, combination: tuple[int, int, int]
) -> None:
    for kernel in found.kernels[:2]:
        choice = space.decisions.choices[kernel.columns[0]]
        (vector,) = option_probabilities(kernel, decided(kernel, *map(float, combination)))
        assert sorted(vector.tolist()) == [0.0] * (len(choice.options) - 1) + [1.0]
        option = DECODED[combination] if kernel.optional else DECODED[combination[0], 1, combination[2]]
        assert choice.options[int(vector.argmax())] == option


# R(3x3-e3), R(3x3-e6), R(5x5-e3), R(5x5-e6) of four layers in the paper's table, in milliseconds.
ENTRIES = {
    1: (4.4905, 9.2015, 5.9248, 11.5892),
    2: (3.4111, 6.4022, 4.8853, 9.1518),
    11: (1.5785, 3.1346, 1.8074, 3.6589),
    20: (2.4381, 4.9217, 2.6649, 5.4103),
}


def models(space: Space, found: Superkernels) -> tuple[LayerwiseRuntime, ExactRuntime]:
    terms = space.terms("pixel1-latency")
    paper = LayerwiseRuntime(terms, found.kernels, space.decisions.choices)
    return paper, ExactRuntime(summed_cost(space, "pixel1-latency", space.task), found.kernels)


def test_the_papers_runtime_of_a_layer(space: Space, found: Superkernels) -> None:
    paper, _ = models(space, found)
    assert paper.constant == pytest.approx(CONSTANT)
    smallest = [decided(kernel, 0.0, 0.0, 0.0) for kernel in found.kernels]
    base = float(paper(smallest))
    for index, (_, r33, r50, r100) in ENTRIES.items():
        kernel = found.kernels[index - 1]
        alone = base - (0.0 if kernel.optional else r50 * r33 / r100)
        for d5, d50, d100 in itertools.product((0.0, 1.0), repeat=3):
            runs = d50 if kernel.optional else 1.0
            by_width = runs * (r50 + d100 * (r100 - r50))
            wanted = by_width * (r33 / r100) + d5 * by_width * (1 - r33 / r100)
            given = list(smallest)
            given[index - 1] = decided(kernel, d5, d50, d100)
            assert float(paper(given)) - alone == pytest.approx(wanted, abs=2e-5)


@pytest.mark.parametrize(
    ("d5", "d100", "exact", "agree"),
    [(0, 0, 65.691, False), (0, 1, 110.652, True), (1, 0, 76.362, True), (1, 1, 131.458, True)],
)
def test_sums_over_the_network(space: Space, found: Superkernels, d5: int, d100: int, exact: float, agree: bool) -> None:
    paper, sum_of_entries = models(space, found)
    given = [decided(kernel, float(d5), 1.0, float(d100)) for kernel in found.kernels]
    assert float(sum_of_entries(given)) == pytest.approx(exact, abs=1e-3)
    assert (float(paper(given)) == pytest.approx(exact, abs=1e-3)) == agree


def test_the_least_network_keeps_the_first_layer_of_every_stage(space: Space, found: Superkernels) -> None:
    _, exact = models(space, found)
    assert float(exact([decided(kernel, 0.0, 0.0, 0.0) for kernel in found.kernels])) == pytest.approx(30.632, abs=1e-3)


def test_exact_sums_are_the_costs_of_the_decoded_networks(space: Space, found: Superkernels) -> None:
    _, exact = models(space, found)
    rng = np.random.default_rng(1)
    for _ in range(20):
        given = [decided(kernel, *rng.integers(0, 2, 3).astype(float)) for kernel in found.kernels]
        vectors = probabilities(found.kernels, given, space.decisions.cardinalities, torch.zeros(()))
        row = np.array([[int(vector.argmax()) for vector in vectors]])
        assert float(exact(given)) == pytest.approx(float(space.cost("pixel1-latency", row)[0]), rel=1e-5)


def test_the_exact_sums_gradient_is_what_an_indicator_changes(space: Space, found: Superkernels) -> None:
    _, exact = models(space, found)
    given = [decided(kernel, 1.0, 1.0, 1.0) for kernel in found.kernels]
    d5 = torch.tensor(1.0, requires_grad=True)
    d50, d100 = torch.tensor(1.0, requires_grad=True), torch.tensor(1.0, requires_grad=True)
    given[1] = Indicators((d5,), (d50, d100))
    _, r33, r50, r100 = ENTRIES[2]
    found_gradient = torch.autograd.grad(exact(given), [d5, d50, d100])
    assert [float(one) for one in found_gradient] == pytest.approx([r100 - r33, r100, r100 - r50], abs=1e-4)


def test_a_masked_largest_network_is_the_sub_network_where_nothing_lies_between() -> None:
    """Without norms between, zeroed channels and kernels are channels and kernels that are not there."""
    made = training()
    made.supernet.eval()
    network, trainer = made.supernet.network, made.trainer
    images = RandomBatches().batch(0).images
    for norms in network.modules():
        if isinstance(norms, ElasticBatchNorm2d):
            norms.train()
    for row in itertools.product(range(4), range(1, 5), range(3)):
        made.supernet.activate(np.array(row))
        with torch.no_grad():
            wanted = made.supernet(images)
        made.supernet.activate(np.array([3, 4, 2]))
        parts = []
        for kernel, code in zip(trainer._found.kernels, row, strict=True):
            _, side, width = kernel.levels[code]
            kept = [1.0] * side + [0.0] * (kernel.shells - side)
            kept += [1.0] * (width + kernel.optional) + [0.0] * (kernel.groups - width - kernel.optional)
            thresholds = torch.tensor([-1.0 if one else 1e6 for one in kept])
            parts.append(mask(kernel, [layer.weight for layer in kernel.layers], thresholds, same_indicator))
        with trainer._masked(parts), torch.no_grad():
            assert torch.allclose(made.supernet(images), wanted, atol=1e-5), row


def test_every_indicator_holds_at_first_and_the_loss_weighs_the_resource_later() -> None:
    made = training(steps=16, dropped_epochs=4, keep=1.0, resource_weight=3.0, label_smoothing=0.0)
    images, targets = RandomBatches().batch(0).images, RandomBatches().batch(0).targets
    made.supernet.activate(np.array([3, 4, 2]))
    made.supernet.train()
    with torch.no_grad():
        crossed = float(torch.nn.functional.cross_entropy(made.supernet(images), targets))
    largest = float(made.supernet.space.cost("macs", np.array([[3, 4, 2]]), made.supernet.task)[0])
    with made:
        assert made.run(0) == pytest.approx(crossed, rel=1e-5)
    assert made.trainer.derive(made.supernet.space.decisions).tolist() == [3, 4, 2]
    late = training(steps=16, dropped_epochs=0, resource_weight=3.0, label_smoothing=0.0)
    with late:
        assert late.run(0) == pytest.approx(crossed + 3.0 * math.log(largest), rel=1e-5)


def test_a_heavy_resource_raises_thresholds_until_the_network_is_small() -> None:
    made = training(steps=200, dropped_epochs=0, resource_weight=50.0, learning_rate=0.05, weight_decay=0.0, runtime="exact")
    with made:
        for step in range(60):
            made.run(step)
    assert all(float(one.detach().min()) > 0 for one in made.trainer.state.parameters())
    assert made.trainer.derive(made.supernet.space.decisions).tolist() == [0, 0, 0]


def test_the_derived_network_is_that_of_the_last_update(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every indicator holds before it, and all that can have fallen after it."""
    made = training(steps=1, dropped_epochs=0)

    def raise_thresholds() -> None:
        for threshold in made.trainer.state.parameters():
            threshold.data.fill_(1e6)

    monkeypatch.setattr(made.trainer.optimisers["thresholds"], "step", raise_thresholds)
    with made:
        made.run(0)
    assert made.trainer.derive(made.supernet.space.decisions).tolist() == [0, 0, 0]


def test_early_indicators_are_dropped_and_scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    import nas.training.trainers.single_path as module

    seen: dict[int, list[float]] = {0: [], 1: []}
    made = training(steps=400, dropped_epochs=4)

    def note(kernel: Superkernel, used: Any, thresholds: torch.Tensor, drop: Any) -> Any:
        seen[int(step >= 200)].append(round(float(drop(torch.ones(()))), 6))
        return mask(kernel, used, thresholds, drop)

    monkeypatch.setattr(module, "mask", note)
    with made:
        for step in (*range(60), *range(200, 210)):
            made.run(step)
    assert set(seen[0]) == {0.0, round(1 / 0.6, 6)}
    assert abs(np.mean(seen[0]) - 1.0) < 0.25
    assert set(seen[1]) == {1.0}


def test_thresholds_learn_at_the_rate_of_the_weights_and_decay_with_them() -> None:
    made = training(steps=16, rate_decay=0.5, rate_decay_epochs=1.0, dropped_epochs=0)
    with made:
        for step in range(5):
            made.run(step)
    own = made.trainer.optimisers["thresholds"].param_groups
    assert [group["lr"] for group in own] == [made.optimiser.param_groups[0]["lr"]] == [0.01 * 0.25]
    assert [group["weight_decay"] for group in own] == [1e-5]


def test_weight_decay_spares_norms_alone() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), ElasticLayerNorm(3), ElasticBatchNorm2d(3), ElasticLinear(3, 2))
    decayed, spared = build_optimiser(network, figures(decay_of="not-norms")).param_groups
    assert [group["weight_decay"] for group in (decayed, spared)] == [1e-5, 0.0]
    assert {id(p) for p in decayed["params"]} == {id(p) for place in (0, 4) for p in network[place].parameters()}
    assert len(spared["params"]) == 6


def test_a_resumed_search_equals_the_uninterrupted_one(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"steps": 12, "dropped_epochs": 4, "average": 0.9, "resource_weight": 20.0, "learning_rate": 0.03}
    whole = training(**changes)
    with whole:
        losses = [whole.run(step) for step in range(12)]
    first = training(**changes)
    with first:
        begun = [first.run(step) for step in range(5)]
        save_checkpoint(tmp_path / "checkpoint", first.supernet, first.optimiser, {}, first.parts)
    second = training(**changes)
    load_checkpoint(tmp_path / "checkpoint", second.supernet, second.optimiser, second.parts)
    with second:
        assert begun + [second.run(step) for step in range(5, 12)] == losses
    for made in (whole, second):
        made.finish()
    assert same(weights(whole.supernet), weights(second.supernet))
    assert same(whole.trainer.state.state_dict(), second.trainer.state.state_dict())


def test_policies_are_gone_after_a_step() -> None:
    made = training()
    with made:
        made.run(0)
    assert all(getattr(module, "policy", None) is None for module in made.supernet.modules())


def test_heads_and_hidden_widths_of_a_transformer_are_nested_sizes() -> None:
    from search_spaces.vit.autoformer import autoformer_t

    space = autoformer_t()
    found = superkernels(space.decisions.choices, space.walk(), space.without_memory())
    assert sorted(found.others) == ["depth", "embed"]
    assert [len(kernel.layers) for kernel in found.kernels[:2]] == [3, 1]
    assert [kernel.widths[0] for kernel in found.kernels[:2]] == [(192, 256), (720, 840, 960)]
    assert SinglePath.misfit(space, SinglePath.defaults.changed({"metric": "macs", "others": "largest"})) is None
    runtime = LayerwiseRuntime(space.terms("macs"), found.kernels, space.decisions.choices)
    ones = [Indicators((), tuple(torch.ones(kernel.groups))) for kernel in found.kernels]
    assert float(runtime(ones)) == pytest.approx(space.cost("macs", space.largest), rel=1e-6)


def test_misfits_say_why(space: Space) -> None:
    fits = SinglePath.defaults
    assert SinglePath.misfit(space, fits) is None
    with pytest.raises(NasError, match=r"none of its decisions .*; of 'depth': .*\(Depth\) .*trainers that can: .*uniform"):
        require_fit("single-path", SinglePath(), tiny_space(), figures())
    from search_spaces.mbconv.ofa import ofa

    assert "--set others=largest" in str(SinglePath.misfit(ofa(), figures()))
    assert "lacks" in str(SinglePath.misfit(Space("t", TinyKernels, task=Task(3, 224, 1000)), fits))
    assert "no sum" in str(SinglePath.misfit(space, fits.changed({"metric": "memory"})))

    class Chosen(nn.Module):
        def __init__(self, task: Task) -> None:
            super().__init__()
            width = Choice("width", (4, 8))
            self.layers = nn.Sequential(ElasticConv2d(1, width, 3), ElasticLayerNormed(width))
            self.linear = ElasticLinear(width, task.classes)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(self.layers(x).mean((2, 3)))  # type: ignore[no-any-return]

    class ElasticLayerNormed(nn.Module):
        def __init__(self, width: Any) -> None:
            super().__init__()
            self.norm = ElasticLayerNorm(width)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # type: ignore[no-any-return]

    why = SinglePath.misfit(Space("normed", Chosen, task=TASK), figures())
    assert "none of its decisions" in str(why)
    assert "ElasticLayerNorm" in str(why)
