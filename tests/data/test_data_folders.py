"""Class folders and split folders."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas.base.errors import NasError
from nas.data import Augmentation, load_data

Fill = Callable[..., None]
Encode = Callable[..., bytes]


def test_class_folders(tmp_path: Path, fill: Fill) -> None:
    root = tmp_path / "pets"
    fill(root, {"dog": 10, "cat": 20, ".hidden": 1, "__MACOSX": 1})
    (root / "dog" / "notes.txt").write_text("not an image")
    (root / "README.md").write_text("neither")
    data = load_data(str(root))
    assert (data.name, data.source, data.note) == ("pets", str(root.resolve()), "")
    assert data.classes == ("cat", "dog")
    assert (data.channels, data.resolution) == (3, 16)
    assert [np.bincount(split.labels).tolist() for split in (data.train, data.validation, data.test)] == [
        [12, 6],
        [4, 2],
        [4, 2],
    ]
    assert data.augmentation == Augmentation(flip=True, crop_padding=2)


def test_an_image_and_its_label_stay_together(tmp_path: Path, encode: Encode, picture: Callable[..., Image.Image]) -> None:
    for label in range(3):
        folder = tmp_path / f"c{label}"
        folder.mkdir()
        for number in range(5):
            (folder / f"{number}.PNG").write_bytes(encode(10 * label + number))
    data = load_data(tmp_path)
    known = {np.asarray(picture(10 * label + number)).tobytes(): label for label in range(3) for number in range(5)}
    seen = set()
    for split in (data.train, data.validation, data.test):
        images = split.images(np.arange(len(split))).permute(0, 2, 3, 1).contiguous().numpy()
        for image, label in zip(images, split.labels, strict=True):
            assert known[image.tobytes()] == label
            seen.add(image.tobytes())
    assert seen == set(known)


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_existing_splits_are_kept(tmp_path: Path, fill: Fill, name: str) -> None:
    fill(tmp_path / "train", {"a": 2, "b": 5})
    fill(tmp_path / name, {"a": 1, "b": 2})
    fill(tmp_path / "test", {"b": 4})
    fill(tmp_path / "extra", {"a": 1})
    data = load_data(tmp_path)
    assert [split.labels.tolist() for split in (data.train, data.validation, data.test)] == [
        [0, 0, 1, 1, 1, 1, 1],
        [0, 1, 1],
        [1, 1, 1, 1],
    ]
    assert data.note == "folders that are no split were ignored: extra"


@pytest.mark.parametrize(("kept", "sizes"), [("test", [16, 4, 3]), ("val", [16, 3, 4])])
def test_a_missing_split_is_cut_from_training(tmp_path: Path, fill: Fill, kept: str, sizes: list[int]) -> None:
    fill(tmp_path / "train", {"a": 10, "b": 10})
    fill(tmp_path / kept, {"a": 1, "b": 2})
    data = load_data(tmp_path)
    assert [len(data.train), len(data.validation), len(data.test)] == sizes


def test_both_missing_splits_are_cut_from_training(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path / "train", {"a": 10, "b": 10})
    data = load_data(tmp_path)
    assert [len(data.train), len(data.validation), len(data.test)] == [12, 4, 4]


def test_a_class_may_be_called_train(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path, {"train": 5, "plane": 5})
    assert load_data(tmp_path).classes == ("plane", "train")


def test_fingerprint_follows_the_files_and_not_their_place(tmp_path: Path, fill: Fill, encode: Encode) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    fill(here, {"a": 5, "b": 5})
    shutil.copytree(here, there)
    before = load_data(here).fingerprint
    assert load_data(there).fingerprint == before
    assert load_data(there, seed=1).fingerprint != before
    assert load_data(there, resolution=24).fingerprint != before
    (there / "a" / "000.png").write_bytes(encode(0) + b"longer")
    assert load_data(there).fingerprint != before
    (here / "a" / "000.png").rename(here / "a" / "0000.png")
    assert load_data(here).fingerprint != before


def test_constant_images_have_the_least_std(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.new("RGB", (8, 8), (255, 0, 51)).save(tmp_path / name / f"{number}.png")
    data = load_data(tmp_path)
    assert data.mean == pytest.approx([1.0, 0.0, 0.2])
    assert data.std == (1e-3, 1e-3, 1e-3)


def test_statistics_are_per_channel(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path, {"a": 10, "b": 10})
    data = load_data(tmp_path)
    scaled = data.train.images(np.arange(len(data.train))).double() / 255
    assert data.mean == pytest.approx(scaled.mean((0, 2, 3)).tolist())
    assert data.std == pytest.approx(torch.std(scaled, (0, 2, 3), correction=0).tolist())


@pytest.mark.parametrize("stray", [None, "picture.png", "notes.txt", "table.parquet"])
def test_no_layout_in_the_folder(tmp_path: Path, stray: str | None, encode: Encode) -> None:
    if stray:
        (tmp_path / stray).write_bytes(encode())
    with pytest.raises(NasError, match=r"no class folders and no Parquet files; legal layouts: FOLDER/<class>/"):
        load_data(tmp_path)


def test_only_one_class(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path, {"alone": 5})
    with pytest.raises(NasError, match=r"only one class \('alone'\)"):
        load_data(tmp_path)


def test_class_folder_without_images(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path, {"a": 5, "b": 5, "empty": 0})
    with pytest.raises(NasError, match=r"class folder \S*empty holds no images"):
        load_data(tmp_path)


@pytest.mark.parametrize("count", [1, 2])
def test_class_with_too_few_images(tmp_path: Path, fill: Fill, count: int) -> None:
    fill(tmp_path, {"a": 5, "rare": count})
    with pytest.raises(NasError, match=rf"class 'rare' has {count} image\(s\)"):
        load_data(tmp_path)


@pytest.mark.parametrize("split", ["val", "test"])
def test_held_out_class_that_training_lacks(tmp_path: Path, fill: Fill, split: str) -> None:
    fill(tmp_path / "train", {"a": 5, "b": 5})
    fill(tmp_path / split, {"a": 2, "c": 2})
    with pytest.raises(NasError, match=rf"{split} has classes that the training images lack: c; .*training has: a, b"):
        load_data(tmp_path)


def test_split_folders_without_training(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path / "test", {"a": 5, "b": 5})
    with pytest.raises(NasError, match="has test but no train folder"):
        load_data(tmp_path)


def test_two_folders_for_one_split(tmp_path: Path, fill: Fill) -> None:
    for name in ("train", "val", "valid"):
        fill(tmp_path / name, {"a": 5, "b": 5})
    with pytest.raises(NasError, match="two validation folders, val and valid"):
        load_data(tmp_path)
