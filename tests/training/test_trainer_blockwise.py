"""Block-wise self-supervised training: its step, its schedule, its rating, and what it freezes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_training import RandomBatches, same, tiny_space, weights
from torch import nn

from nas.base.errors import NasError
from nas.base.seeds import generator, integer_seed
from nas.choices import Choice
from nas.data import Batch, TrainingBatches
from nas.data.views import FIRST_VIEW, SECOND_VIEW, Viewer
from nas.elastic import ElasticBatchNorm2d, ElasticConv2d, ElasticLinear, OperatorChoice
from nas.supernet import Space, Supernet, Task, open_space
from nas.training import Stepper, require_fit, train
from nas.training.blockwise.heads import Projector
from nas.training.blockwise.paths import Candidates, evolve, fair
from nas.training.blockwise.recipe import BlockwiseRecipe
from nas.training.trainers.blockwise import Blockwise, teacher_decay

TASK = Task(1, 16, 4)


class Chain(nn.Module):
    """Stem and two blocks; the width of the second is decided, so that its maps have several channels."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.stem = nn.Sequential(ElasticConv2d(1, 6, 3, 2), ElasticBatchNorm2d(6), nn.ReLU())
        self.one = nn.Sequential(self.layer("layer1", 6, 6, 1), self.layer("layer2", 6, 6, 1))
        width = Choice("width", (6, 8))
        self.two = nn.Sequential(self.layer("layer3", 6, width, 2), self.layer("layer4", width, width, 1))
        self.classifier = ElasticLinear(width, task.classes)

    @staticmethod
    def layer(name: str, given: Any, width: Any, stride: int) -> nn.Module:
        kernels = {"k1": 1, "k3": 3, "k5": 5}
        operators = {key: ElasticConv2d(given, width, kernel, stride) for key, kernel in kernels.items()}
        return nn.Sequential(OperatorChoice(Choice(name, tuple(kernels)), operators), ElasticBatchNorm2d(width), nn.ReLU())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.two(self.one(self.stem(images))).mean((2, 3)))  # type: ignore[no-any-return]

    def block_sequence(self) -> list[nn.Module]:
        return [nn.Sequential(self.stem, self.one), self.two]


class PlainBatches(RandomBatches):
    """Noise between 0 and 1, plain as well."""

    mean, std = (0.5,), (0.25,)

    def plain(self, step: int) -> Batch:
        return self.batch(step)

    def batch(self, step: int) -> Batch:
        values = torch.rand((self.size, *TASK.input_shape), generator=torch.Generator().manual_seed(step))
        return Batch((values - 0.5) / 0.25, torch.zeros(self.size, dtype=torch.int64))


def space() -> Space:
    return Space("chain", Chain, task=TASK)


def figures(**changes: Any) -> BlockwiseRecipe:
    """Small heads, plain gradient descent without a warm-up, one rating a block."""
    small = {"hidden": 12, "projected": 5, "optimiser": "sgd", "momentum": 0.0, "weight_decay": 0.0, "schedule": "constant"}
    rate = {"learning_rate": 0.1, "reference_batch": 8, "batch_size": 8, "warmup": 0.0}
    rating = {"rating_epochs": 100, "rating_images": 8}
    return cast(BlockwiseRecipe, Blockwise.defaults.changed({**small, **rate, **rating, **changes}))


def stepper(
    steps: int = 6, trainer: Blockwise | None = None, supernet: Supernet | None = None, seed: int = 3, **changes: Any
) -> Stepper:
    supernet = supernet or space().supernet(1, 16, 4, seed=1)
    batches, held = (cast(TrainingBatches, PlainBatches()) for _ in range(2))
    return Stepper(supernet, trainer or Blockwise(), batches, figures(**changes), steps, seed, held=held)


def state(built: Stepper) -> Any:
    return built.trainer.state


