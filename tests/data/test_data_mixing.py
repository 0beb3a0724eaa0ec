"""Mixup and CutMix: what becomes of images and targets, and how often."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.data import NO_AUGMENTATION, Augmentation, ImageData, TrainingBatches
from nas.data.mixing import Mixing, draw_mixing, mix


def drawn(mixup: float, cutmix: float, count: int, side: int, seed: int) -> Mixing:
    mixing = draw_mixing(mixup, cutmix, count, side, np.random.default_rng(seed))
    assert mixing is not None
    return mixing


def test_nothing_is_mixed_unless_asked() -> None:
    assert draw_mixing(0.0, 0.0, 4, 8, np.random.default_rng(0)) is None


def test_mixup_mixes_targets_as_it_mixes_images() -> None:
    values = torch.from_numpy(np.random.default_rng(1).random((32, 4, 4, 3), dtype=np.float32))
    before = values.clone()
    mixed, targets = mix(values, torch.eye(32), drawn(0.7, 0.0, 32, 4, seed=0))
    assert torch.allclose(targets.sum(dim=1), torch.ones(32))
    # One-hot targets of distinct images are the weights of the mixing themselves.
    assert torch.allclose(mixed, torch.einsum("ij,jhwc->ihwc", targets, before), atol=1e-6)
    assert int((targets > 0).sum(dim=1).max()) == 2


def test_mixup_weights_follow_the_beta_distribution() -> None:
    weights = [drawn(0.4, 0.0, 2, 8, seed).weight for seed in range(2000)]
    # Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1)).
    assert np.mean(weights) == pytest.approx(0.5, abs=0.03)
    assert np.var(weights) == pytest.approx(1 / (4 * 1.8), abs=0.012)


@pytest.mark.parametrize("seed", range(20))
def test_cutmix_puts_one_rectangle_of_the_partner_in_place_and_targets_follow_its_area(seed: int) -> None:
    count, side = 12, 16
    values = torch.arange(count).float()[:, None, None, None].expand(count, side, side, 1).clone()
    mixing = drawn(0.0, 1.0, count, side, seed)
    mixed, targets = mix(values, torch.eye(count), mixing)
    for index, partner in enumerate(mixing.partner.tolist()):
        assert set(mixed[index].unique().tolist()) <= {float(index), float(partner)}
        if partner == index:
            assert targets[index, index] == 1.0
            continue
        pasted = mixed[index, :, :, 0] == partner
        rows, columns = pasted.any(dim=1).sum(), pasted.any(dim=0).sum()
        assert int(pasted.sum()) == int(rows * columns), "one rectangle"
        assert targets[index, partner] == pytest.approx(float(pasted.sum()) / side**2, abs=1e-6)
        assert targets[index, index] == pytest.approx(1 - float(pasted.sum()) / side**2, abs=1e-6)


def test_a_box_of_cutmix_has_the_area_that_was_drawn_unless_the_border_crops_it() -> None:
    side, whole = 64, 0
    for seed in range(200):
        mixing = drawn(0.0, 1.0, 2, side, seed)
        assert mixing.box is not None
        share = 1 - np.random.default_rng(seed).beta(1.0, 1.0)
        top, bottom, left, right = mixing.box
        assert (bottom - top) * (right - left) <= share * side**2 + 1e-9
        if min(top, left) > 0 and max(bottom, right) < side:
            whole += 1
            assert bottom - top == right - left
            assert (bottom - top) / side == pytest.approx(np.sqrt(share), abs=1 / side)
    assert whole > 20


def test_with_both_each_batch_takes_one_of_the_two_at_random() -> None:
    cut = [drawn(0.8, 1.0, 4, 8, seed).box is not None for seed in range(1000)]
    # Three standard deviations of 1000 throws of a coin.
    assert abs(sum(cut) - 500) < 48
    assert all(drawn(0.0, 1.0, 4, 8, seed).box is not None for seed in range(20))
    assert all(drawn(1.0, 0.0, 4, 8, seed).box is None for seed in range(20))


@pytest.mark.parametrize("augmentation", [Augmentation(mixup=1.0), Augmentation(cutmix=1.0)], ids=["mixup", "cutmix"])
def test_batches_of_mixed_images_have_soft_targets(digits: ImageData, augmentation: Augmentation) -> None:
    batch = TrainingBatches(digits, 32, 0, augmentation).batch(0)
    assert batch.targets.dtype == torch.float32
    assert batch.targets.shape == (32, 10)
    assert torch.allclose(batch.targets.sum(dim=1), torch.ones(32))
    assert 0 < float(batch.targets.max(dim=1).values.min()) < 1


def test_a_mixed_batch_is_made_of_the_images_of_the_plain_one(digits: ImageData) -> None:
    plain = TrainingBatches(digits, 24, 5, NO_AUGMENTATION).batch(3)
    mixed = TrainingBatches(digits, 24, 5, Augmentation(flip=False, crop_padding=0, cutmix=1.0)).batch(3)
    same = mixed.images == plain.images
    pasted = [index for index in range(24) if not bool(same[index].all())]
    assert pasted
    for index in pasted:
        explained = (mixed.images[index] == plain.images) | same[index]
        assert bool(explained.flatten(1).all(dim=1).any()), "what is not its own is one other image's"
