"""Data sets that are given as objects in Python: anything with a length whose items are an image and a label."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from nas.base.errors import NasError
from nas.data.encoded import encoded
from nas.data.labelling import labelled
from nas.data.reading import Reading
from nas.data.sources import SPLITS, Found
from nas.data.tasks import LearningTask

GIVEN = "given in Python: "
"""Before the name of a data set that was passed as an object and cannot be read again by a name."""

PROBED = 64
"""Images of each part by whose pixels a data set is recognised."""

LEGAL = (
    "legal: a torch.utils.data.Dataset with a length whose items are (image, label) or {'image': ..., 'label': ...}, or a "
    "tuple of up to three of them for training, validation and test"
)


class Items:
    """The images of a data set as encoded pictures."""

    def __init__(self, dataset: Any, part: str) -> None:
        self._dataset, self._part = dataset, part
        self._lock = threading.Lock()  # nothing is known of the data set's own care for threads

    def __len__(self) -> int:
        return len(self._dataset)

    def read(self, index: int) -> bytes:
        """One image, without loss; what is wrong with it is an error of the image."""
        with self._lock:
            image = image_and_label(self._dataset[index])[0]
        return encoded(image)

    def where(self, index: int) -> str:
        """Which item it is."""
        return f"item {index} of the {self._part} data set"


def name_of(source: Any) -> str:
    """What to call a data set: its class, or that of the data set that it is a part of."""
    return type(_whole(source[0] if isinstance(source, tuple) and source else source)).__name__


def read_given(source: Any, reading: Reading, known: LearningTask | None = None) -> Found:
    """The parts of a data set, and their labels.

    Labels are integers or texts (classes), sequences of them or vectors of 0 and 1 (multi-label), or numbers (regression).

    Args:
        known: the task of a network that the images are for.

    Raises:
        NasError: it is nothing of the kind, its images change from one reading to the next, or its labels make no task.
    """
    datasets = dict(zip(SPLITS, source, strict=False)) if isinstance(source, tuple) else {"train": source}
    if not 1 <= len(source if isinstance(source, tuple) else datasets) <= len(SPLITS):
        raise NasError(f"a tuple of {len(source)} data sets was given; {LEGAL}")
    for dataset in datasets.values():
        _require_items(dataset)
    name = f"the data set {name_of(source)}"
    labels = {part: [_plain(label) for label in _labels(dataset)] for part, dataset in datasets.items()}
    pictures = {part: Items(dataset, part) for part, dataset in datasets.items()}
    identity = [f"{part} {_digest(items)}" for part, items in pictures.items()]
    kind = known.kind if known is not None else reading.task or _kind(name, labels["train"][0])
    named = _class_names(_whole(datasets["train"])) if kind != "regression" else []
    written = {part: [_written(name, label, kind, named) for label in found] for part, found in labels.items()}
    return labelled(name, kind, written, pictures, (kind, *identity), named, known=known)


def image_and_label(item: Any) -> tuple[Any, Any]:
    """The two parts of an item. Raises NasError for an item of another form."""
    if isinstance(item, Mapping):
        images = [item[key] for key in ("image", "img", "pixel_values") if key in item]
        labels = [item[key] for key in ("label", "labels", "target", "targets") if key in item]
        if images and labels:
            return images[0], labels[0]
        raise NasError(f"an item of the data set has the keys {', '.join(map(str, item))}; {LEGAL}")
    if isinstance(item, tuple | list) and len(item) >= 2:
        return item[0], item[1]
    raise NasError(f"an item of the data set is a {type(item).__name__}; {LEGAL}")


def _require_items(dataset: Any) -> None:
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")) or isinstance(dataset, str | bytes | Mapping):
        raise NasError(f"data cannot be a {type(dataset).__name__}; {LEGAL}")
    if not len(dataset):
        raise NasError("the data set is empty; give one with images")


def _is_subset(dataset: Any) -> bool:
    """Whether it is a part of another data set, as `torch.utils.data.Subset` is."""
    return hasattr(dataset, "dataset") and hasattr(dataset, "indices")


def _whole(dataset: Any) -> Any:
    """The data set that another one is a part of, or itself."""
    return _whole(dataset.dataset) if _is_subset(dataset) else dataset


def _listed(dataset: Any, name: str) -> Sequence[Any] | None:
    """The data set's own list of labels."""
    if _is_subset(dataset):
        inner = _listed(dataset.dataset, name)
        return None if inner is None else [inner[index] for index in dataset.indices]
    found = getattr(dataset, name, None)
    usable = isinstance(found, list | tuple | np.ndarray | torch.Tensor) and len(found) == len(dataset)
    return found if usable else None


