"""The sandwich rule, attentive sampling and AlphaNet's loss, against separate passes through plain autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from exact_step import ExactStep, exact_step
from tiny_spaces import tiny_mobile
from tiny_training import TASK, stepper, tiny_space
from torch import nn

from nas.choices import Choice
from nas.elastic import ElasticBatchNorm2d, ElasticLinear, ElasticParameter
from nas.elastic.drop_path import DropPath
from nas.supernet import Space, Task
from nas.training import Recipe, open_trainer, train
from nas.training.nested.divergence import adaptive_alpha_divergence
from nas.training.nested.histogram import SizeHistogram
from nas.training.regularisers import run_by_largest
from nas.training.trainers.alphanet import AlphaNet
from nas.training.trainers.attentive import Attentive
from nas.training.trainers.sandwich import Sandwich


@pytest.fixture(scope="module")
def space() -> Space:
    return tiny_mobile()


def figures(trainer: type[Sandwich] = Sandwich, **changes: Any) -> Recipe:
    """The trainer's own, with plain SGD that shows gradients and decay, and nothing random in a pass."""
    plain = {"optimiser": "sgd", "momentum": 0.0, "nesterov": False, "schedule": "constant", "warmup": 0.0, "average": None}
    sizes = {"learning_rate": 0.1, "reference_batch": 8, "batch_size": 8, "dropout": 0.0, "drop_path": 0.0, "clip_value": None}
    return trainer.defaults.changed({**plain, **sizes, "weight_decay": 0.0, **changes})


def sum_of_separate_passes(done: ExactStep, alpha: bool = False) -> float:
    """Back-propagate each pass by itself in the reference; the losses written out."""
    largest, *others = (one.row for one in done.asked)
    images, targets = done.batch.images, done.batch.targets
    done.reference.activate(largest)
    scores = done.reference(images)
    teacher = scores.detach()
    one_hot = F.one_hot(targets, TASK.classes).double() * 0.9 + 0.1 / TASK.classes
    loss = -(one_hot * scores.log_softmax(1)).sum(1).mean()
    loss.backward()
    total = loss.item()
    for row in others:
        done.reference.activate(row)
        scores = done.reference(images)
        soft = -(teacher.softmax(1) * scores.log_softmax(1)).sum(1).mean()
        loss = adaptive_alpha_divergence(scores, teacher) if alpha else soft
        loss.backward()
        total += loss.item()
    return total


@pytest.mark.parametrize("make", [tiny_mobile, tiny_space])
def test_the_gradients_are_the_sum_of_separate_ones(make: Any) -> None:
    space = make()
    done = exact_step(space, Sandwich(), figures(zero_last_norms=False))
    rows = np.array([one.row for one in done.asked])
    assert len(rows) == 4
    assert (rows[0] == space.decisions.largest()[0]).all()
    assert (rows[-1] == space.decisions.smallest()[0]).all()
    assert done.total == pytest.approx(sum_of_separate_passes(done), rel=1e-9)
    done.compare()
    assert [one.regularised for one in done.asked] == [True, False, False, False]


def test_alphanet_differs_in_the_loss_alone(space: Space) -> None:
    done = exact_step(space, AlphaNet(), figures(AlphaNet, zero_last_norms=False))
    assert len(done.asked) == 4
    assert done.total == pytest.approx(sum_of_separate_passes(done, alpha=True), rel=1e-9)
    done.compare()


@pytest.mark.parametrize("count", [0, 1, 5])
def test_the_number_of_random_networks_is_a_figure(space: Space, count: int) -> None:
    rows: set[tuple[int, ...]] = set()
    for step in range(3):
        done = exact_step(space, Sandwich(), figures(random_networks=count), step=step)
        assert len(done.asked) == count + 2
        rows |= {tuple(one.row.tolist()) for one in done.asked}
    assert len(rows) == 2 + 3 * count, "other random ones in every step"


def test_only_the_largest_is_regularised(space: Space) -> None:
    supernet = space.supernet(1, 16, 4)
    seen: dict[str, list[bool]] = {"Dropout": [], "DropPath": []}
    with stepper(supernet, Sandwich(), figures(dropout=0.3, drop_path=0.4)) as steps:
        for module in supernet.modules():
            if isinstance(module, nn.Dropout | DropPath):
                kind = type(module).__name__
                module.register_forward_hook(lambda module, *_, kind=kind: seen[kind].append(module.training))
        steps.run(0)
    assert seen["Dropout"] == [True, False, False, False]
    # The largest has three blocks that keep their shape; those of the others follow.
    assert seen["DropPath"][:3] == [True, True, True]
    assert len(seen["DropPath"]) > 3
    assert not any(seen["DropPath"][3:])


