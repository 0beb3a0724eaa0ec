"""Multi-architectural sampling: which sub-networks share a step, what the step learns, and patch-mixup."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_training import RandomBatches, same, stepper, tiny_space, weights
from torch import nn

import nas.training.loop
from nas.architectures import Decisions
from nas.base.errors import NasError
from nas.base.progress import Silent
from nas.base.seeds import generator
from nas.choices import Choice
from nas.data import Batch
from nas.elastic import ElasticConv2d, OperatorChoice
from nas.elastic.importance import channel_groups
from nas.supernet import Space, Task, open_space
from nas.training import Stepper, require_fit, train
from nas.training.patch_mixup import draw_box, mix_patches, patch_loss
from nas.training.trainers.multi_arch import MultiArch, MultiArchRecipe, available, spread
from search_spaces.mbconv.blocks import Classifier
from search_spaces.vit.resnas import resnas
from search_spaces.vit.resnas_layers import ResNasOptions

TASK = Task(1, 16, 4)


def tiny_vit() -> Space:
    """ViT-ResNAS in small; its last grid has 4 x 4 patches."""
    options = ResNasOptions((2, 2), (2,), ((8, 12), (12, 20)), ((1, 2), (1, 2, 3)), (4, 4), ((8, 16), (12, 24)))
    return resnas("small-resnas", options)


def figures(**changes: object) -> MultiArchRecipe:
    """Four sub-networks of two images each, everything available at once, nothing dropped."""
    given: dict[str, object] = {
        "batch_size": 8,
        "examples_per_arch": 2,
        "option_warmup": 0,
        "drop_path": 0.0,
        "patch_mixup": False,
        **changes,
    }
    return cast(MultiArchRecipe, MultiArch.defaults.changed(given))


def test_defaults_are_the_papers() -> None:
    recipe = MultiArch.defaults
    assert (recipe.learning_rate, recipe.reference_batch, recipe.weight_decay) == (5e-4, 512, 0.05)
    assert (recipe.examples_per_arch, recipe.option_warmup, recipe.epochs, recipe.drop_path) == (64, 30, 120, 0.2)
    assert recipe.warmup * recipe.epochs == pytest.approx(5)


@pytest.mark.parametrize("slots", [1, 2, 5, 7, 16])
def test_options_are_spread_evenly_over_the_slots(slots: int) -> None:
    decisions = Decisions([Choice(f"d{count}", tuple(range(count))) for count in (1, 2, 3, 5, 7)])
    seen: Counter[tuple[int, int]] = Counter()
    for seed in range(200):
        rows = spread(decisions, decisions.cardinalities, slots, np.random.default_rng(seed))
        assert rows.shape == (slots, len(decisions))
        for column, options in enumerate(decisions.cardinalities):
            uses = np.bincount(rows[:, column], minlength=options)
            assert uses.min() >= slots // options
            assert uses.max() <= -(-slots // options)
            seen.update((column, int(code)) for code in rows[:, column])
    for column, options in enumerate(decisions.cardinalities):
        expected = 200 * slots / options
        for code in range(options):
            assert abs(seen[column, code] - expected) < 6 * expected**0.5


def test_decisions_are_dealt_independently() -> None:
    decisions = Decisions([Choice("a", (0, 1)), Choice("b", (0, 1))])
    rows = [spread(decisions, decisions.cardinalities, 2, np.random.default_rng(seed)) for seed in range(400)]
    together = sum(bool((row[:, 0] == row[:, 1]).all()) for row in rows)
    assert 140 < together < 260


def test_decisions_of_the_resolution_are_shared() -> None:
    decisions = Decisions([Choice("a", (0, 1, 2)), Choice("b", (0, 1, 2))])
    drawn = [spread(decisions, decisions.cardinalities, 3, np.random.default_rng(seed), (0,)) for seed in range(30)]
    assert all(len(set(rows[:, 0])) == 1 and len(set(rows[:, 1])) == 3 for rows in drawn)
    assert {int(rows[0, 0]) for rows in drawn} == {0, 1, 2}


def test_rows_are_canonical_and_follow_the_depth_rule() -> None:
    space = tiny_vit()
    for seed in range(20):
        rows = spread(space.decisions, space.decisions.cardinalities, 6, np.random.default_rng(seed))
        assert np.array_equal(space.decisions.check(rows), rows)


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [(0, (1, 1, 1)), (7, (1, 1, 2)), (8, (1, 1, 2)), (15, (1, 1, 4)), (29, (1, 1, 6)), (30, (1, 2, 7)), (90, (1, 2, 7))],
)
def test_options_become_available_one_by_one(epoch: int, expected: tuple[int, ...]) -> None:
    assert tuple(available(np.array([1, 2, 7]), epoch, 30)) == expected


def test_warm_up_counts_from_the_largest() -> None:
    decisions = Decisions([Choice("a", (0, 1)), Choice("b", (0, 1, 2, 3, 4))])
    rows = spread(decisions, np.array([1, 2]), 8, np.random.default_rng(0))
    assert set(rows[:, 0]) == {1}
    assert set(rows[:, 1]) == {3, 4}


def test_without_a_warm_up_everything_is_available() -> None:
    assert tuple(available(np.array([1, 2, 7]), 0, 0.0)) == (1, 2, 7)


@pytest.mark.parametrize("make", [tiny_vit, tiny_space])
def test_a_step_learns_the_mean_of_the_slots_own_losses(make: object) -> None:
    space = cast(Space, make())  # type: ignore[operator]
    recipe = figures(learning_rate=1e-3, reference_batch=8, optimiser="sgd", momentum=0.0, warmup=0.0, weight_decay=0.0)
    supernet = space.supernet(TASK.channels, TASK.resolution, TASK.classes, seed=5)
    reference = space.supernet(TASK.channels, TASK.resolution, TASK.classes, seed=5).train()
    with stepper(supernet, MultiArch(), recipe, steps=4) as training:
        loss = training.run(0)
    rows = spread(space.decisions, space.decisions.cardinalities, 4, generator(3, "architectures", 0))
    batch = RandomBatches().batch(0)
    total = 0.0
    for slot, row in enumerate(rows):
        reference.activate(row)
        scores = reference(batch.images[slot::4])
        own = F.cross_entropy(scores, batch.targets[slot::4], label_smoothing=0.1) / 4
        own.backward()
        total += own.item()
    assert loss == pytest.approx(total, rel=1e-5)
    for (name, parameter), moved in zip(reference.named_parameters(), supernet.parameters(), strict=True):
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        expected = parameter.detach() - 1e-3 * gradient
        torch.testing.assert_close(moved.detach(), expected, rtol=1e-4, atol=1e-7, msg=name)


def test_only_the_largest_network_learns_at_first() -> None:
    space = tiny_vit()
    chosen = []
    for step in range(6):
        supernet = space.supernet(TASK.channels, TASK.resolution, TASK.classes, seed=5)
        seen = supernet.settings
        supernet.settings = lambda rows, seen=seen: (chosen.append(rows), seen(rows))[1]  # type: ignore[method-assign]
        with stepper(supernet, MultiArch(), figures(option_warmup=60), steps=6) as training:
            training.run(step)
    largest = space.decisions.largest()[0]
    assert all((row == largest).all() for row in chosen[0])
    assert any((row != largest).any() for row in chosen[5])


def test_channels_are_sorted_in_the_epochs_of_the_warm_up() -> None:
    space = tiny_vit()
    supernet = space.supernet(TASK.channels, TASK.resolution, TASK.classes, seed=5)
    recipe = figures(option_warmup=60, learning_rate=1e-6)
    with stepper(supernet, MultiArch(), recipe, steps=4) as training:
        training.run(0)
    for group in channel_groups(supernet):
        importance = group.judge.importance()
        assert (importance[:-1] >= importance[1:] - 1e-4).all()
    unsorted = space.supernet(TASK.channels, TASK.resolution, TASK.classes, seed=5)
    with stepper(
        unsorted, MultiArch(), figures(option_warmup=60, learning_rate=1e-6, sort_channels=False), steps=4
    ) as training:
        training.run(0)
    judged = [group.judge.importance() for group in channel_groups(unsorted)]
    assert not all((importance[:-1] >= importance[1:] - 1e-4).all() for importance in judged)


def test_sorting_leaves_the_function_of_the_largest_network() -> None:
    space = tiny_vit()
    supernet = space.supernet(TASK.channels, TASK.resolution, TASK.classes, seed=5)
    images = RandomBatches().batch(0).images
    supernet.activate(space.decisions.largest()[0])
    expected = supernet(images).detach()
    recipe = figures(option_warmup=60, learning_rate=1e-30, weight_decay=0.0)
    with stepper(supernet, MultiArch(), recipe, steps=4) as training:
        training.run(0)
    supernet.activate(space.decisions.largest()[0])
    torch.testing.assert_close(supernet(images).detach(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("patch_mixup", [None, False])
def test_patch_mixup_is_on_where_the_network_offers_patches(patch_mixup: bool | None) -> None:
    supernet = tiny_vit().supernet(TASK.channels, TASK.resolution, TASK.classes, seed=5)
    with stepper(supernet, MultiArch(), figures(patch_mixup=patch_mixup), steps=4) as training:
        head = training.parts.get("rule")
        assert (head is None) == (patch_mixup is False)
        if head is not None:
            before = {name: value.clone() for name, value in head[0].state_dict().items()}
            training.run(0)
            assert not same(before, head[0].state_dict())


def test_patch_mixup_of_a_network_without_patches_is_refused() -> None:
    space = tiny_space()
    recipe = figures(patch_mixup=True)
    why = MultiArch.misfit(space, recipe)
    assert why is not None
    assert "with_patches" in why
    assert MultiArch.misfit(space, figures(patch_mixup=None)) is None
    assert MultiArch.misfit(tiny_vit(), recipe) is None


class TwoSizes(nn.Sequential):
    """Maps of one size or of another."""

    def __init__(self) -> None:
        sizes = {"no": ElasticConv2d(1, 4), "yes": ElasticConv2d(1, 4, 1, 2)}
        super().__init__(OperatorChoice(Choice("halved", ("no", "yes")), sizes), Classifier(4, TASK.classes, 0.0))


def test_a_space_that_cannot_share_passes_is_refused() -> None:
    space = Space("two-sizes", lambda task: TwoSizes(), task=TASK)
    with pytest.raises(NasError, match=r"'multi-arch' cannot train.*more than its channels.*trainers that can: .*uniform"):
        require_fit("multi-arch", MultiArch(), space, MultiArch.defaults)


def test_a_space_whose_networks_share_no_weights_is_refused_for_every_trainer() -> None:
    with pytest.raises(NasError, match=r"'einspace' has no supernet to train.*nas search --space einspace"):
        require_fit("multi-arch", MultiArch(), open_space("einspace"), MultiArch.defaults)


def test_boxes_of_patches_lie_in_the_grid() -> None:
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(3000):
        top, bottom, left, right = draw_box(4, rng)
        assert 0 <= top <= bottom <= 4
        assert 0 <= left <= right <= 4
        shares.append((bottom - top) * (right - left) / 16)
    assert set(shares) <= {area / 16 for area in range(17)}
    assert 0.38 < float(np.mean(shares)) < 0.5


def test_patches_take_the_target_of_the_image_they_are_from() -> None:
    count, side, classes = 8, 4, 8
    images = torch.arange(count, dtype=torch.float32)[:, None, None, None].expand(-1, 3, 8, 8).contiguous()
    exchanged = 0
    for seed in range(20):
        mixed = mix_patches(Batch(images, torch.arange(count)), classes, side, np.random.default_rng(seed))
        assert torch.equal(images[:, 0, 0, 0], torch.arange(count, dtype=torch.float32)), "the batch itself is left alone"
        for example in range(count // 2):
            patches = mixed.images[example, 0].unflatten(0, (side, 2)).unflatten(2, (side, 2))
            for row in range(side):
                for column in range(side):
                    square = patches[row, :, column]
                    owner = int(square[0, 0])
                    assert (square == owner).all(), "patches are exchanged whole"
                    assert mixed.patch_targets[example, row * side + column].argmax() == owner
                    exchanged += owner != example
        for example in range(count // 2, count):
            assert mixed.images[example].std() < 1e-5
            value = (mixed.targets[example] * torch.arange(classes)).sum()
            torch.testing.assert_close(mixed.images[example, 0, 0, 0], value)
        torch.testing.assert_close(mixed.patch_targets.mean(1), mixed.targets)
        torch.testing.assert_close(mixed.targets.sum(1), torch.ones(count))
    assert exchanged > 100


def test_the_patch_loss_is_the_mean_over_patches() -> None:
    scores, targets = torch.randn(3, 4, 5), torch.softmax(torch.randn(3, 4, 5), -1)
    by_hand = -(targets * scores.log_softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(patch_loss(scores, targets, 0.0), by_hand)


def test_the_same_seed_gives_the_same_training() -> None:
    outcomes = []
    for _ in range(2):
        supernet = tiny_vit().supernet(TASK.channels, TASK.resolution, TASK.classes, seed=5)
        with stepper(supernet, MultiArch(), figures(patch_mixup=None, drop_path=0.3), steps=4) as training:
            for step in range(4):
                training.run(step)
        outcomes.append(weights(supernet))
    assert same(*outcomes)


@pytest.mark.parametrize("batch_size", [2, 8])
def test_the_phases_say_how_many_share_a_pass(batch_size: int) -> None:
    recipe = figures(batch_size=batch_size, option_warmup=30)
    warmup, after = MultiArch().phases(40, recipe)
    assert f"{batch_size // 2} sub-network" in warmup.text
    assert (warmup.start, after.start) == (0, 10)


class Stopped(Exception):
    """The process ends here."""


class Stopping(Silent):
    """Ends a training after some steps, before the checkpoint of the last of them."""

    def __init__(self, at: int) -> None:
        self.at = at

    def advance(self, done: int, note: str = "") -> None:
        if done == self.at:
            raise Stopped


def test_a_resumed_training_with_patches_and_sorting_ends_like_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nas.training.loop, "CHECKPOINT_SECONDS", -1.0)
    recipe = figures(patch_mixup=True, drop_path=0.3, option_warmup=60, average=0.9)

    def fresh() -> Stepper:
        supernet = tiny_vit().supernet(TASK.channels, TASK.resolution, TASK.classes, seed=5)
        return stepper(supernet, MultiArch(), recipe, steps=8)

    whole = fresh()
    expected = train(whole)
    for stop in (2, 5):
        with pytest.raises(Stopped):
            train(fresh(), tmp_path / "checkpoint", Stopping(stop))
    resumed = fresh()
    assert train(resumed, tmp_path / "checkpoint").losses == expected.losses
    assert same(weights(resumed.supernet), weights(whole.supernet))
    assert same(resumed.parts["rule"][0].state_dict(), whole.parts["rule"][0].state_dict())