def _class_names(dataset: Any) -> list[str]:
    """The names that a data set has for the numbers of its classes; none where it does not say them, each once."""
    found = getattr(dataset, "classes", None)
    names = [str(one) for one in found] if isinstance(found, Iterable) and not isinstance(found, str) else []
    return names if len(set(names)) == len(names) else []


def _label(dataset: Any, place: int) -> Any:
    """The label of an item. Raises NasError where the item cannot be read."""
    try:
        item = dataset[place]
    except Exception as error:  # a data set is its owner's code, which may fail in any way
        raise NasError(
            f"item {place} of the data set, and so its label, cannot be read ({type(error).__name__}: {error}); leave the item "
            "out, or give the data set a list of all labels as its attribute 'targets'"
        ) from error
    return image_and_label(item)[1]


def _labels(dataset: Any) -> Sequence[Any]:
    """All labels: the data set's own list where it has one that its items agree with, for items have to be decoded."""
    count = len(dataset)
    for name in ("targets", "labels"):
        found = _listed(dataset, name)
        if found is not None and all(_agrees(dataset, place, found[place]) for place in (0, count // 2, count - 1)):
            return found
    return [_label(dataset, place) for place in range(count)]


def _agrees(dataset: Any, place: int, label: Any) -> bool:
    """Whether an item has the label that is listed for it; what cannot be read contradicts nothing."""
    try:
        item = dataset[place]
    except Exception:  # as above; images that cannot be read are told later, all together
        return True
    try:
        return bool(_plain(image_and_label(item)[1]) == _plain(label))
    except (TypeError, ValueError, RuntimeError):  # labels of kinds that cannot be compared
        return False


def _plain(label: Any) -> Any:
    """A label as Python's own; vectors of tensors and arrays as tuples, so that they differ from lists of labels."""
    if isinstance(label, torch.Tensor | np.ndarray | np.generic):
        found = label.tolist()
        return tuple(found) if isinstance(found, list) else found
    return label


def _kind(name: str, label: Any) -> str:
    if isinstance(label, list | tuple | set | frozenset):
        return "multi-label"
    if isinstance(label, str | int):
        return "classification"
    if isinstance(label, float):
        raise NasError(f"the labels of {name} are numbers such as {label:g}; say task='regression', or give whole numbers")
    raise NasError(f"the labels of {name} are of the type {type(label).__name__}; legal: numbers, texts, and sequences of them")


def _written(name: str, label: Any, kind: str, named: Sequence[str]) -> Any:
    """A label as `labelled` takes it."""
    try:
        if kind == "regression":
            return [float(one) for one in label] if isinstance(label, list | tuple) else [float(label)]
        if kind == "classification":
            return _name(label, named)
        if isinstance(label, str):
            return [label]
        if isinstance(label, tuple):  # a vector of 0 and 1
            if not set(label) <= {0, 1}:
                raise ValueError(f"a vector of labels holds 0 and 1; given {label}")
            return [_name(place, named) for place, present in enumerate(label) if present]
        return [_name(one, named) for one in label]
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        raise NasError(f"a label of {name} does not suit the task '{kind}': {label!r} ({error})") from error


def _name(label: Any, named: Sequence[str]) -> str:
    """The name of a class that is told by its number or its name."""
    if isinstance(label, str):
        return label
    if int(label) != label or label < 0:
        raise ValueError("a class is a text or a whole number from 0")
    return named[int(label)] if named else str(int(label))


def _digest(items: Items) -> str:
    """Of some images, spread evenly. Raises NasError where an image is not the same when it is read again."""
    digest = hashlib.sha256(str(len(items)).encode())
    count = min(PROBED, len(items))
    for place, index in enumerate(np.arange(count) * len(items) // count):
        try:
            content = items.read(int(index))
            again = content if place >= 3 else items.read(int(index))
        except Exception as error:  # told later, with the others that cannot be decoded
            content = again = type(error).__name__.encode()
        if content != again:
            raise NasError(
                f"{items.where(int(index))} changes each time it is read; give the data set without random augmentation, which "
                "the search adds itself"
            )
        digest.update(content)
    return digest.hexdigest()
