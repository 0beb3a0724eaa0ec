"""The work that is killed in the study of reliability, and what must be true of it afterwards."""

from __future__ import annotations

import shutil
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

import nas.training.loop
from nas import jobs
from nas.base.files import read_json
from nas.measuring import Request, read_plan, read_timings
from nas.runs import RunFolder
from nas.searching import Evaluator
from nas.searching.study import read_trials
from nas.supernet import open_space

SPACE = '''
"""A small network of nine thousand architectures."""

import torch
from torch import nn

import nas
from nas.elastic import ElasticConv2d, ElasticLinear


class Small(nn.Module):
    task = nas.Task(1, 8, 10)

    def __init__(self, task):
        super().__init__()
        widths = [nas.Choice(f"width{place}", (4, 8, 12, 16)) for place in range(4)]
        kernels = [nas.Choice(f"kernel{place}", (1, 3, 5)) for place in range(3)]
        before = [task.channels, *widths]
        sizes = [3, *kernels]
        self.layers = nn.ModuleList(ElasticConv2d(before[place], widths[place], sizes[place]) for place in range(4))
        self.head = ElasticLinear(widths[-1], task.classes)

    def forward(self, images):
        for layer in self.layers:
            images = torch.relu(layer(images))
        return self.head(images.mean((2, 3)))
'''

Trials = list[tuple[list[int], dict[str, float], str | None]]


class Work(ABC):
    """Something that can be begun, killed, and gone on with.

    Attributes:
        name: in the results.
        space: of the network.
    """

    name: str

    def __init__(self, space: str) -> None:
        self.space = space

    @abstractmethod
    def run(self, folder: Path) -> None:
        """Begin, or go on with, all of it: what a user types again after a kill."""

    @abstractmethod
    def phase(self, folder: Path) -> str:
        """What is being done, as far as the files tell."""

    @abstractmethod
    def faults(self, whole: Path, folder: Path) -> list[str]:
        """In what finished work differs from the same that was never interrupted."""

    def recorded(self, folder: Path) -> list[Any]:
        """What is written down so far and may never be lost or made again."""
        return []

    def made(self, folder: Path) -> list[Any]:
        """What was begun so far, in its order."""
        return []


class Search(Work):
    """Training, searching, exporting: `nas search`, then `nas resume`."""

    name = "search"

    def run(self, folder: Path) -> None:
        """See `Work`."""
        torch.set_num_threads(1)
        nas.training.loop.CHECKPOINT_SECONDS = 0.05
        original = Evaluator.__call__

        def logged(evaluator: Evaluator, row: np.ndarray, fidelity: float = 1.0) -> dict[str, float]:
            with self._log(folder).open("a") as file:
                file.write(row.tobytes().hex() + "\n")
            return original(evaluator, row, fidelity)

        Evaluator.__call__ = logged  # type: ignore[method-assign]
        if (folder / "manifest.json").exists():
            jobs.resume(folder)
            return
        options = {"steps": 120, "evaluations": 40, "strategy": "aging", "strategy_options": {"population": 10, "sample": 3}}
        jobs.search(self.space, ["macs<=200k"], out=folder, resolution=8, compute="cpu", validation_images=300, **options)

    def phase(self, folder: Path) -> str:
        """See `Work`."""
        if (folder / "results.json").exists():
            return "finished"
        if (folder / "model.py").exists():
            return "exporting"
        if (folder / "study.journal").exists():
            return "searching"
        return "training" if (folder / "manifest.json").exists() else "beginning"

    def recorded(self, folder: Path) -> list[str]:
        """See `Work`."""
        return [bytes(row).hex() for row, _, failure in self._trials(folder) if failure is None]

    def made(self, folder: Path) -> list[str]:
        """See `Work`."""
        log = self._log(folder)
        return log.read_text().splitlines() if log.exists() else []

    def faults(self, whole: Path, folder: Path) -> list[str]:
        """See `Work`."""
        found = []
        if self._trials(whole) != self._trials(folder):
            found.append("the study differs")
        for name in ("supernet/weights.safetensors", "weights.safetensors"):
            one, other = load_file(whole / name), load_file(folder / name)
            if one.keys() != other.keys() or not all(torch.equal(one[key], other[key]) for key in one):
                found.append(f"{name} differs")
        if (whole / "model.py").read_bytes() != (folder / "model.py").read_bytes():
            found.append("model.py differs")
        winners = [read_json(place / "results.json", "results")["winner"] for place in (whole, folder)]
        if winners[0] != winners[1]:
            found.append("the winner differs")
        left = [path.name for path in folder.iterdir() if path.name.endswith(".part")]
        if len(left) > 20:
            found.append(f"{len(left)} parts of files are left")
        return found

    @staticmethod
    def _log(folder: Path) -> Path:
        return folder.with_name(f"{folder.name}.evaluated")

    def _trials(self, folder: Path) -> Trials:
        """Every trial of every study; of a copy, since reading mends what a kill left."""
        study = RunFolder(folder).study
        if not study.exists():
            return []
        with tempfile.TemporaryDirectory() as place:
            copy = Path(place) / "study.journal"
            content = study.read_bytes()
            copy.write_bytes(content[: content.rfind(b"\n") + 1])
            if not copy.stat().st_size:
                return []
            trials = read_trials(copy, open_space(self.space))
        return [(trial.row.tolist(), dict(trial.metrics), trial.failure) for trial in trials]


