"""CIFAR-10 as it comes from the hub, where the machine has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nas.data import ImageData, TrainingBatches, fixed_batches, load_data

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "images" / "cifar10"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"CIFAR-10 is not at {FOLDER}")


@pytest.fixture(scope="module")
def cifar() -> ImageData:
    return load_data(FOLDER)


def test_what_it_is(cifar: ImageData) -> None:
    assert cifar.name == "cifar10"
    assert cifar.classes[:3] == ("airplane", "automobile", "bird")
    assert (cifar.channels, cifar.resolution, cifar.augmentation.crop_padding) == (3, 32, 4)
    assert [len(split) for split in (cifar.train, cifar.validation, cifar.test)] == [40_000, 10_000, 10_000]
    for split, count in ((cifar.train, 4000), (cifar.validation, 1000), (cifar.test, 1000)):
        assert np.bincount(split.labels).tolist() == [count] * 10


def test_statistics_are_the_known_ones(cifar: ImageData) -> None:
    assert cifar.mean == pytest.approx((0.491, 0.482, 0.447), abs=0.005)
    assert cifar.std == pytest.approx((0.247, 0.243, 0.262), abs=0.005)


def test_batches(cifar: ImageData) -> None:
    batch = TrainingBatches(cifar, 128, 0).batch(0)
    assert batch.images.shape == (128, 3, 32, 32)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    scored = list(fixed_batches(cifar, "validation", 100, limit=200))
    assert [one.targets.bincount().tolist() for one in scored] == [[10] * 10] * 2
