"""Training batches are pure functions of seed and step; fixed batches are always the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.base.errors import NasError
from nas.data import NO_AUGMENTATION, Augmentation, Batch, ImageData, TrainingBatches, fixed_batches, load_data

ALL = Augmentation(flip=True, crop_padding=3, cutout=4, mixup=0.5, cutmix=1.0, randaugment=(2, 9.0))


def equal(one: Batch, other: Batch) -> bool:
    return torch.equal(one.images, other.images) and torch.equal(one.targets, other.targets)


def counted(images: torch.Tensor) -> Counter[bytes]:
    return Counter(image.contiguous().numpy().tobytes() for image in images)


def normalised(data: ImageData, images: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (data.mean, data.std))
    return (images / 255 - mean) / std


@pytest.mark.parametrize("augmentation", [None, ALL])
def test_a_batch_depends_on_seed_and_step_alone(digits: ImageData, augmentation: Augmentation | None) -> None:
    forward = TrainingBatches(digits, 50, 3, augmentation)
    steps = [0, 1, forward.steps_per_epoch - 1, forward.steps_per_epoch, 5 * forward.steps_per_epoch + 2]
    first = [forward.batch(step) for step in steps]
    torch.rand(7)
    fresh = TrainingBatches(digits, 50, 3, augmentation)
    for step, batch in reversed(list(zip(steps, first, strict=True))):
        assert equal(fresh.batch(step), batch)
        assert not equal(TrainingBatches(digits, 50, 4, augmentation).batch(step), batch)
    assert not any(equal(first[0], other) for other in first[1:])


def test_no_global_generator_is_touched(digits: ImageData) -> None:
    before = torch.get_rng_state()
    TrainingBatches(digits, 50, 3, ALL).batch(0)
    list(fixed_batches(digits, "train", 50, limit=60))
    assert torch.equal(torch.get_rng_state(), before)


def test_an_epoch_shows_no_image_twice(digits: ImageData) -> None:
    size = 7 * 11
    batches = TrainingBatches(digits, size, 0, NO_AUGMENTATION)
    assert batches.steps_per_epoch == len(digits.train) // size
    every = counted(next(fixed_batches(digits, "train", 5000)).images)
    orders = []
    for epoch in range(2):
        steps = range(epoch * batches.steps_per_epoch, (epoch + 1) * batches.steps_per_epoch)
        shown = torch.cat([batches.batch(step).images for step in steps])
        assert len(shown) == batches.steps_per_epoch * size
        assert counted(shown) <= every
        orders.append(shown)
    assert not torch.equal(*orders)


def test_layout_and_normalisation(tmp_path: Path, fill: Callable[..., None]) -> None:
    fill(tmp_path, {"a": 20, "b": 20})
    data = load_data(tmp_path)
    batch = TrainingBatches(data, len(data.train), 0, NO_AUGMENTATION).batch(0)
    assert batch.images.dtype == torch.float32
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.targets.dtype == torch.int64
    assert batch.images.mean(dim=(0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert batch.images.std(dim=(0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], abs=1e-5)


def test_labels_belong_to_their_images(digits: ImageData) -> None:
    known = {
        image.numpy().tobytes(): int(label)
        for image, label in zip(
            next(fixed_batches(digits, "train", 5000)).images.contiguous(),
            next(fixed_batches(digits, "train", 5000)).targets,
            strict=True,
        )
    }
    batch = TrainingBatches(digits, 100, 0, NO_AUGMENTATION).batch(4)
    assert [known[image.contiguous().numpy().tobytes()] for image in batch.images] == batch.targets.tolist()


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_fixed_batches_hold_the_split(digits: ImageData, split: str) -> None:
    batches = list(fixed_batches(digits, split, 100))
    source = getattr(digits, split)
    assert [len(batch.images) for batch in batches] == [100] * (len(source) // 100) + [len(source) % 100]
    assert all(len(batch.targets) == len(batch.images) for batch in batches)
    images = torch.cat([batch.images for batch in batches])
    expected = normalised(digits, source.images(np.arange(len(source))))
    order = np.lexsort(images.flatten(1).numpy().T)
    wanted = np.lexsort(expected.flatten(1).numpy().T)
    assert torch.allclose(images[order], expected[wanted], atol=1e-5)
    assert torch.equal(torch.cat([batch.targets for batch in batches]).bincount(), torch.from_numpy(np.bincount(source.labels)))


@pytest.mark.parametrize("augmentation", [None, ALL, Augmentation(mixup=1.0), Augmentation(cutmix=1.0)])
def test_the_parts_of_a_batch_make_up_the_whole(digits: ImageData, augmentation: Augmentation | None) -> None:
    for size in (2, 3):
        parts = [TrainingBatches(digits, 48, 3, augmentation, part=(rank, size)) for rank in range(size)]
        whole = TrainingBatches(digits, 48, 3, augmentation)
        assert {part.steps_per_epoch for part in parts} == {whole.steps_per_epoch}
        for step in (0, 7, whole.steps_per_epoch):
            batches = [part.batch(step) for part in parts]
            assert [len(batch.images) for batch in batches] == [48 // size] * size
            assert torch.equal(torch.cat([batch.images for batch in batches]), whole.batch(step).images)
            assert torch.equal(torch.cat([batch.targets for batch in batches]), whole.batch(step).targets)


def test_a_part_decodes_its_own_images_and_the_partners_they_are_mixed_with(digits: ImageData) -> None:
    class Counting:
        def __init__(self) -> None:
            self.labels, self.asked = digits.train.labels, 0

        def __len__(self) -> int:
            return len(digits.train)

        def images(self, indices: np.ndarray) -> torch.Tensor:
            assert len(set(indices.tolist())) == len(indices)
            self.asked += len(indices)
            return digits.train.images(indices)

    counted = Counting()
    data = replace(digits, train=counted)
    TrainingBatches(data, 40, 0, part=(1, 4)).batch(0)
    assert counted.asked == 10
    TrainingBatches(data, 40, 0, Augmentation(mixup=1.0), part=(1, 4)).batch(0)
    assert 20 < counted.asked <= 30


def test_a_batch_that_cannot_be_parted(digits: ImageData) -> None:
    with pytest.raises(NasError, match=r"3 processes train together, and the batch size 32 is no multiple.*batch_size=33"):
        TrainingBatches(digits, 32, 0, part=(0, 3))


def test_shares_of_the_training_images_have_none_in_common_and_every_class_in_proportion(digits: ImageData) -> None:
    every = next(fixed_batches(digits, "train", 5000))
    counts = []
    for share in ((0.0, 0.75), (0.75, 1.0)):
        batches = TrainingBatches(digits, 20, 3, NO_AUGMENTATION, share)
        shown = [batches.batch(step) for step in range(batches.steps_per_epoch)]
        images = counted(torch.cat([batch.images for batch in shown]))
        assert batches.steps_per_epoch == round((share[1] - share[0]) * len(digits.train)) // 20
        assert max(images.values()) == 1
        assert images <= counted(every.images)
        labels = torch.cat([batch.targets for batch in shown]).bincount(minlength=10) / (20 * batches.steps_per_epoch)
        assert torch.allclose(labels, every.targets.bincount() / len(every.targets), atol=0.02)
        counts.append(images)
    assert not counts[0] & counts[1]


def test_a_share_too_small_for_a_batch_is_refused(digits: ImageData) -> None:
    with pytest.raises(NasError, match=r"batch size 200 exceeds the \d+ training images of digits \(a share of 0\.1 of them\)"):
        TrainingBatches(digits, 200, 0, share=(0.9, 1.0))


@pytest.mark.parametrize("share", [(0.0, 0.5), (0.5, 1.0)])
def test_a_share_s_batches_depend_on_seed_and_step_alone(digits: ImageData, share: tuple[float, float]) -> None:
    one, two, other = (TrainingBatches(digits, 16, seed, ALL, share) for seed in (3, 3, 4))
    two.batch(5)
    assert equal(one.batch(9), two.batch(9))
    assert not equal(one.batch(9), other.batch(9))


def test_a_limit_takes_a_fixed_share_of_every_class(digits: ImageData) -> None:
    one, two = (list(fixed_batches(digits, "validation", 32, limit=100)) for _ in range(2))
    assert [len(batch.images) for batch in one] == [32, 32, 32, 4]
    assert all(equal(*pair) for pair in zip(one, two, strict=True))
    counts = torch.cat([batch.targets for batch in one]).bincount(minlength=10)
    assert int(counts.min()) >= 9
    assert int(counts.max()) <= 11


def test_batches_mix_the_classes_of_sorted_folders(tmp_path: Path, fill: Callable[..., None]) -> None:
    fill(tmp_path, {"a": 20, "b": 20})
    for batch in fixed_batches(load_data(tmp_path), "train", 6):
        assert batch.targets.bincount().tolist() == [3, 3]


def test_a_limit_beyond_the_split_takes_all(digits: ImageData) -> None:
    assert len(next(fixed_batches(digits, "test", 10_000, limit=10**6)).targets) == len(digits.test)


def test_errors(digits: ImageData) -> None:
    count = len(digits.train)
    with pytest.raises(NasError, match=f"batch size {count + 1} exceeds the {count} training images of digits"):
        TrainingBatches(digits, count + 1, 0)
    assert TrainingBatches(digits, count, 0).steps_per_epoch == 1
    with pytest.raises(NasError, match="batch size 0 is not positive"):
        TrainingBatches(digits, 0, 0)
    with pytest.raises(NasError, match="seed -1 is negative"):
        TrainingBatches(digits, 8, -1)
    with pytest.raises(NasError, match="batch size 0 is not positive"):
        fixed_batches(digits, "train", 0)
    with pytest.raises(NasError, match="limit 0 leaves no image"):
        fixed_batches(digits, "train", 8, limit=0)
    with pytest.raises(NasError, match=r"unknown split 'valid'; legal: train, validation, test\. Did you mean"):
        fixed_batches(digits, "valid", 8)


def test_plain_batches_are_the_same_images_as_they_are(digits: ImageData) -> None:
    """Those of an unaugmented stream with the same seed, whatever augmentation there is, and each process its part."""
    bare, augmented = TrainingBatches(digits, 50, 3, NO_AUGMENTATION), TrainingBatches(digits, 50, 3, ALL)
    parts = [TrainingBatches(digits, 50, 3, ALL, part=(part, 2)) for part in (0, 1)]
    for step in (0, 1, bare.steps_per_epoch + 1):
        expected = bare.batch(step)
        assert equal(augmented.plain(step), expected)
        assert torch.equal(torch.cat([part.plain(step).images for part in parts]), expected.images)
    assert (augmented.mean, augmented.std) == (tuple(digits.mean), tuple(digits.std))
