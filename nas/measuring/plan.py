"""What is measured, as a folder that the runner takes anywhere: plan, models and loader."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nas.base.errors import NasError
from nas.base.files import read_json, write_json, write_text

ROUNDS, MOST_ROUNDS, WARMUPS, CALLS, SPREAD = 10, 20, 2, 8, 0.02
"""The protocol: rounds, and at most so many while a model spreads by more than the last figure; calls of each model in one."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(_Strict):
    """One model to be timed.

    Attributes:
        name: the key of an operator, or the architecture of a whole network as JSON.
        file: within the folder.
        inputs: shapes with the batch.
        network: whether it is a whole network.
        refused: why the runtime cannot run it; such a model is not timed.
    """

    name: str
    file: str
    inputs: tuple[tuple[int, ...], ...]
    network: bool = False


class Plan(_Strict):
    """Everything that the runner must know.

    Attributes:
        runtime, dtype, threads, batch: what is measured.
        space, resolution, channels, classes: of what the models are part.
        reference: index of the model that is timed all along.
        rounds, most_rounds, warmups, calls, spread, seed: the protocol.
    """

    format: Literal[1] = 1
    runtime: str
    dtype: str
    threads: int = Field(gt=0)
    batch: int = Field(gt=0)
    space: str
    resolution: int
    channels: int
    classes: int
    models: tuple[Model, ...]
    reference: int = 0
    rounds: int = Field(default=ROUNDS, gt=0)
    most_rounds: int = Field(default=MOST_ROUNDS, gt=0)
    warmups: int = Field(default=WARMUPS, ge=0)
    calls: int = Field(default=CALLS, gt=0)
    spread: float = Field(default=SPREAD, gt=0)
    seed: int = 0

    def write(self, folder: Path, loader: Path) -> None:
        """Write plan, runner and loader into a folder that holds the models."""
        runner = Path(__file__).with_name("runner.py")
        write_text(folder / "runner.py", runner.read_text(encoding="utf-8"))
        write_text(folder / "loader.py", loader.read_text(encoding="utf-8"))
        write_json(folder / "plan.json", self.model_dump(mode="json"))


def read_plan(folder: Path) -> Plan:
    """The plan of a folder. Raises NasError where it is not one."""
    content = read_json(folder / "plan.json", "plan of a measurement")
    try:
        return Plan.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise NasError(
            f"{folder / 'plan.json'} is no plan of a measurement: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from error


def forget_timings(folder: Path) -> None:
    """Begin anew: what was timed under another plan does not belong to this one."""
    for name in ("timings.jsonl", "device.json"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "models", ignore_errors=True)
