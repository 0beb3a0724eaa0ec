"""The digits: their sizes, values, splits, statistics and fingerprint."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from nas.data import Augmentation, ImageData, Split, load_data


def pixels(split: Split) -> torch.Tensor:
    return split.images(np.arange(len(split)))


def test_defaults() -> None:
    data = load_data()
    assert (data.name, data.source, data.channels, data.resolution) == ("digits", "digits", 1, 32)
    assert data.classes == tuple("0123456789")
    assert data.augmentation == Augmentation(flip=False, crop_padding=4)
    assert "8x8" in data.note
    images = data.train.images(np.array([3, 0, 3]))
    assert images.shape == (3, 1, 32, 32)
    assert images.dtype == torch.uint8
    assert torch.equal(images[0], images[2])
    assert data.train.labels.dtype == np.int64


def test_splits_hold_all_digits_in_proportion() -> None:
    data = load_data(resolution=8)
    splits = (data.train, data.validation, data.test)
    rows = np.concatenate([pixels(split).reshape(len(split), -1).numpy() for split in splits])
    labels = np.concatenate([split.labels for split in splits])
    values, truth = load_digits(return_X_y=True)
    expected = np.round(values * (255 / 16)).astype(np.uint8)
    found = np.column_stack([labels, rows])
    wanted = np.column_stack([truth, expected])
    assert np.array_equal(found[np.lexsort(found.T)], wanted[np.lexsort(wanted.T)])
    for split, share in zip(splits, (0.6, 0.2, 0.2), strict=True):
        assert np.abs(np.bincount(split.labels) - share * np.bincount(truth)).max() <= 1


def test_the_caller_may_change_what_it_got(digits: ImageData) -> None:
    first = digits.train.images(np.arange(4))
    kept = first.clone()
    first.zero_()
    assert torch.equal(digits.train.images(np.arange(4)), kept)


def test_statistics_are_those_of_the_training_images(digits: ImageData) -> None:
    scaled = pixels(digits.train).double() / 255
    assert digits.mean == pytest.approx([scaled.mean().item()])
    assert digits.std == pytest.approx([scaled.std(unbiased=False).item()])


def test_fingerprint_follows_content_seed_fractions_and_resolution(digits: ImageData) -> None:
    assert load_data(resolution=16).fingerprint == digits.fingerprint
    others = [
        load_data(resolution=8),
        load_data(resolution=16, seed=1),
        load_data(resolution=16, validation=0.3),
        load_data(resolution=16, test=0.1),
    ]
    assert len({digits.fingerprint, *(other.fingerprint for other in others)}) == 5
