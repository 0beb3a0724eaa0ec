"""What is measured, as a folder that the runner takes anywhere: plan, models and loader."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nas.base.errors import NasError
from nas.base.files import read_json, write_json, write_text

ROUNDS, MOST_ROUNDS, TURNS, WARMUPS, CALLS, SPREAD, SLOWED = 10, 20, 8, 1, 1, 0.02, 0.1
"""The protocol: rounds, and at most so many while a model spreads by more than `SPREAD`; turns of each model in one, and calls
in a turn; how much slower than usual the reference may be beside timings that are not repeated."""


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

    name: str = Field(max_length=100_000)
    file: str = Field(max_length=200)
    inputs: tuple[tuple[int, ...], ...]
    network: bool = False


class Plan(_Strict):
    """Everything that the runner must know.

    Attributes:
        runtime, dtype, threads, batch: what is measured.
        space, resolution, channels, classes: of what the models are part.
        reference: index of the model that is timed all along.
        rounds, most_rounds, turns, warmups, calls, spread, slowed, seed: the protocol.
    """

    format: Literal[1] = 1
    runtime: str = Field(max_length=200)
    dtype: str = Field(max_length=200)
    threads: int = Field(gt=0, le=100_000)
    batch: int = Field(gt=0, le=1_000_000)
    space: str = Field(max_length=1000)
    resolution: int = Field(gt=0, le=100_000)
    channels: int = Field(gt=0, le=100_000)
    classes: int = Field(gt=0, le=100_000_000)
    models: tuple[Model, ...] = Field(max_length=100_000)
    reference: int = Field(default=0, ge=0)
    rounds: int = Field(default=ROUNDS, gt=0)
    most_rounds: int = Field(default=MOST_ROUNDS, gt=0, le=10_000)
    turns: int = Field(default=TURNS, gt=0)
    warmups: int = Field(default=WARMUPS, ge=0)
    calls: int = Field(default=CALLS, gt=0)
    spread: float = Field(default=SPREAD, gt=0)
    slowed: float = Field(default=SLOWED, gt=0)
    seed: int = 0

    @property
    def conditions(self) -> dict[str, Any]:
        """What tables must have in common to be one."""
        return {name: getattr(self, name) for name in ("dtype", "threads", "batch", "resolution", "channels", "classes")}

    def write(self, folder: Path, loader: Path) -> None:
        """Write plan, runner and loader into a folder that holds the models."""
        for name, source in programs(loader).items():
            write_text(folder / name, source.read_text(encoding="utf-8"))
        write_json(folder / "plan.json", self.model_dump(mode="json"))


def programs(loader: Path) -> dict[str, Path]:
    """What runs on the device: each file's name there, and where it is here."""
    here = Path(__file__)
    return {"runner.py": here.with_name("runner.py"), "host.py": here.with_name("host.py"), "loader.py": loader}


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