def test_weight_decay_acts_on_the_weights_of_the_largest_alone() -> None:
    """In a space with a choice of operators, where other networks have weights of their own."""
    done = exact_step(tiny_space(), Sandwich(), figures(weight_decay=0.5))
    decayed = set()
    for name, before in done.before.items():
        if name not in done.gradients:
            assert torch.equal(done.after[name], before)
            continue
        plain = before - 0.1 * done.gradients[name]
        if torch.allclose(done.after[name], plain, rtol=1e-10, atol=1e-12):
            continue
        torch.testing.assert_close(done.after[name], plain - 0.1 * 0.5 * before, rtol=1e-10, atol=1e-12)
        decayed.add(name.removeprefix("network."))
    matrices = {name.removeprefix("network.") for name, before in done.before.items() if before.ndim > 1}
    others = {name for name in matrices if ".candidates.0." in name}
    assert others & {name.removeprefix("network.") for name in done.gradients}, "one of them was trained in this step"
    assert decayed == matrices - others


def test_what_the_largest_reads_without_calling_it_decays_too() -> None:
    class Token(nn.Module):
        def __init__(self, task: Task) -> None:
            super().__init__()
            width = Choice("width", (2, 3))
            self.embed = ElasticLinear(16, width)
            self.token = ElasticParameter(1, 1, width)
            self.linear = ElasticLinear(width, task.classes)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = self.embed(x.mean(1)) + self.token.of(x)
            return self.linear(tokens.mean(1))  # type: ignore[no-any-return]

    supernet = Space("token", Token, task=TASK).supernet(1, 16, 4)
    used = run_by_largest(supernet)
    assert used == {id(parameter) for parameter in supernet.parameters()}
    assert all(parameter.grad is None for parameter in supernet.parameters())


def test_residual_blocks_begin_as_their_shortcuts(space: Space) -> None:
    for zero, affine in ((True, True), (False, True), (True, False)):
        supernet = space.supernet(1, 16, 4)
        stepper(supernet, Sandwich(), figures(zero_last_norms=zero, norm_affine=affine))
        scales = {name: module.weight for name, module in supernet.named_modules() if isinstance(module, ElasticBatchNorm2d)}
        assert len(scales) == 17
        for name, scale in scales.items():
            assert isinstance(scale, nn.Parameter)
            # A scale that is not trained would stay zero.
            assert bool((scale == 0).all()) is (zero and affine and "project" in name), name


def brute_losses(done: ExactStep, rows: list[np.ndarray]) -> list[float]:
    """Loss of each candidate by the reference, whose weights are those before the step."""
    losses = []
    for row in rows:
        done.reference.activate(row)
        with torch.no_grad():
            scores = done.reference(done.batch.images)
        losses.append(float(F.cross_entropy(scores, done.batch.targets, label_smoothing=0.1)))
    return losses