def views(images: torch.Tensor, count: int, *stream: str | int, seed: int = 3) -> list[tuple[torch.Tensor, torch.Tensor]]:
    rng, viewer = torch.Generator().manual_seed(integer_seed(seed, *stream)), Viewer(PlainBatches.mean, PlainBatches.std)
    return [(viewer(images, FIRST_VIEW, rng), viewer(images, SECOND_VIEW, rng)) for _ in range(count)]


def rows_of(built: Stepper, number: int, step: int, count: int = 4) -> np.ndarray:
    trainer = cast(Blockwise, built.trainer)
    rng = generator(3, "architectures", step)
    return Candidates(trainer._blocks, number, trainer._row).draw(count, rng)


def networks(built: Stepper) -> tuple[Any, Any]:
    return built.supernet.network, state(built)["teacher"].network


def projected(projector: Projector, x: torch.Tensor) -> torch.Tensor:
    """The projector written out."""
    if x.shape[1] != projector.fixed:
        depthwise, wide, norm = projector.fit[str(x.shape[1])]  # type: ignore[misc]
        x = F.conv2d(F.conv2d(x, depthwise.weight, stride=depthwise.stride, groups=x.shape[1]), wide.weight)
        x = F.batch_norm(x, None, None, norm.weight, norm.bias, True)
    return perceptron(projector.perceptron, x.mean((2, 3)))


def perceptron(layers: Any, x: torch.Tensor) -> torch.Tensor:
    x = F.linear(x, layers[0].weight, layers[0].bias)
    x = F.batch_norm(x, None, None, layers[1].weight, layers[1].bias, True)
    return F.linear(F.relu(x), layers[3].weight, layers[3].bias)


def unit(x: torch.Tensor) -> torch.Tensor:
    return x / x.norm(dim=1, keepdim=True)


