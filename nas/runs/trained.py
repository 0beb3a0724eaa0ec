"""A trained supernet as a folder that says what it is: several searches can share it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from nas.base.errors import NasError
from nas.base.files import read_sealed, write_sealed
from nas.supernet import Supernet
from nas.training.checkpoint import load_checkpoint, save_checkpoint

FORMAT = 1
FACTS, WEIGHTS = "supernet.json", "weights.safetensors"


class SupernetFacts(BaseModel):
    """What a trained supernet is.

    Attributes:
        seed: of its training, and of the splits of its data.
        metrics: steps, seconds, last loss.
        derived: the decisions of the architecture at which the training arrived, where its trainer learns one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    space: str
    trainer: str
    recipe: dict[str, Any]
    data: dict[str, Any]
    seed: int
    metrics: dict[str, float]
    derived: dict[str, str | int | float | bool] | None = None

    def require(self, space: str) -> None:
        """Raise NasError unless it is of this space."""
        if self.space != space:
            raise NasError(f"the supernet is of space '{self.space}', not of '{space}'; search it with --space {self.space}")


def write_trained(folder: Path, supernet: Supernet, facts: SupernetFacts) -> None:
    """Write weights, then facts: a folder with facts is complete."""
    save_checkpoint(folder / WEIGHTS, supernet, None, {"space": facts.space})
    write_sealed(folder / FACTS, facts.model_dump(mode="json"))


def locate(path: Path) -> Path:
    """The supernet's folder, given it or a run that holds one. Raises NasError when there is none."""
    for candidate in (path, path / "supernet"):
        if (candidate / FACTS).exists():
            return candidate
    raise NasError(
        f"no trained supernet at {path}: it has no {FACTS}; give the folder of a finished 'nas train' or 'nas search'"
    )


def read_facts(path: Path) -> SupernetFacts:
    """What the supernet at a path is. Raises NasError when there is none, or one of another version."""
    file = locate(path) / FACTS
    content = read_sealed(file, "supernet description")
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise NasError(f"supernet {file} has format {found}; this version reads format {FORMAT}")
    try:
        return SupernetFacts.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise NasError(f"supernet description {file} is damaged: {first['loc']}: {first['msg']}") from error


def load_trained(path: Path, supernet: Supernet) -> None:
    """Read the weights into a supernet of the same space and task. Raises NasError when they do not fit."""
    load_checkpoint(locate(path) / WEIGHTS, supernet, None)
