"""CSV files of paths and labels: classes, several labels, numbers; every mistake is told with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nas.base.errors import NasError
from nas.data import ImageData, Reading, TrainingBatches, fixed_batches, load_data
from nas.data.augment import Augmentation
from nas.data.tasks import Classification, MultiLabel, Regression

Fill = Callable[..., None]


@pytest.fixture
def listed(tmp_path: Path, fill: Fill) -> Callable[[str], Path]:
    """Write a CSV file beside 30 pictures images/x/000.png and so on."""
    fill(tmp_path / "images", {"x": 30})

    def write(content: str) -> Path:
        (tmp_path / "labels.csv").write_text(content, encoding="utf-8")
        return tmp_path / "labels.csv"

    return write


def rows(labels: list[str], start: int = 0) -> str:
    return "".join(f"images/x/{number:03}.png,{label}\n" for number, label in enumerate(labels, start))


def every(data: ImageData) -> list[tuple[bytes, object]]:
    splits = (data.train, data.validation, data.test)
    return [
        (image.numpy().tobytes(), label)
        for split in splits
        for image, label in zip(split.images(np.arange(len(split))), split.labels.tolist(), strict=True)
    ]


def test_classes_are_those_of_folders(listed: Callable[[str], Path], tmp_path: Path, fill: Fill) -> None:
    path = listed("path,label\n" + rows(["cat", "dog", "bird"] * 10))
    data = load_data(path)
    assert data.task == Classification(("bird", "cat", "dog")) and data.name == "labels"
    assert [len(split) for split in (data.train, data.validation, data.test)] == [18, 6, 6]
    for number in range(30):
        folder = tmp_path / "folders" / ("cat", "dog", "bird")[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:03}.png").write_bytes((tmp_path / "images" / "x" / f"{number:03}.png").read_bytes())
    folders = load_data(tmp_path / "folders")
    assert sorted(every(folders)) == sorted(every(data))  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("header", "row", "reading"),
    [
        ("file,class", "{path},{label}", Reading()),
        ("id;image;tags", "7;{path};{label}", Reading()),
        ("\ufeffpath\tlabel", "{path}\t{label}", Reading()),
        ("where,kind", "{path},{label}", Reading()),
        ("where,kind,label", "{path},{label},z", Reading(label_columns=("kind",))),
        ("name,path,label", "{path},q,{label}", Reading(path_column="name")),
        ('"path", "label"'.replace(", ", ","), '"{path}","{label}"', Reading()),
    ],
)
def test_columns_are_found(listed: Callable[[str], Path], header: str, row: str, reading: Reading) -> None:
    lines = [row.format(path=f"images/x/{number:03}.png", label="ab"[number % 2]) for number in range(30)]
    data = load_data(listed("\n".join([header, *lines])), reading=reading)
    assert data.classes == ("a", "b") and len(every(data)) == 30


def test_splits_are_kept(listed: Callable[[str], Path]) -> None:
    lines = [f"images/x/{number:03}.png,{number % 2},{('train', 'val', 'TEST')[number // 10]}" for number in range(30)]
    data = load_data(listed("path,label,split\n" + "\n".join(lines)))
    assert [len(split) for split in (data.train, data.validation, data.test)] == [10, 10, 10]
    assert data.classes == ("0", "1")


def test_numbered_classes_are_in_their_order(listed: Callable[[str], Path]) -> None:
    assert load_data(listed("path,label\n" + rows(["2", "10", "1"] * 10))).classes == ("1", "2", "10")


def test_several_labels(listed: Callable[[str], Path]) -> None:
    labels = ["a;b", "b", "", "c ; a", "a"] * 6
    data = load_data(listed("path,label\n" + rows(labels)))
    assert data.task == MultiLabel(("a", "b", "c"))
    assert data.train.labels.dtype == np.float32
    found = sorted(tuple(label) for _, label in every(data))  # type: ignore[arg-type]
    assert found == sorted([(1, 1, 0), (0, 1, 0), (0, 0, 0), (1, 0, 1), (1, 0, 0)] * 6)
    for split in (data.train, data.validation, data.test):
        assert all(split.labels.sum(axis=0) > 0), "every label is in every split"
    batch = TrainingBatches(data, 6, 0, Augmentation(mixup=0.5)).batch(0)
    assert batch.targets.shape == (6, 3) and 0 <= float(batch.targets.min()) <= float(batch.targets.max()) <= 1
    assert next(fixed_batches(data, "test", 4)).targets.shape == (4, 3)
    single = load_data(listed("path,label\n" + rows(["a", "b"] * 15)), reading=Reading(task="multi-label"))
    assert single.task == MultiLabel(("a", "b"))


def test_numbers(listed: Callable[[str], Path]) -> None:
    lines = [f"images/x/{number:03}.png,{number},{number**2 / 10}" for number in range(30)]
    path = listed("path,age,size\n" + "\n".join(lines))
    data = load_data(path, reading=Reading(label_columns=("age", "size"), task="regression"))
    assert isinstance(data.task, Regression) and data.classes == ("age", "size")
    values = np.array([label for _, label in every(data)]) * data.task.std + data.task.mean
    assert sorted(values[:, 0].round(3)) == list(range(30))
    assert sorted(values[:, 1].round(3)) == pytest.approx([number**2 / 10 for number in range(30)], abs=1e-2)
    assert np.array([label for _, label in every(data)]).mean(axis=0) == pytest.approx([0, 0], abs=1e-6)
    thirds = [np.sort(split.labels[:, 0]) for split in (data.validation, data.test)]
    assert all(part[0] < -0.5 and part[-1] > 0.5 for part in thirds), "small and large numbers are in every split"


def test_files_that_are_missing_are_left_out(listed: Callable[[str], Path]) -> None:
    path = listed("path,label\n" + rows(["a", "b"] * 15) + "images/x/none.png,a\nimages/x/no\0ne.png,b\n")
    assert {Path(name).name for name in load_data(path).left_out} == {"none.png", "no\0ne.png"}


def test_the_fingerprint_follows_labels_and_files(listed: Callable[[str], Path]) -> None:
    first = load_data(listed("path,label\n" + rows(["a", "b"] * 15))).fingerprint
    assert load_data(listed("path,label\n\n" + rows(["a", "b"] * 15))).fingerprint == first
    assert load_data(listed("path,label\n" + rows(["b", "a"] * 15))).fingerprint != first
    reading = Reading(task="multi-label")
    assert load_data(listed("path,label\n" + rows(["a", "b"] * 15)), reading=reading).fingerprint != first


@pytest.mark.parametrize(
    ("content", "reading", "words"),
    [
        ("", Reading(), "lists no image"),
        ("path,label\n", Reading(), "lists no image"),
        ("path,path\na,b\n", Reading(), "names a column twice"),
        ("path,label\nimages/x/000.png\n", Reading(), "line 2 has not the 2 cells"),
        ("path,label\nimages/x/000.png,a,b\n", Reading(), "line 2 has not the 2 cells"),
        ("path,label\n" + rows(["a", " "]), Reading(), "line 3 has no value in 'label'"),
        ("path,label\n,a\n", Reading(), "line 2 has no path in 'path'"),
        ("path,label\n" + rows(["a", "b"]) + rows(["b"]), Reading(), "line 4 lists images/x/000.png again, after line 2"),
        ("path,label\n" + rows(["a"] * 9), Reading(), "only one class ('a')"),
        ("p,q\n1,2\n", Reading(), "say which column holds the paths, with --path-column; its columns are p, q"),
        ("path,p,q\na,1,2\n", Reading(), "say which column holds the labels, with --label-column"),
        ("path,label\na,1\n", Reading(label_columns=("lable",)), "Did you mean 'label'?"),
        ("path,p,q\na,1,2\n", Reading(label_columns=("p", "q")), "are for --task regression; name one --label-column"),
        ("path,label\n" + rows(["1", "two"]), Reading(task="regression"), "line 3: --task regression needs numbers"),
        ("path,label\n" + rows(["1", "nan"]), Reading(task="regression"), "not finite"),
        ("path,label\n" + rows(["1"] * 9), Reading(task="regression"), "the same for all training images"),
        ("path,label\n" + rows(["1", "2"]), Reading(task="regression"), "each of the 3 splits needs one"),
        ("path,label\n" + rows([";"] * 9), Reading(), "no label for any training image"),
        ("path,label,split\nimages/x/000.png,a,test\n", Reading(), "none for training"),
        ("path,label,split\na,a,train\nb,b,traim\n", Reading(), "Did you mean 'train'?"),
        ("path,label,split\na,a,train\nc,c,train\nb,b,val\n", Reading(), "that the training images lack: b"),
        ('path,label\n"a,b\n', Reading(), "cannot be read as CSV"),
    ],
)
def test_mistakes_are_told(listed: Callable[[str], Path], content: str, reading: Reading, words: str) -> None:
    with pytest.raises(NasError) as caught:
        load_data(listed(content), reading=reading)
    assert words in str(caught.value)


def test_what_only_csv_files_have_is_refused_elsewhere(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path, {"a": 5, "b": 5})
    with pytest.raises(NasError, match="--path-column names a column of a CSV file"):
        load_data(tmp_path, reading=Reading(path_column="path"))
    with pytest.raises(NasError, match="has one class for each image; for --task regression give a CSV file"):
        load_data("digits", reading=Reading(task="regression"))
    with pytest.raises(NasError, match="unknown task 'segmentation'; legal: classification, multi-label, regression"):
        Reading(task="segmentation")
    (tmp_path / "latin.csv").write_bytes(b"path,label\n\xe9,a\n")
    with pytest.raises(NasError, match="cannot be read as CSV in UTF-8"):
        load_data(tmp_path / "latin.csv")
