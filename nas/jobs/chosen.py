"""One network that a command is about: a run's winner, or an architecture of a space."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import fx

from nas.architectures import Architecture
from nas.base.errors import NasError, unknown
from nas.base.files import read_json
from nas.drawing import Block, blocks, module_classes
from nas.elastic import Walk
from nas.jobs.run import Run
from nas.runs import named_space
from nas.runs.manifest import MANIFEST
from nas.runs.named import names_a_part
from nas.supernet import SeparateSpace, Space, Supernet, Task
from nas.supernet.extract import without_resize

EXTREMES = ("smallest", "largest")
"""Architectures that every space has by name."""


@dataclass(frozen=True)
class Chosen:
    """An architecture of a space, at a task.

    Attributes:
        run: whose winner or task it is; None for one of a space.
    """

    space: Space
    task: Task
    name: str
    architecture: Architecture
    run: Run | None = None

    @property
    def row(self) -> np.ndarray:
        """The architecture as integers (D,)."""
        found: np.ndarray = self.space.encode([self.architecture])[0]
        return found

    @property
    def codes(self) -> dict[str, int]:
        """Option index of every decision."""
        return {name: int(code) for name, code in zip(self.space.decisions.names, self.row, strict=True)}

    def blocks(self, walk: Walk, task: Task) -> list[Block]:
        """The blocks that `nas draw` shows of it, of a walk at a task."""
        return blocks(walk, module_classes(self.space, task, self.row), self.codes)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images that the network works on."""
        return self.space.input_shape(self.architecture, self.task)

    def shapes_alone(self) -> fx.GraphModule:
        """The network without memory for its weights, in evaluation mode; it takes images of `input_shape`."""
        with torch.device("meta"):
            if isinstance(self.space, SeparateSpace):
                network = self.space.build_row(self.row, self.task)
            else:
                definition = self.space.without_memory(self.task)
                network = Supernet(self.space, definition, self.task).extract(self.architecture)
        return without_resize(network.eval())


def chosen(target: str | Path, architecture: str | None = None, space: Space | None = None) -> Chosen:
    """The network that a target and an architecture name.

    Args:
        target: a space by name, 'RUN:top3' among them, or the folder of a finished run.
        architecture: a known network, 'smallest', 'largest', or a JSON file with an architecture, such as a winner.json. By
            default a run's winner, else the space's first known network, else the largest.
        space: for a run of a space that only exists as an object: the same again.

    Raises:
        NasError: no such space, run or architecture.
    """
    if (Path(target) / MANIFEST).exists():
        run = Run(target, space)
        task = Task(**run.manifest.plan["deployed_at"])
        if architecture is None:
            return Chosen(run.space, task, f"winner of {target}", run.winner, run)
        return Chosen(run.space, task, *choose(run.space, architecture), run)
    if "/" in str(target) and ".py" not in str(target) and not names_a_part(str(target)):
        raise NasError(f"{target} is no run: {Path(target) / MANIFEST} does not exist; give a run's folder or a space's name")
    found = named_space(str(target))
    return Chosen(found, found.task, *choose(found, architecture))


def choose(space: Space, asked: str | None) -> tuple[str, Architecture]:
    """Name and architecture for what was asked; see `chosen`."""
    if asked is None:
        asked = next(iter(space.known), "largest")
    if asked in space.known:
        return asked, space.known[asked]
    if asked in EXTREMES:
        return asked, space.smallest if asked == "smallest" else space.largest
    path = Path(asked)
    if path.suffix != ".json" and not path.is_file():
        raise unknown(
            f"architecture of space '{space.name}'", asked, [*space.known, *EXTREMES], "A JSON file may be given too."
        )
    content = read_json(path, "architecture")
    if isinstance(content, dict) and "architecture" in content:
        content = content["architecture"]
    if not isinstance(content, dict):
        raise NasError(f"{path} holds no architecture: it must be a JSON object of decisions, or one with 'architecture' in it")
    return path.stem, space.validate(content)
