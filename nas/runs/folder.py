"""The folder of a run: its files, and the lock that keeps two processes apart."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from nas.base.errors import NasError
from nas.base.files import write_error

PATIENCE = 0.5
"""Seconds for which a held run is waited for: whoever asks whether it is held has it for less."""


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def checkpoint(self) -> Path:
        """Training state, while training goes on."""
        return self.path / "checkpoint.safetensors"

    @property
    def logs(self) -> Path:
        """Event files for TensorBoard, where asked for."""
        return self.path / "logs"

    @property
    def supernet(self) -> Path:
        """The trained supernet: a folder of its own, which other searches can use."""
        return self.path / "supernet"

    @property
    def candidates(self) -> Path:
        """Where candidates are trained one by one: the one in training, and the best so far."""
        return self.path / "candidates"

    @property
    def study(self) -> Path:
        """Every evaluation, as Optuna studies in one journal."""
        return self.path / "study.journal"

    @property
    def proxies(self) -> Path:
        """Scores of untrained networks by zero-cost proxies, where a search asks for them."""
        return self.path / "proxies.jsonl"

    @property
    def winner(self) -> Path:
        """The best architecture."""
        return self.path / "winner.json"

    @property
    def weights(self) -> Path:
        """The winner's weights, with the names of its plain torch module."""
        return self.path / "weights.safetensors"

    @property
    def onnx(self) -> Path:
        """The winner as ONNX."""
        return self.path / "model.onnx"

    @property
    def model(self) -> Path:
        """The winner as Python source that needs torch alone."""
        return self.path / "model.py"

    @property
    def preprocessing(self) -> Path:
        """What pictures must become before the network sees them, for formats that hold no texts."""
        return self.path / "preprocessing.json"

    @property
    def card(self) -> Path:
        """What the network is, for whoever is to use it."""
        return self.path / "model_card.md"

    @property
    def results(self) -> Path:
        """All figures, for machines; written last, so its presence means that the run is complete."""
        return self.path / "results.json"

    @property
    def explanation(self) -> Path:
        """What mattered in the search, once somebody has asked."""
        return self.path / "explanation.json"

    @property
    def report(self) -> Path:
        """The same as one page to look at."""
        return self.path / "report.html"

    @property
    def readme(self) -> Path:
        """The same for people."""
        return self.path / "README.md"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run alone. The lock vanishes with its process, however that ends.

        Raises:
            NasError: another process holds it.
        """
        try:
            lock = FileLock(self.path / ".lock")
            with lock.acquire(timeout=PATIENCE, poll_interval=PATIENCE / 10):
                yield
        except Timeout as error:
            raise NasError(f"run {self.path} is in use by another process; wait for it, or stop it first") from error
        except PermissionError as error:
            raise write_error(self.path / ".lock", error) from error

    @property
    def is_held(self) -> bool:
        """Whether some process works on the run now. Asking takes a moment, for which `locked` waits."""
        import fcntl

        try:
            with (self.path / ".lock").open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


def create_folder(out: str | Path | None, name: str) -> RunFolder:
    """A new empty folder: the one asked for, or the next free number under `runs/`.

    Raises:
        NasError: the folder exists and holds something, or cannot be made.
    """
    if out is not None:
        return given_folder(Path(out))
    base = Path("runs")
    try:
        base.mkdir(exist_ok=True)
    except OSError as error:
        raise write_error(base, error) from error
    word = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")
    return numbered_folder(base, lambda number: f"{word}-{number:03d}")


def given_folder(path: Path) -> RunFolder:
    """The folder that was asked for, new or empty.

    What a process left that was killed before it had written a first file does not count: the same command begins anew.

    Raises:
        NasError: it holds something, or cannot be made.
    """
    try:
        if path.exists() and (not path.is_dir() or not all(map(_left_behind, path.iterdir()))):
            raise NasError(f"{path} exists already; name another folder with --out, or go on with that run: nas resume {path}")
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from error
    return RunFolder(path)


def numbered_folder(base: Path, name: Callable[[int], str]) -> RunFolder:
    """A new folder in another one, by the name of the first number from 1 that is not taken. Raises NasError where none can be
    made."""
    numbers = itertools.count(1)
    while True:
        path = base / name(next(numbers))
        try:
            path.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise write_error(path, error) from error
        return RunFolder(path)


def _left_behind(path: Path) -> bool:
    """Whether a file is the lock, or the beginning of a file that a killed process was writing."""
    return path.name == ".lock" or (path.name.startswith(".") and path.name.endswith(".part"))
