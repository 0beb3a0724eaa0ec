"""Training batches are pure functions of seed and step; fixed batches are always the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.base.errors import NasError
from nas.data import NO_AUGMENTATION, Augmentation, Batch, ImageData, TrainingBatches, fixed_batches, load_data

ALL = Augmentation(flip=True, crop_padding=3, cutout=4, mixup=0.5)


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
