"""`results.json`: what a runner wrote at its end, on a machine that has nothing of nas. Such a file may be a stranger's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.measuring.blocks import Blocks
from nas.measuring.plan import Plan
from nas.measuring.timings import Timings, summarised
from nas.supernet import Space, Task

LARGEST_FILE = 64 << 20
"""Bytes; a table of a thousand models, each timed a hundred times, has a tenth of that."""


def _printable(text: str) -> str:
    """Terminals obey some characters."""
    if not text.isprintable():
        raise ValueError("a text has characters that cannot be printed")
    return text


Text = Annotated[str, Field(max_length=500), AfterValidator(_printable)]
Milliseconds = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Busy = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Timing = tuple[Annotated[int, Field(ge=0, le=10_000)], Annotated[int, Field(ge=-1, le=100_000)], Milliseconds, Busy | None]
"""Round, model (-1 for the reference), milliseconds, processors that other programs kept busy."""


class Device(BaseModel):
    """What was measured on; what else a runner says of it is not used."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    processor: Text
    cores: Annotated[int, Field(gt=0, le=1_000_000)] | None
    system: Text
    runtime: Text


class Results(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    results: Literal[1]
    plan: Plan
    device: Device
    timings: tuple[Timing, ...]


@dataclass(frozen=True)
class Rebuilt:
    """What was measured elsewhere, made again from the space.

    Attributes:
        blocks: of the space, in the order of the plan's models.
        networks: whole networks that were timed, as rows of the space.
    """

    space: Space
    blocks: Blocks
    networks: Rows


def read_results(path: Path) -> Results:
    """Read and check a file. Raises NasError with what is wrong with it."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise NasError(f"{path} has {path.stat().st_size >> 20} MB; results of a runner have at most {LARGEST_FILE >> 20}")
        results = Results.model_validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise NasError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise NasError(f"{path} is not what a runner writes: {place}: {first['msg']}") from error
    plan = results.plan
    for number, (at, model, *_) in enumerate(results.timings):
        if model >= len(plan.models) or at >= plan.most_rounds:
            raise NasError(f"{path} is not what a runner writes: timings.{number}: no round {at} of model {model} in its plan")
    for text in (plan.runtime, plan.dtype, plan.space, *(model.name for model in plan.models)):
        if not text.isprintable():
            raise NasError(f"{path} is not what a runner writes: plan: a text has characters that cannot be printed")
    return results


def timings_of(results: Results) -> Timings:
    """The figures."""
    entries = ((model, at, ms, busy) for at, model, ms, busy in results.timings)
    return summarised(entries, {"device": results.device.model_dump(), "finished": True}, results.plan.slowed)


def rebuild(results: Results, space: Space) -> Rebuilt:
    """The blocks and networks that the results are of.

    Raises:
        NasError: they are of another space, or of what the space was before it changed.
    """
    plan = results.plan
    if plan.space != space.name:
        raise NasError(f"these are results of the space '{plan.space}', not of '{space.name}'")
    blocks = Blocks(space, Task(plan.channels, plan.resolution, plan.classes))
    wanted = [block.key for block in blocks.all]
    models = plan.models[: len(wanted)]
    if [model.name for model in models] != wanted or any(model.network for model in models):
        raise NasError(
            f"the operators in these results are not those that '{space.name}' has here: the space has changed since the "
            "bundle was written, or another version of its package is installed. Write a new bundle and measure again"
        )
    rest = plan.models[len(wanted) :]
    if not all(model.network for model in rest):
        raise NasError(f"these results hold operators that '{space.name}' does not have")
    return Rebuilt(space, blocks, space.encode([space.validate(model.name) for model in rest]))