class Export(Work):
    """`nas export` of a finished run into another folder, and again."""

    name = "export"

    def __init__(self, space: str, finished: Path) -> None:
        super().__init__(space)
        self.finished = finished

    def run(self, folder: Path) -> None:
        """See `Work`."""
        torch.set_num_threads(1)
        jobs.export(self.finished, folder)

    def phase(self, folder: Path) -> str:
        """See `Work`."""
        return "finished" if (folder / "model.onnx").exists() else "exporting"

    def faults(self, whole: Path, folder: Path) -> list[str]:
        """See `Work`."""
        names = ("model.py", "weights.safetensors", "model.onnx")
        return [f"{name} differs" for name in names if (whole / name).read_bytes() != (folder / name).read_bytes()]


class Measure(Work):
    """`nas measure` on this machine, and again."""

    name = "measure"

    def run(self, folder: Path) -> None:
        """See `Work`."""
        from nas.jobs.measuring import measure

        torch.set_num_threads(1)
        measure(self.space, "reliability", Request("onnxruntime", None, 1, 1, None, None, 2, 0, 2), folder)

    def phase(self, folder: Path) -> str:
        """See `Work`."""
        if (folder / "reliability.json").exists():
            return "finished"
        return "measuring" if (folder / "timings.jsonl").exists() else "preparing"

    def recorded(self, folder: Path) -> list[str]:
        """See `Work`."""
        path = folder / "timings.jsonl"
        content = path.read_bytes() if path.exists() else b""
        return content[: content.rfind(b"\n") + 1].decode().splitlines()

    def faults(self, whole: Path, folder: Path) -> list[str]:
        """See `Work`. Timings differ from one measurement to the next: what was timed does not."""
        plans = [read_plan(place) for place in (whole, folder)]
        found = []
        if [model.name for model in plans[0].models] != [model.name for model in plans[1].models]:
            found.append("other models were measured")
        if not read_timings(folder, plans[1]).finished:
            found.append("the timings are not finished")
        tables = [read_json(place / "reliability.json", "table") for place in (whole, folder)]
        if [one["key"] for one in tables[0]["operators"]] != [one["key"] for one in tables[1]["operators"]]:
            found.append("the table has other operators")
        return found


def write_space(folder: Path) -> str:
    """The space as a file; returns how it is named."""
    path = folder / "small_space.py"
    path.write_text(SPACE)
    return f"{path}:Small"


def cleared(folder: Path) -> Path:
    """A folder that does not exist, nor what lies beside it."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in folder.parent.glob(f"{folder.name}.*"):
        path.unlink()
    return folder