def reference_loss(built: Stepper, number: int, rows: np.ndarray, pairs: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> Any:
    """The loss of a step in one graph, from the paper's definition; rows as the trainer draws them."""
    network, taught = networks(built)
    parts, heads = state(built), state(built)["learnt"]
    sums = [torch.zeros(()), torch.zeros(())]
    with torch.no_grad():
        for row, pair in zip(rows, pairs, strict=True):
            parts["teacher"].activate(row)
            for side in (0, 1):
                x = pair[side]
                for block in taught.block_sequence()[: number + 1]:
                    x = block(x)
                sums[side] = sums[side] + unit(projected(parts["teacher_projectors"][number], x)) / len(rows)
    total = torch.zeros(())
    for row, pair in zip(rows, pairs, strict=True):
        built.supernet.activate(row)
        predictions = []
        for view in pair:
            x = view
            for block in network.block_sequence()[: number + 1]:
                x = block(x)
            predictions.append(perceptron(heads["predictors"][number], projected(heads["projectors"][number], x)))
        for prediction, target in zip(predictions, reversed(sums), strict=True):
            total = total - 2 * (unit(prediction) * unit(target)).sum(1).mean()
    return total


def test_a_step_is_the_literal_one_for_the_student_the_heads_and_the_teacher() -> None:
    """Weights after one step of plain gradient descent are those that autograd on the whole loss gives."""
    built = stepper()
    before = {name: value.clone() for name, value in built.supernet.network.named_parameters()}
    with torch.no_grad():
        for parameter in state(built)["teacher"].parameters():  # a teacher that differs from its student
            parameter.mul_(1.1)
    taught = {name: value.clone() for name, value in state(built)["teacher"].network.named_parameters()}
    heads = {name: value.clone() for name, value in state(built)["learnt"].named_parameters()}
    built.supernet.train()
    pairs = views(PlainBatches().plain(0).images, 4, "views", 0, 0, 0)
    loss = reference_loss(built, 0, rows_of(built, 0, 0), pairs)
    names = list(before)
    parameters = dict(built.supernet.network.named_parameters())
    learnt = dict(state(built)["learnt"].named_parameters())
    found = torch.autograd.grad(loss, [*(parameters[n] for n in names), *(learnt[n] for n in heads)], allow_unused=True)
    gradients = dict(zip([*names, *heads], found, strict=True))
    with built:
        total = built.run(0)
    assert total == pytest.approx(float(loss.detach()), abs=1e-5)
    moved = 0
    for name, old in [*before.items(), *heads.items()]:
        new = parameters[name] if name in before else learnt[name]
        gradient = gradients[name]
        if gradient is None:
            assert torch.equal(new, old), name
            continue
        assert torch.allclose(new, old - 0.1 * gradient, atol=1e-5), name
        moved += not torch.equal(new, old)
    assert moved > 10
    decay = 0.99
    for name, now in state(built)["teacher"].network.named_parameters():
        if name.startswith(("stem", "one")):
            assert torch.allclose(now, decay * taught[name] + (1 - decay) * parameters[name], atol=1e-6), name
        else:
            assert torch.equal(now, taught[name]), name


def test_a_large_batch_goes_through_in_parts_whose_gradients_are_averaged() -> None:
    built = stepper(part=4)
    built.supernet.train()
    images = PlainBatches().plain(0).images
    rng = generator(3, "architectures", 0)
    trainer = cast(Blockwise, built.trainer)
    candidates = Candidates(trainer._blocks, 0, trainer._row)
    total: Any = sum(
        reference_loss(built, 0, candidates.draw(4, rng), views(images[4 * part : 4 * part + 4], 4, "views", 0, part, 0)) / 2
        for part in (0, 1)
    )
    with built:
        assert built.run(0) == pytest.approx(float(total.detach()), abs=1e-5)


def test_the_second_block_learns_behind_the_frozen_one() -> None:
    """Neither network's first block moves, whatever momentum and decay there are; its chosen path is what runs."""
    built = stepper(optimiser="lars", momentum=0.9, weight_decay=0.1, learning_rate=1.0)
    trainer = cast(Blockwise, built.trainer)
    with built:
        for step in range(3):
            built.run(step)
        frozen = [{n: v.clone() for n, v in one.named_parameters() if n.startswith(("stem", "one"))} for one in networks(built)]
        chosen = trainer._row.copy()
        built.supernet.train()
        rows = rows_of(built, 1, 3)
        assert (rows[:, :2] == chosen[:2]).all()
        pairs = views(PlainBatches().plain(3).images, 4, "views", 3, 0, 0)
        expected = float(reference_loss(built, 1, rows, pairs).detach())
        second = {n: v.clone() for n, v in built.supernet.network.named_parameters() if n.startswith("two")}
        assert built.run(3) == pytest.approx(expected, abs=1e-4)
        built.run(4)
        built.run(5)
    for network, kept in zip(networks(built), frozen, strict=True):
        now = dict(network.named_parameters())
        assert all(torch.equal(now[name], value) for name, value in kept.items())
    now = dict(built.supernet.network.named_parameters())
    assert any(not torch.equal(now[name], value) for name, value in second.items())
    assert (trainer._row[:2] == chosen[:2]).all()


def test_fair_paths_take_every_option_once() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        drawn = fair([4, 4, 4], 4, rng)
        assert all(sorted(column) == [0, 1, 2, 3] for column in drawn.T.tolist())
    few, many = fair([2, 3], 4, rng), fair([8], 4, rng)
    assert sorted(few[:, 0].tolist()) == [0, 0, 1, 1]
    assert {0, 1, 2} == set(few[:, 1].tolist())
    assert len(set(many[:, 0].tolist())) == 4


def test_paths_of_a_table_are_drawn_without_repetition() -> None:
    hytra = open_space("hytra:bossnas")
    task = Task(3, 32, 10)
    blocks = hytra.blocks(hytra.build(task), task)
    start = hytra.decisions.smallest()[0]
    table = {blocks.path(0, row) for row in cast(Any, blocks.listed(0, start))}
    candidates, rng = Candidates(blocks, 0, start), np.random.default_rng(0)
    seen = set()
    for _ in range(100):
        drawn = {blocks.path(0, row) for row in candidates.draw(4, rng)}
        assert len(drawn) == 4
        seen |= drawn
    assert len(table) == 51
    assert seen == table


def test_rate_and_teacher_start_again_with_each_block() -> None:
    built = stepper(steps=21, schedule="cosine", warmup=1 / 6)
    trainer, recipe = built.trainer, built.recipe
    rates = [trainer.rate(step, 20, recipe) for step in range(20)]
    assert rates[:10] == rates[10:]
    assert 0 < rates[0] < rates[1] < rates[2] == max(rates) > rates[3] > rates[9] > 0
    assert [phase.start for phase in trainer.phases(20, recipe)] == [0, 10]
    assert [phase.start for phase in trainer.phases(21, recipe)] == [0, 10]
    assert len({trainer.rate(step, 21, recipe) for step in (10, 20)}) == 2
    decays = [teacher_decay(0.99, done, 10) for done in range(11)]
    assert decays[0] == pytest.approx(0.99)
    assert decays[5] == pytest.approx(0.995)
    assert decays[10] == 1.0
    assert decays == sorted(decays)


def test_momentum_starts_again_with_each_block() -> None:
    """A second block trained on gradients of zero stays where it is, which it would not with momentum left over."""
    built = stepper(optimiser="sgd", momentum=0.9)
    with built:
        for step in range(3):
            built.run(step)
        for optimiser in (built.optimiser, *built.trainer.optimisers.values()):
            for kept in optimiser.state.values():
                kept["momentum_buffer"].fill_(1e3)
        old = weights(built.supernet)
        built.run(3)
    new = weights(built.supernet)
    assert all(float((new[name] - old[name]).abs().max()) < 10 for name in old)


def rated_directly(built: Stepper, number: int, step: int, rows: np.ndarray) -> np.ndarray:
    """Losses to the population centre, every path as a whole network, with static copies that torch's own norms calibrate."""
    network, taught = networks(built)
    parts = state(built)
    heads = {
        "student": [parts["learnt"]["projectors"][number], parts["learnt"]["predictors"][number]],
        "teacher": [parts["teacher_projectors"][number]],
    }
    calibration = views(PlainBatches().plain(step).images, 1, "calibration views", step, 0)[0]
    held = views(PlainBatches().plain(0).images, 1, "rating views", 0, 0)[0]
    made: dict[str, list[list[torch.Tensor]]] = {"student": [], "teacher": []}
    for row in rows:
        for name, owner, blocks in (("student", built.supernet, network), ("teacher", parts["teacher"], taught)):
            owner.activate(row)
            whole = nn.Sequential(*blocks.block_sequence()[: number + 1], *heads[name])
            norms = [module for module in whole.modules() if isinstance(module, ElasticBatchNorm2d)]
            sums: dict[nn.Module, list[tuple[torch.Tensor, torch.Tensor]]] = {norm: [] for norm in norms}

            def note(norm: nn.Module, given: Any, sums: Any = sums) -> None:
                x = given[0]
                other = [dimension for dimension in range(x.dim()) if dimension != 1]
                sums[norm].append((x.mean(other), x.var(other, unbiased=True)))

            hooks = [norm.register_forward_pre_hook(note) for norm in norms]
            whole.train()
            with torch.no_grad():
                for view in calibration:
                    whole(view)
                for hook in hooks:
                    hook.remove()
                whole.eval()
                for norm, found in sums.items():
                    means, variances = zip(*found, strict=True) if found else ((), ())
                    if means:
                        norm.statistics = (sum(means) / 2, sum(variances) / 2)  # type: ignore[assignment]
                made[name].append([whole(view) for view in held])
            for norm in norms:
                norm.statistics = None
    centre = [sum(outputs[side] for outputs in made["teacher"]) / len(rows) for side in (0, 1)]
    return np.array(
        [
            float(
                -2 * (unit(first) * unit(cast(Any, centre[1]))).sum(1).mean()
                - 2 * (unit(second) * unit(cast(Any, centre[0]))).sum(1).mean()
            )
            for first, second in made["student"]
        ]
    )


@pytest.mark.parametrize("number", [0, 1])
def test_ratings_are_the_distances_to_the_population_centre(number: int) -> None:
    """Every path of a block once, rated as a direct computation does; the best is frozen."""
    built = stepper()
    trainer = cast(Blockwise, built.trainer)
    with built:
        for step in range(3 * (number + 1)):
            built.run(step)
        rated = trainer._ratings[number]
        rows = np.array([row for row, _ in rated], dtype=np.uint8, order="F")
        assert len({trainer._blocks.path(number, row) for row in rows}) == len(rows) == (9, 18)[number]
        direct = rated_directly(built, number, 3 * number + 2, rows)
    losses = np.array([loss for _, loss in rated])
    assert np.allclose(losses, direct, atol=2e-4)
    assert len(set(losses.round(6))) > 5
    assert trainer._blocks.path(number, trainer._row) == trainer._blocks.path(number, rows[int(np.argmin(losses))])
    assert built.supernet.training


def test_the_derived_network_is_the_best_path_of_each_block_and_has_the_best_score() -> None:
    built = stepper()
    trainer = cast(Blockwise, built.trainer)
    decisions = built.supernet.space.decisions
    assert trainer.derive(decisions) is None
    with pytest.raises(NasError, match="0 of 2 blocks"):
        trainer.score(decisions.smallest()[0])
    with built:
        for step in range(6):
            built.run(step)
    found = cast(np.ndarray, trainer.derive(decisions))
    every = np.array(list(itertools.product(*(range(options) for options in decisions.cardinalities))), dtype=np.uint8)
    scores = [trainer.score(row) for row in every]
    assert trainer.score(found) == pytest.approx(min(scores))
    best = [min(loss for _, loss in block) for block in trainer._ratings]
    assert trainer.score(found) == pytest.approx(sum(best) + 8)
    assert all(0 <= score <= 16 for score in scores)


def test_ratings_come_every_so_many_epochs_and_at_the_end_of_a_block() -> None:
    """Six epochs a block, rated every two: after a third, two thirds and the whole of it."""
    built = stepper(steps=12, epochs=12, rating_epochs=2)
    with built:
        for step in range(12):
            built.run(step)
    progress = built.trainer.facts()["progress"]
    assert [(entry["block"], entry["step"]) for entry in progress] == [(1, 2), (1, 4), (1, 6), (2, 8), (2, 10), (2, 12)]


def test_evolution_finds_the_best_path_without_rating_all() -> None:
    built = stepper()
    trainer, recipe = cast(Blockwise, built.trainer), figures(population=4, generations=4, parents=2, mutation=0.3)
    candidates = Candidates(trainer._blocks, 1, trainer._row)
    target = cast(Any, candidates.every)[-1]
    rated: list[Any] = []

    def rate(rows: np.ndarray) -> np.ndarray:
        rated.extend(trainer._blocks.path(1, row) for row in rows)
        return (rows != target).sum(1).astype(float)

    rng = np.random.default_rng(2)
    first = candidates.distinct(candidates.sample(4, rng), set(), 4)
    rows, losses = evolve(trainer._blocks, candidates, recipe, rate, first, rng)
    assert len(rows) == len(losses) == len(set(rated)) == len(rated) <= 16 < 18
    assert np.array_equal(losses, (rows != target).sum(1))
    assert losses.min() <= 1
    exhausted = evolve(trainer._blocks, candidates, figures(population=10, generations=9), rate, first, rng)[0]
    assert len(exhausted) == 18


def test_a_block_with_many_paths_is_rated_by_evolution() -> None:
    changes = {"rating_limit": 10, "population": 4, "generations": 2}
    built = stepper(**changes)
    with built:
        for step in range(6):
            built.run(step)
    trainer = cast(Blockwise, built.trainer)
    assert len(trainer._ratings[0]) == 9
    assert 4 <= len(trainer._ratings[1]) <= 8
    every = cast(Any, Candidates(trainer._blocks, 1, trainer._row).every)
    known = {trainer._blocks.path(1, np.array(row, dtype=np.uint8)) for row, _ in trainer._ratings[1]}
    missing = next(row for row in every if trainer._blocks.path(1, row) not in known)
    with pytest.raises(NasError, match=r"block 2 was not rated.*rating=exhaustive"):
        trainer.score(missing)


@pytest.mark.parametrize("stopped", [2, 3, 4])
@pytest.mark.parametrize("optimiser", ["lars", "sgd"])
def test_a_resumed_training_equals_the_uninterrupted_one(stopped: int, optimiser: str, tmp_path: Path) -> None:
    """Within a block, and at the border between two."""
    changes = {"optimiser": optimiser, "momentum": 0.9, "weight_decay": 1e-4}
    whole = stepper(**changes)
    losses = train(whole, tmp_path / "whole.safetensors").losses
    first = stepper(**changes)
    calls = iter(range(100))
    first_run = first.run

    def until(step: int) -> float:
        loss = first_run(step)
        first.stopping = next(calls) + 1 == stopped
        return loss

    first.run = until  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        train(first, tmp_path / "part.safetensors")
    second = stepper(**changes)
    assert train(second, tmp_path / "part.safetensors").losses == losses
    assert same(weights(second.supernet), weights(whole.supernet))
    assert same(dict(state(second).state_dict()), dict(state(whole).state_dict()))
    assert second.trainer.facts() == whole.trainer.facts()


def test_the_same_seed_is_the_same_training_and_another_is_another() -> None:
    results = []
    for seed in (3, 3, 4):
        built = stepper(seed=seed, supernet=space().supernet(1, 16, 4, seed=1))
        results.append((train(built).losses, built.trainer.facts()))
    assert results[0] == results[1]
    assert results[0][0] != results[2][0]


def test_what_cannot_be_trained_is_refused_with_the_reason() -> None:
    recipe = Blockwise.defaults
    assert Blockwise.misfit(space(), recipe) is None
    assert "block_sequence" in str(Blockwise.misfit(tiny_space(), recipe))
    assert "architecture_share" in str(Blockwise.misfit(space(), recipe.changed({"architecture_share": 0})))
    assert "batch" in str(Blockwise.misfit(space(), recipe.changed({"batch_size": 1})))
    with pytest.raises(NasError, match="2 blocks"):
        stepper(steps=1)
    with pytest.raises(NasError, match=r"trainers that can: .*uniform"):
        require_fit("blockwise", Blockwise(), tiny_space(), recipe)


def test_projectors_bring_every_map_to_the_smallest() -> None:
    """As in the paper: a map of 56 x 56 with 256 channels becomes 7 x 7 with 2048."""
    outputs = ((2048, 7, 7), (1024, 14, 14), (512, 28, 28), (256, 56, 56))
    projector = Projector(outputs, None, 32, 8)
    assert sorted(map(int, projector.fit)) == [256, 512, 1024]
    for channels, height, width in outputs[1:]:
        fit = cast(nn.Sequential, projector.fit[str(channels)])
        assert fit(torch.randn(2, channels, height, width)).shape == (2, 2048, 7, 7)
        assert projector(torch.randn(2, channels, height, width)).shape == (2, 8)
    assert not Projector(((24, 8, 8),), None, 32, 8).fit


def test_the_defaults_are_the_paper_s() -> None:
    recipe = cast(BlockwiseRecipe, Blockwise.defaults)
    assert (recipe.optimiser, recipe.learning_rate, recipe.reference_batch, recipe.momentum) == ("lars", 4.8, 4096, 0.9)
    assert (recipe.weight_decay, recipe.trust, recipe.schedule, recipe.last_rate) == (1e-6, 1e-3, "cosine", 0)
    assert (recipe.epochs, recipe.paths, recipe.part, recipe.hidden, recipe.projected) == (24, 4, 64, 4096, 256)
    assert math.isclose(recipe.warmup, 1 / 6)
    assert (recipe.teacher_decay, recipe.rating_epochs) == (0.99, 2)
