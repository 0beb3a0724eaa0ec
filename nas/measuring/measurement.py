"""One table in the making: which models are timed, and the folder that holds them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.files import write_error
from nas.base.progress import Reporter
from nas.base.seeds import generator
from nas.measuring.blocks import Blocks
from nas.measuring.plan import Model, Plan, read_plan
from nas.measuring.runtime import Runtime, open_runtime
from nas.supernet import Space, Task

TRIES = 100
"""Times that random networks are drawn anew because those drawn were known."""


@dataclass(frozen=True)
class Request:
    """What is to be measured, and how.

    Attributes:
        runtime, dtype: of the device; None for the runtime's first type.
        threads, batch: how many.
        resolution, classes: of the task; None for the space's own.
        networks: whole random networks that are timed among the operators.
        seed: draws the networks and the order.
        rounds: of the protocol.
    """

    runtime: str = "onnxruntime"
    dtype: str | None = None
    threads: int = 1
    batch: int = 1
    resolution: int | None = None
    classes: int | None = None
    networks: int = 0
    seed: int = 0
    rounds: int = 10

    def __post_init__(self) -> None:
        wrong = [name for name in ("threads", "batch", "rounds") if getattr(self, name) < 1]
        if wrong or self.networks < 0:
            name = wrong[0] if wrong else "networks"
            raise NasError(f"{name} must be at least {1 if wrong else 0}; given {getattr(self, name)}")


class Measurement:
    """The models of a table.

    Args:
        space: with shared weights.
    """

    def __init__(self, space: Space, request: Request) -> None:
        if space.separate:
            raise NasError(f"the networks of {space.name} share no operators that could be measured once; choose another space")
        self.space, self.request = space, request
        own = space.task
        self.task = Task(own.channels, request.resolution or own.resolution, request.classes or own.classes)
        self.runtime: Runtime
        self.runtime, self.dtype = open_runtime(request.runtime, request.dtype)
        self.blocks = Blocks(space, self.task)
        self.networks = self._networks()

    @property
    def conditions(self) -> dict[str, Any]:
        """See `Plan.conditions`; without making the plan."""
        request, task = self.request, self.task
        asked = {"dtype": self.dtype, "threads": request.threads, "batch": request.batch}
        return {**asked, "resolution": task.resolution, "channels": task.channels, "classes": task.classes}

    def plan(self) -> Plan:
        """Blocks first, then whole networks. Raises NasError for an operator that cannot be run by itself."""
        request = self.request
        return Plan(
            runtime=request.runtime,
            dtype=self.dtype,
            threads=request.threads,
            batch=request.batch,
            space=self.space.name,
            resolution=self.task.resolution,
            channels=self.task.channels,
            classes=self.task.classes,
            models=tuple(self._models()),
            rounds=request.rounds,
            most_rounds=2 * request.rounds,
            seed=request.seed,
        )

    def prepare(self, folder: Path, reporter: Reporter) -> Plan:
        """Convert every model that is not in the folder yet, and write the plan.

        Raises:
            NasError: the folder holds another measurement, or the runtime cannot run a model.
        """
        plan = self.plan()
        if (folder / "plan.json").exists():
            known = read_plan(folder)
            if known != plan:
                raise NasError(
                    f"{folder} holds another measurement: {_difference(known, plan)}. Give another --out, or delete that folder"
                )
        try:
            (folder / "models").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(folder, error) from error
        missing = [number for number, model in enumerate(plan.models) if not (folder / model.file).exists()]
        reporter.start("converting", len(plan.models), len(plan.models) - len(missing))
        for done, number in enumerate(missing, 1 + len(plan.models) - len(missing)):
            model = plan.models[number]
            self.runtime.convert(self._module(number), model.inputs, folder / model.file, self.dtype)
            reporter.advance(done)
        reporter.finish()
        plan.write(folder, self.runtime.loader)
        return plan

    def _models(self) -> Iterator[Model]:
        batch, suffix = self.request.batch, self.runtime.suffix
        for number, block in enumerate(self.blocks.all):
            inputs = tuple((batch, *shape) for shape in self.blocks.shapes(block))
            yield Model(name=block.key, file=f"models/block{number:04}{suffix}", inputs=inputs)
        for number, architecture in enumerate(self.space.decode(self.networks) if len(self.networks) else []):
            file, inputs = f"models/network{number:04}{suffix}", ((batch, *self.task.input_shape),)
            yield Model(name=json.dumps(architecture.to_json()), file=file, inputs=inputs, network=True)

    def _module(self, number: int) -> nn.Module:
        blocks = self.blocks.all
        if number < len(blocks):
            return self.blocks.module(blocks[number])
        return self.blocks.supernet.extract(self.networks[number - len(blocks)]).eval()

    def _networks(self) -> Rows:
        """Different random networks, as many as are asked for or exist."""
        decisions = self.space.decisions
        rng = generator(self.request.seed, "measured networks")
        found: dict[bytes, np.ndarray] = {}
        for _ in range(TRIES):
            if len(found) >= self.request.networks:
                break
            for row in decisions.sample(rng, max(2, self.request.networks)):
                if len(found) < self.request.networks:
                    found.setdefault(row.tobytes(), row)
        return np.array(list(found.values()), np.uint8).reshape(len(found), len(decisions))


def _difference(known: Plan, wanted: Plan) -> str:
    """The first thing that differs between two plans."""
    for name in ("space", "runtime", "dtype", "threads", "batch", "resolution", "classes", "seed", "rounds"):
        if getattr(known, name) != getattr(wanted, name):
            return f"its {name} is {getattr(known, name)}, not {getattr(wanted, name)}"
    counts = [sum(model.network for model in plan.models) for plan in (known, wanted)]
    if counts[0] != counts[1]:
        return f"it has {counts[0]} whole networks, not {counts[1]}"
    protocol = ("most_rounds", "turns", "warmups", "calls", "spread", "slowed")
    if any(getattr(known, name) != getattr(wanted, name) for name in protocol):
        return "an earlier version of nas began it, which timed otherwise"
    return "the space has changed since"
