"""Data sets as objects in Python: pixels and labels arrive unchanged, whatever form they have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, Subset, TensorDataset

from nas.base.errors import NasError
from nas.data import Reading, load_data
from nas.data.tasks import Classification, MultiLabel, Regression

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 12, 12, 3), dtype=np.uint8)


class Photos(Dataset[Any]):
    """Images in some form, and labels."""

    def __init__(self, labels: list[Any], form: Callable[[np.ndarray], Any] = Image.fromarray, **named: Any) -> None:
        self.each, self.form = labels, form
        self.read = 0
        for name, value in named.items():
            setattr(self, name, value)

    def __len__(self) -> int:
        return len(self.each)

    def __getitem__(self, index: int) -> Any:
        self.read += 1
        return self.form(PIXELS[index]), self.each[index]


def everything(data: Any) -> dict[bytes, Any]:
    found = {}
    for split in (data.train, data.validation, data.test):
        for image, label in zip(split.images(np.arange(len(split))), split.labels.tolist(), strict=True):
            found[image.permute(1, 2, 0).numpy().tobytes()] = label
    return found


FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "picture": Image.fromarray,
    "array": lambda pixels: pixels,
    "tensor": lambda pixels: torch.from_numpy(pixels).permute(2, 0, 1),
    "floating": lambda pixels: torch.from_numpy(pixels).permute(2, 0, 1) / 255,
    "alpha": lambda pixels: Image.fromarray(pixels).convert("RGBA"),
}


@pytest.mark.parametrize("form", FORMS)
def test_pixels_and_classes_arrive(form: str) -> None:
    data = load_data(Photos([number % 2 for number in range(40)], FORMS[form]))
    assert data.task == Classification(("0", "1")) and data.name == "Photos" and data.resolution == 12
    assert everything(data) == {PIXELS[number].tobytes(): number % 2 for number in range(40)}


def test_grey_images_have_one_channel() -> None:
    data = load_data(TensorDataset(torch.rand(20, 1, 8, 8), torch.arange(20) % 2))
    assert data.channels == 1 and data.classes == ("0", "1")


def test_classes_have_names_where_the_data_set_has() -> None:
    data = load_data(Photos([1, 0] * 20, classes=["dog", "cat"]))
    assert data.classes == ("dog", "cat")
    assert load_data(Photos(["cat", "dog"] * 20)).classes == ("cat", "dog")
    for unusable in (2, None, "ab", ["a", "a"]):
        assert load_data(Photos([1, 0] * 20, classes=unusable)).classes == ("0", "1")
    assert load_data([({"image": Image.fromarray(PIXELS[n]), "label": n % 2}) for n in range(40)]).classes == ("0", "1")


def test_labels_that_are_listed_need_no_decoding() -> None:
    labels = [number % 2 for number in range(40)]
    listed, plain, wrong = Photos(labels, targets=labels), Photos(labels), Photos(labels, targets=[0] * 40)
    assert everything(load_data(plain)) == everything(load_data(listed))
    assert listed.read <= plain.read - 40 + 3
    assert everything(load_data(wrong)) == everything(load_data(listed)), "a list that items contradict is not believed"


def test_splits_are_given_as_a_tuple() -> None:
    whole = Photos([number % 2 for number in range(40)])
    parts = (Subset(whole, range(20)), Subset(whole, range(20, 30)), Subset(whole, range(30, 40)))
    data = load_data(parts)
    assert [len(split) for split in (data.train, data.validation, data.test)] == [20, 10, 10] and data.name == "Photos"
    assert [len(split) for split in (load_data(parts[:2]).train, load_data(parts[:2]).test)] == [16, 4]


def test_several_labels_and_numbers() -> None:
    hot = torch.eye(3)[[0, 1, 2, 0] * 10]
    hot[0] = 1
    named = load_data(Photos([["a", "b"], ["b"], [], ["c"]] * 10))
    assert named.task == MultiLabel(("a", "b", "c"))
    vectors = load_data(Photos(list(hot), classes=["x", "y", "z"]))
    assert vectors.task == MultiLabel(("x", "y", "z"))
    assert everything(vectors)[PIXELS[0].tobytes()] == [1, 1, 1]
    one_each = load_data(Photos(["cat", "dog"] * 20), reading=Reading(task="multi-label"))
    assert one_each.task == MultiLabel(("cat", "dog"))
    numbers = load_data(Photos([number / 10 for number in range(40)]), reading=Reading(task="regression"))
    assert isinstance(numbers.task, Regression)
    assert everything(numbers)[PIXELS[7].tobytes()][0] * numbers.task.std[0] + numbers.task.mean[0] == pytest.approx(0.7)


def test_the_same_data_are_recognised() -> None:
    labels = [number % 2 for number in range(40)]
    first = load_data(Photos(labels)).fingerprint
    assert load_data(Photos(labels)).fingerprint == first
    assert load_data(Photos(labels[::-1])).fingerprint != first
    assert load_data(Photos(labels, lambda pixels: Image.fromarray(255 - pixels))).fingerprint != first


def test_images_that_cannot_be_read_are_left_out() -> None:
    def broken(pixels: np.ndarray) -> Any:
        if (pixels == PIXELS[5]).all():
            raise OSError("bad disk")
        return Image.fromarray(pixels)

    data = load_data(Photos([n % 2 for n in range(40)], broken, targets=[n % 2 for n in range(40)]))
    assert data.left_out == {"item 5 of the train data set": "OSError: bad disk"}
    assert len(everything(data)) == 39


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (7, "data cannot be a int; legal: a torch.utils.data.Dataset"),
        ({"a": 1}, "data cannot be a dict"),
        ([], "the data set is empty"),
        ([3], "an item of the data set is a int"),
        ([{"picture": 1}], "has the keys picture"),
        ((), "a tuple of 0 data sets"),
        (([1],) * 4, "a tuple of 4 data sets"),
        (Photos([0.5] * 40), "say task='regression'"),
        (Photos([None] * 40), "of the type NoneType"),
        (Photos([-1, 0] * 20), "does not suit the task 'classification': -1"),
        (Photos([0, 3] * 20, classes=["a", "b"]), "does not suit the task 'classification': 3"),
        (Photos([0, float("inf")] * 20), "does not suit the task 'classification': inf"),
        (Photos(list(torch.full((40, 2), 2))), "a vector of labels holds 0 and 1"),
        (Photos([0, 1] * 20, lambda pixels: pixels / 100), "floating pixels are from 0 to 1"),
        (Photos([0, 1] * 20, lambda pixels: pixels[:, :, :2]), "an array is (H, W) or (H, W, C)"),
        (Photos([0, 1] * 20, lambda pixels: "cat.jpg"), "not a str"),
    ],
)
def test_mistakes_are_told(source: Any, words: str) -> None:
    with pytest.raises(NasError) as caught:
        load_data(source)
    assert words in str(caught.value)


def test_images_that_change_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(NasError, match=r"item \d of the train data set changes each time it is read"):
        load_data(Photos([0, 1] * 20, lambda pixels: Image.fromarray(np.roll(pixels, rng.integers(1, 12)))))


def unreadable(pixels: np.ndarray) -> Any:
    raise OSError("bad disk")


def test_labels_that_cannot_be_read_are_told() -> None:
    with pytest.raises(NasError, match=r"item 0 of the data set, and so its label, cannot be read .OSError: bad disk"):
        load_data(Photos([0, 1] * 20, unreadable))
    with pytest.raises(NasError, match=r"cannot be decoded as an image .OSError: bad disk"):
        load_data(Photos([0, 1] * 20, unreadable, targets=[0, 1] * 20))
    with pytest.raises(NasError, match="images with 1 and with 2 targets"):
        load_data(Photos([[1.0], [1.0, 2.0]] * 20), reading=Reading(task="regression"))


def test_parts_of_a_data_set_have_its_names_and_list() -> None:
    whole = Photos([1, 0] * 20, classes=["dog", "cat"], targets=[1, 0] * 20)
    data = load_data(Subset(whole, range(5, 35)))
    assert data.classes == ("dog", "cat")
    assert everything(data) == {PIXELS[number].tobytes(): (1, 0)[number % 2] for number in range(5, 35)}
