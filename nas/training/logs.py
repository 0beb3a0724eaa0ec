"""Where the figures of every step go, for whoever wants to look at curves."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from nas.base.errors import NasError

FIGURES = ("loss", "learning_rate", "images_per_second")
"""What the loop tells of every step."""


class Log(Protocol):
    """Receives the figures of every step of one training."""

    def begin(self, done: int) -> None:
        """So many steps are done; those after them will come, for a second time where an earlier process was killed."""

    def step(self, step: int, figures: Mapping[str, float]) -> None:
        """The `FIGURES` of a step, counted from 1."""

    def flush(self) -> None:
        """Make sure that what was told survives; called before every checkpoint, from which a killed training goes on."""

    def close(self) -> None:
        """The training is over, or breaks off."""


class NoLog:
    """Keeps nothing."""

    def begin(self, done: int) -> None:
        """Ignore the start."""

    def step(self, step: int, figures: Mapping[str, float]) -> None:
        """Ignore the step."""

    def flush(self) -> None:
        """Nothing to write."""

    def close(self) -> None:
        """Nothing to close."""


class TensorBoardLog:
    """Event files for TensorBoard, as `training/loss` and so on. A resumed training adds a file, whose beginning tells
    TensorBoard to forget what earlier files say of the steps that are done again.

    Args:
        folder: where the files go.
    """

    def __init__(self, folder: Path) -> None:
        require_log("tensorboard")
        self._folder = folder
        self._writer: Any = None

    def begin(self, done: int) -> None:
        """Open a file."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(self._folder), purge_step=done + 1 if done else None)

    def step(self, step: int, figures: Mapping[str, float]) -> None:
        """One scalar for each figure."""
        for name, value in figures.items():
            self._writer.add_scalar(f"training/{name}", value, step)

    def flush(self) -> None:
        """Write what is buffered."""
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


def require_log(name: str) -> None:
    """Raise NasError unless what a log needs is installed; the error says how to install it."""
    if name == "tensorboard" and find_spec("tensorboard") is None:
        raise NasError(
            "--log tensorboard needs TensorBoard, which is not installed here; install it with: pip install 'nas-toolkit[log]'"
        )


def open_log(name: str, folder: Path) -> Log:
    """The log of that name ('none' or 'tensorboard'), with its files in a folder."""
    return TensorBoardLog(folder) if name == "tensorboard" else NoLog()
