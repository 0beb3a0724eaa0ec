"""The losses of a training: kept beside the supernet that it made, few enough to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError, model_validator

from nas.base.errors import NasError
from nas.base.files import read_json, write_json
from nas.runs.folder import RunFolder
from nas.training import Phase
from nas.training.checkpoint import read_facts, read_losses

FORMAT = 1
FILE = "losses.json"

POINTS = 600
"""A training of more steps is kept as means of equal parts."""


class Beginning(BaseModel):
    """Where a part of a training begins: after so many steps."""

    model_config = ConfigDict(frozen=True)

    name: str
    start: int


class Curve(BaseModel):
    """Losses over the steps of a training.

    Attributes:
        planned: steps of the whole training.
        steps, losses: the last step of each part, counted from 1, and the mean loss of the part.
        phases: the parts of a training that has some.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    planned: int
    steps: list[int]
    losses: list[FiniteFloat]
    phases: list[Beginning] = []

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if len(self.steps) != len(self.losses):
            raise ValueError("there must be one loss for each step")
        return self


def curve_of(losses: Sequence[float], planned: int, phases: Sequence[Phase] = ()) -> Curve:
    """The losses of all steps so far, thinned."""
    size = max(1, -(-len(losses) // POINTS))
    parts = [losses[start : start + size] for start in range(0, len(losses), size)]
    return Curve(
        planned=planned,
        steps=[min(len(losses), (place + 1) * size) for place in range(len(parts))],
        losses=[sum(part) / len(part) for part in parts],
        phases=[Beginning(name=phase.name, start=phase.start) for phase in phases],
    )


def write_curve(folder: Path, curve: Curve) -> None:
    """Write it beside a supernet, whole or not at all."""
    write_json(folder / FILE, curve.model_dump(mode="json"))


def read_curve(folder: Path) -> Curve | None:
    """The curve in a supernet's folder; None where none was kept. Raises NasError for a damaged one."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return Curve.model_validate(read_json(path, "losses of the training"))
    except ValidationError as error:
        first = error.errors()[0]
        raise NasError(f"losses of the training {path} are damaged: {first['loc']}: {first['msg']}") from error


def curve_so_far(folder: RunFolder) -> Curve | None:
    """The curve of a training that goes on, as far as its last checkpoint; None where there is none. Raises NasError for
    a damaged one."""
    if not folder.checkpoint.exists():
        return None
    try:
        return curve_of(read_losses(folder.checkpoint), int(read_facts(folder.checkpoint)["plan"]["steps"]))
    except (KeyError, TypeError, ValueError) as error:
        raise NasError(f"checkpoint {folder.checkpoint} was not written by this program: {type(error).__name__}") from error
