"""Parquet files in the layout of the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from nas.base.errors import NasError
from nas.data import load_data

Table = Callable[..., Path]
Encode = Callable[..., bytes]

TRAIN, TEST = "train-00000-of-00001.parquet", "test-00000-of-00001.parquet"


@pytest.mark.parametrize("folder", [".", "data"])
def test_splits_names_and_images(tmp_path: Path, table: Table, picture: Callable[..., Image.Image], folder: str) -> None:
    labels = [0, 1, 1, 0, 1, 0, 0, 1, 1, 0]
    table(tmp_path / folder / TRAIN, labels, names=["cat", "dog"])
    table(tmp_path / folder / "validation-00000-of-00001.parquet", [1, 0], names=["cat", "dog"])
    table(tmp_path / folder / TEST, [1, 1, 0], names=["cat", "dog"])
    data = load_data(tmp_path)
    assert data.classes == ("cat", "dog")
    assert (data.channels, data.resolution, data.note) == (3, 16, "")
    assert [split.labels.tolist() for split in (data.train, data.validation, data.test)] == [labels, [1, 0], [1, 1, 0]]
    for number, image in enumerate(data.train.images(np.arange(10))):
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(picture(number)))


def test_shards_are_read_in_order_and_missing_splits_are_cut(tmp_path: Path, table: Table) -> None:
    table(tmp_path / "train-00001-of-00002.parquet", [2, 2, 2, 2, 2])
    table(tmp_path / "train-00000-of-00002.parquet", [1, 1, 1, 1, 1])
    data = load_data(tmp_path)
    assert data.classes == ("1", "2")
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert (len(data.validation), len(data.test)) == (2, 2)


@pytest.mark.parametrize(("image", "label"), [("image", "labels"), ("picture", "fine_label"), ("img", "digit")])
def test_columns_are_found_by_name_or_type(tmp_path: Path, table: Table, image: str, label: str) -> None:
    table(tmp_path / TRAIN, [0, 1] * 5, image=image, label=label, names=["a", "b"])
    assert load_data(tmp_path).classes == ("a", "b")


def test_label_comes_first_among_several(tmp_path: Path, encode: Encode, table: Table) -> None:
    pictures = pa.array([{"bytes": encode(number)} for number in range(6)])
    columns = {"coarse": pa.array([7] * 6), "label": pa.array([0, 1] * 3), "image": pictures}
    table(tmp_path / TRAIN, [], columns=columns)
    assert load_data(tmp_path).classes == ("0", "1")


def test_named_classes_without_an_image_are_left_out(tmp_path: Path, table: Table) -> None:
    table(tmp_path / TRAIN, [0, 2] * 5, names=["a", "b", "c"])
    data = load_data(tmp_path)
    assert data.classes == ("a", "c")
    assert set(data.train.labels) == {0, 1}
    assert data.note == "1 of the 3 named classes have no image and are left out"


def test_fingerprint_follows_files_and_labels(tmp_path: Path, table: Table) -> None:
    prints = set()
    for folder, labels in (("one", [0, 1] * 5), ("two", [1, 0] * 5), ("three", [0, 1] * 6)):
        table(tmp_path / folder / TRAIN, labels)
        prints |= {load_data(tmp_path / folder).fingerprint, load_data(tmp_path / folder).fingerprint}
    assert len(prints) == 3


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_truncated_file(tmp_path: Path, table: Table, keep: float) -> None:
    path = table(tmp_path / TRAIN, [0, 1] * 5)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(NasError, match=rf"{TRAIN} cannot be read as Parquet \("):
        load_data(tmp_path)


def test_damaged_pages(tmp_path: Path, table: Table) -> None:
    path = table(tmp_path / TRAIN, [0, 1] * 5)
    content = bytearray(path.read_bytes())
    content[4:200] = b"\xff" * 196
    path.write_bytes(content)
    with pytest.raises(NasError, match=rf"{TRAIN} cannot be read as Parquet \("):
        load_data(tmp_path)


def test_no_image_column(tmp_path: Path, table: Table) -> None:
    columns = {"label": pa.array([0, 1]), "text": pa.array(["a", "b"])}
    table(tmp_path / TRAIN, [], columns=columns)
    with pytest.raises(NasError, match=r"has no image columns .* its columns are label \(int64\), text \(string\)"):
        load_data(tmp_path)


@pytest.mark.parametrize(
    ("columns", "count"),
    [({"label": pa.array(["a", "b"])}, "no"), ({"x": pa.array([0, 1]), "y": pa.array([0, 1])}, "2")],
)
def test_no_single_label_column(tmp_path: Path, table: Table, encode: Encode, columns: dict[str, pa.Array], count: str) -> None:
    pictures = pa.array([{"bytes": encode(number)} for number in range(2)])
    table(tmp_path / TRAIN, [], columns={"image": pictures, **columns})
    with pytest.raises(NasError, match=rf"has {count} integer columns .* its columns are image \(struct.*name the one"):
        load_data(tmp_path)


@pytest.mark.parametrize("content", [b"broken", None])
def test_a_corrupt_image_is_named_by_file_and_row(tmp_path: Path, table: Table, encode: Encode, content: bytes | None) -> None:
    pictures: list[bytes | None] = [encode(number) for number in range(6)]
    table(tmp_path / "train-00000-of-00002.parquet", [0, 1] * 3)
    pictures[4] = content
    table(tmp_path / "train-00001-of-00002.parquet", [0, 1] * 3, pictures=pictures)
    (name,) = load_data(tmp_path).left_out
    assert name == f"{tmp_path / 'train-00001-of-00002.parquet'} row 4"


def test_a_corrupt_test_image_is_left_out(tmp_path: Path, table: Table, encode: Encode) -> None:
    table(tmp_path / TRAIN, [0, 1] * 5)
    table(tmp_path / TEST, [0, 1], pictures=[encode(), encode()[:100]])
    data = load_data(tmp_path)
    assert data.test.images(np.array([0])).shape == (1, 3, 16, 16)
    assert len(data.test) == 1 and list(data.left_out) == [f"{tmp_path / TEST} row 1"]


def test_a_class_that_training_lacks(tmp_path: Path, table: Table) -> None:
    table(tmp_path / TRAIN, [0, 1] * 5)
    table(tmp_path / TEST, [0, 2])
    with pytest.raises(NasError, match=r"test split of .* has classes that the training images lack: 2"):
        load_data(tmp_path)


def test_only_one_class(tmp_path: Path, table: Table) -> None:
    table(tmp_path / TRAIN, [0] * 5, names=["only", "never"])
    with pytest.raises(NasError, match=r"only one class \('only'\)"):
        load_data(tmp_path)


def test_too_few_images_of_a_class(tmp_path: Path, table: Table) -> None:
    table(tmp_path / TRAIN, [0, 0, 0, 1, 1], names=["common", "rare"])
    with pytest.raises(NasError, match=r"class 'rare' has 2 image\(s\)"):
        load_data(tmp_path)


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        ([0, 1, None], None, "1 rows without a value in 'label'"),
        ([0, 1, -1], None, "label -1 in 'label'; legal: 0 and above"),
        ([0, 1, 2], ["a", "b"], "label 2 in 'label'; legal: 0 to 1"),
        ([], None, "hold no rows"),
    ],
)
def test_unusable_labels(tmp_path: Path, table: Table, labels: list[int | None], names: list[str] | None, message: str) -> None:
    table(tmp_path / TRAIN, labels, names=names)
    with pytest.raises(NasError, match=message):
        load_data(tmp_path)


def test_a_missing_shard(tmp_path: Path, table: Table) -> None:
    table(tmp_path / "train-00000-of-00003.parquet", [0, 1] * 5)
    with pytest.raises(NasError, match=r"holds 1 file\(s\) of the set .* promise 3; fetch the missing"):
        load_data(tmp_path)


def test_no_training_file(tmp_path: Path, table: Table) -> None:
    table(tmp_path / TEST, [0, 1] * 5)
    with pytest.raises(NasError, match="has Parquet files for test but no train-"):
        load_data(tmp_path)
