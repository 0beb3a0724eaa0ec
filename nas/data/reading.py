"""How a source of images is to be read where it does not say so itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from nas.base.errors import NasError, unknown
from nas.data.tasks import KINDS, LearningTask


@dataclass(frozen=True)
class Reading:
    """What was asked of the reading; what is None is found out.

    Attributes:
        path_column: of a CSV file: the column of the images' paths.
        label_columns: of a CSV file: the column of the labels; several columns of numbers for a regression.
        task: 'classification', 'multi-label' or 'regression'.
    """

    path_column: str | None = None
    label_columns: tuple[str, ...] = ()
    task: str | None = None

    def __post_init__(self) -> None:
        """Raises NasError for a task that there is not."""
        object.__setattr__(self, "label_columns", tuple(self.label_columns))
        if self.task is not None and self.task not in KINDS:
            raise unknown("task", self.task, KINDS)

    def require_classes(self, source: object) -> None:
        """Raise NasError where something is asked that class folders and Parquet files do not have."""
        asked = "--path-column" if self.path_column else "--label-column" if self.label_columns else None
        if asked is not None:
            raise NasError(f"{asked} names a column of a CSV file, and {source} is none; leave it out")
        if self.task not in (None, "classification"):
            raise NasError(
                f"{source} has one class for each image; for --task {self.task} give a CSV file of paths and labels, such as "
                "--data labels.csv"
            )

    def to_json(self) -> dict[str, Any]:
        """For a manifest."""
        return {**asdict(self), "label_columns": list(self.label_columns)}


@dataclass(frozen=True)
class Learned:
    """What a network has learned, where images are read for it.

    Attributes:
        task: with the names in the order of its scores.
        reading: how the data that it was trained on were read.
    """

    task: LearningTask
    reading: Reading
