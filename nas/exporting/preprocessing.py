"""What must be done to a picture before a network sees it, and what its scores mean: written into or beside every file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.base.files import read_json, write_json
from nas.base.json_text import parsed
from nas.data.tasks import LearningTask, task_in

FILE = "preprocessing.json"
"""Beside files of formats that hold no texts of their own."""

RESIZE = "shorter side to the input's by bilinear interpolation with antialiasing, then the centre"
INPUT = "pixels scaled to [0, 1], minus mean, divided by std, per channel"


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes an input, and what the scores mean.

    Attributes:
        task: with the names of classes, labels or columns in the order of the scores.
        input_shape: (C, H, W); 1 channel is grey, 3 are red, green, blue.
        mean, std: of each channel, of pixels scaled to [0, 1].
        data: of the data trained on: name, fingerprint, resolution, the seed of its splits, and how a CSV file was read.
    """

    task: LearningTask
    input_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    data: Mapping[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the scores: classes, labels, or columns of numbers."""
        return self.task.names

    def to_json(self) -> dict[str, Any]:
        """For a file beside the network, and for the texts inside an ONNX file."""
        return {
            "classes": list(self.classes),
            **self.task.describe(),
            "output": self.task.meaning,
            "input_shape": ["batch", *self.input_shape],
            "mean": list(self.mean),
            "std": list(self.std),
            "input": INPUT,
            "resize": RESIZE,
            "colour": "grey" if self.input_shape[0] == 1 else "red, green, blue",
            "trained_on": dict(self.data),
        }

    @staticmethod
    def from_json(content: Any, where: Path) -> Preprocessing:
        """What `to_json` made. Raises NasError for anything else."""
        try:
            shape = tuple(int(size) for size in content["input_shape"][1:])
            found = Preprocessing(
                task=task_in(content, tuple(str(name) for name in content["classes"])),
                input_shape=shape,  # type: ignore[arg-type]  # its length is looked at below
                mean=tuple(float(value) for value in content["mean"]),
                std=tuple(float(value) for value in content["std"]),
                data=dict(content.get("trained_on", {})),
            )
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, NasError) as error:
            raise NasError(
                f"{where} does not say how pictures are to be prepared ({type(error).__name__}: {error}); export the network "
                "again with: nas export RUN"
            ) from error
        channels = len(found.mean)
        sound = len(shape) == 3 and shape[0] == channels == len(found.std) and channels in (1, 3) and shape[1] == shape[2] > 0
        if not sound or not found.classes or not all(deviation > 0 for deviation in found.std):
            raise NasError(
                f"{where} says that pictures have the shape {shape}, mean {found.mean} and deviation {found.std} for "
                f"{len(found.classes)} {found.task.nouns}, which do not fit together; export the network again with: nas "
                "export RUN"
            )
        return found

    def write(self, folder: Path) -> None:
        """Put it beside the files of a folder."""
        write_json(folder / FILE, self.to_json())


def preprocessing_of(path: Path) -> Preprocessing:
    """That of an exported file: what an ONNX file says of itself, else what lies beside it.

    Raises:
        NasError: neither says it.
    """
    if path.suffix == ".onnx":
        return Preprocessing.from_json(_texts(path), path)
    beside = path.parent / FILE
    if not beside.exists():
        raise NasError(
            f"{path} says nothing of how pictures are to be prepared, and there is no {FILE} beside it; keep the two together, "
            "or export the network again with: nas export RUN"
        )
    return Preprocessing.from_json(read_json(beside, "description of the input"), beside)


def _texts(path: Path) -> dict[str, Any]:
    """The texts in an ONNX file, those in JSON read."""
    import onnx

    try:
        entries = onnx.load(path, load_external_data=False).metadata_props
    except Exception as error:  # the parser's own kinds of errors
        raise NasError(f"{path} cannot be read as ONNX: {type(error).__name__}") from error
    found: dict[str, Any] = {}
    for entry in entries:
        try:
            found[entry.key] = parsed(entry.value)
        except ValueError:
            found[entry.key] = entry.value
    return found