@pytest.mark.parametrize("sampling", ["best-up", "worst-up"])
def test_the_best_or_worst_candidate_of_one_size_is_trained(
    space: Space, sampling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[np.ndarray] = []
    draw = SizeHistogram.draw

    def noting(*given: Any) -> np.ndarray:
        drawn.append(draw(*given))
        return drawn[-1]

    monkeypatch.setattr(SizeHistogram, "draw", noting)
    trainer = Attentive()
    recipe = figures(Attentive, sampling=sampling, candidates=4, size_sample=2000, zero_last_norms=False)
    done = exact_step(space, trainer, recipe, seed=5)
    assert trainer.histogram is not None
    assert len(drawn) == 8
    assert len(done.asked) == 4
    for trained, start in zip(done.asked[1:3], (0, 4), strict=True):
        candidates = drawn[start : start + 4]
        bins = trainer.histogram.bin_of(np.asfortranarray(candidates))
        assert len(set(bins.tolist())) == 1
        losses = brute_losses(done, candidates)
        assert len(set(losses)) > 1
        chosen = candidates[int(np.argmin(losses) if sampling == "best-up" else np.argmax(losses))]
        assert (trained.row == chosen).all()
    assert done.total == pytest.approx(sum_of_separate_passes(done), rel=1e-9)
    done.compare()


def test_candidates_that_are_not_trained_leave_no_trace() -> None:
    """Their forward passes give no weight a gradient, so that momentum and decay leave it alone."""
    done = exact_step(tiny_space(), Attentive(), figures(Attentive, candidates=8, random_networks=1, size_sample=500))
    used = set()
    for one in done.asked:
        done.reference.activate(one.row)
        done.reference(done.batch.images).sum().backward()
        used |= {name for name, weight in done.reference.named_parameters() if weight.grad is not None}
    assert set(done.gradients) == used


def test_the_histogram_counts_sizes_and_options(space: Space) -> None:
    cost = space.compiled("macs", TASK)
    histogram = SizeHistogram(space.decisions, cost, 20_000.0, np.random.default_rng(0), 3000)
    rows = space.decisions.sample(np.random.default_rng(0), 3000)
    bins = (cost(rows) // 20_000.0).astype(int)
    assert dict(zip(histogram.bins.tolist(), histogram.shares.tolist(), strict=True)) == {
        number: float((bins == number).mean()) for number in np.unique(bins).tolist()
    }
    wanted = int(np.bincount(bins).argmax())
    inside = rows[bins == wanted]
    found = histogram.frequencies(wanted)
    for column, options in enumerate(space.decisions.cardinalities.tolist()):
        active = space.decisions.active(np.asfortranarray(inside))[:, column]
        for option in range(options):
            assert found[column, option] == pytest.approx((inside[active, column] == option).mean())
    rng = np.random.default_rng(1)
    drawn = np.asfortranarray([histogram.draw(rng, wanted, 100) for _ in range(300)])
    assert (histogram.bin_of(drawn) == wanted).all()
    assert (space.decisions.check(drawn) == drawn).all()
    assert len(np.unique(drawn, axis=0)) > 50


def test_a_size_that_is_hard_to_hit_is_still_hit(space: Space) -> None:
    histogram = SizeHistogram(space.decisions, space.compiled("macs", TASK), 500.0, np.random.default_rng(0), 2000)
    rng = np.random.default_rng(1)
    for wanted in histogram.bins[:: len(histogram.bins) // 30].tolist():
        row = histogram.draw(rng, wanted, 1)
        assert histogram.bin_of(row[None])[0] == wanted


def test_the_width_of_a_size_is_the_papers_in_the_papers_space() -> None:
    from search_spaces.mbconv.attentive import attentive

    space = attentive()
    cost = space.compiled("macs")
    span = float(cost(space.decisions.largest())[0] - cost(space.decisions.smallest())[0])
    trainer = Attentive()

    class Given:
        """As much of an engine as the counting of sizes needs."""

        class supernet(nn.Module):
            task = space.task

        seed = 0
        recipe = Attentive.defaults.changed({"size_sample": 10, "zero_last_norms": False})

    Given.supernet.space = space  # type: ignore[attr-defined]
    trainer.prepare(Given)  # type: ignore[arg-type]
    assert trainer.histogram is not None
    assert trainer.histogram.width == pytest.approx(25e6, rel=1e-3)
    assert span / trainer.histogram.width == pytest.approx(69.4, abs=0.1)


def test_a_space_without_a_largest_network_is_refused_with_figures() -> None:
    class Reversed(nn.Module):
        def __init__(self, task: Task) -> None:
            super().__init__()
            self.linear = ElasticLinear(16, Choice("width", (30, 20, 10)))
            self.classifier = ElasticLinear(self.linear.settings["out_features"], task.classes)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.classifier(self.linear(x.mean((1, 2))))  # type: ignore[no-any-return]

    why = Sandwich.misfit(Space("reversed", Reversed, task=TASK), Sandwich.defaults)
    assert why is not None
    assert "600 and 200 multiply-adds, and random ones have 200 to 600" in why
    assert Sandwich.misfit(tiny_mobile(), Sandwich.defaults) is None


@pytest.mark.parametrize("name", ["sandwich", "attentive", "alphanet"])
def test_training_lowers_the_loss_of_largest_and_smallest(space: Space, name: str) -> None:
    trainer = open_trainer(name)
    supernet = space.supernet(1, 16, 4)
    recipe = trainer.defaults.changed({"batch_size": 32, "learning_rate": 0.1, "reference_batch": 32, "optimiser": "sgd"})
    recipe = recipe.changed({"schedule": "cosine", "average": None, "dropout": 0.0, "size_sample": 500, "random_networks": 1})

    def loss_of(row: np.ndarray) -> float:
        done = stepper(supernet, open_trainer("uniform"), recipe)
        supernet.train().activate(row)
        with torch.no_grad():
            return sum(
                float(F.cross_entropy(supernet(batch.images), batch.targets))
                for batch in (done.batches.batch(step) for step in range(5))
            )

    ends = [space.decisions.largest()[0], space.decisions.smallest()[0]]
    before = [loss_of(row) for row in ends]
    train(stepper(supernet, trainer, recipe, steps=25))
    after = [loss_of(row) for row in ends]
    assert after[0] < 0.9 * before[0]
    assert after[1] < 0.95 * before[1]
