"""One step of a differentiable search: by the trainer `darts`, and as the textbook has it.

First and second order on the networks that DARTS and NAS-Bench-201 search (16 channels, 32 px, batch 16): architecture step,
weight step, clipping and both optimisers. Also the peak of memory, in a process for each side, and how far the architecture
gradients of both sides are apart in double precision.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, cast

import torch
import torch.nn.functional as F
from recording import alternate, arguments, ratio, record
from textbook_darts import Bench, Darts, Network, Search, copy_weights

from nas.data import Batch, TrainingBatches
from nas.supernet import Space, open_space
from nas.training import Stepper
from nas.training.trainers import darts

BATCH, RESOLUTION, CLASSES, STEPS = 16, 32, 10, 10**6
SPACES: dict[str, Callable[[], Network]] = {"cells:darts": Darts, "cells:nas-bench-201": Bench}


class SameBatch:
    """The interface of TrainingBatches over one batch."""

    steps_per_epoch = STEPS

    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        images = torch.randn((BATCH, 3, RESOLUTION, RESOLUTION), generator=generator)
        labels = torch.randint(CLASSES, (BATCH,), generator=generator)
        self.plain = Batch(images, labels)
        self.dense = Batch(images.contiguous(memory_format=torch.channels_last), labels)

    def batch(self, step: int) -> Batch:
        """Always the same."""
        return self.dense


def ours(space: Space, order: str) -> tuple[Stepper, darts.Darts]:
    """The trainer on a fresh supernet."""
    trainer = darts.Darts()
    recipe = trainer.defaults.changed({"order": order, "batch_size": BATCH, "reference_batch": BATCH})
    batches, held = (cast(TrainingBatches, SameBatch(seed)) for seed in (0, 1))
    supernet = space.supernet(3, RESOLUTION, CLASSES)
    return Stepper(supernet, trainer, batches, recipe, STEPS, seed=0, held=held), trainer


def theirs(space: Space, order: str, stepper: Stepper, trainer: darts.Darts) -> Callable[[], None]:
    """A step of the textbook on the same weights and architecture parameters."""
    network = SPACES[space.name]()
    copy_weights(stepper.supernet.network, network)
    search = Search(network.train(), list(trainer.state.parameters()), order == "second")
    train, held = SameBatch(0).plain, SameBatch(1).plain
    return lambda: search.step(train.images, train.targets, held.images, held.targets)


def step_of(stepper: Stepper) -> Callable[[], None]:
    """A step of the trainer, one after the other."""
    numbers = iter(range(STEPS))
    return lambda: cast(None, stepper.run(next(numbers)))


def peak(space: Space, order: str, side: str) -> float:
    """Megabytes that two steps of one side add to the process, measured in this one."""
    stepper, trainer = ours(space, order)
    with stepper:
        step = step_of(stepper) if side == "ours" else theirs(space, order, stepper, trainer)
        before = high_water()
        for _ in range(2):
            step()
        return high_water() - before


def high_water() -> float:
    """The most memory that this process has held, in megabytes; getrusage would count its parent's, too."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def peak_apart(space: Space, order: str, side: str) -> float:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--peak", space.name, order, side]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(json.loads(told.splitlines()[-1]))


def disagreement(space: Space) -> float:
    """Relative distance of the first-order architecture gradients in double precision, on a batch of four small images."""
    stepper, trainer = ours(space, "first")
    network = SPACES[space.name]().double()
    supernet = stepper.supernet.double().train()
    copy_weights(supernet.network, network)
    generator = torch.Generator().manual_seed(2)
    images = torch.randn((4, 3, 8, 8), generator=generator, dtype=torch.float64)
    labels = torch.randint(CLASSES, (4,), generator=generator)
    alphas = [torch.randn(len(alpha), generator=generator).double().requires_grad_() for alpha in trainer.state.parameters()]
    with trainer.relaxation.weighed([alpha.softmax(0) for alpha in alphas]):
        mine = torch.autograd.grad(F.cross_entropy(supernet(images), labels), alphas)
    other = torch.autograd.grad(F.cross_entropy(network(images, alphas), labels), alphas)
    return float((torch.cat(mine) - torch.cat(other)).norm() / torch.cat(other).norm())


def main() -> None:
    """Measure and record."""
    rounds = arguments(__doc__, rounds=9).rounds
    figures: list[dict[str, Any]] = []
    for name in SPACES:
        space = open_space(name)
        apart = disagreement(space)
        for order in ("first", "second"):
            stepper, trainer = ours(space, order)
            with stepper:
                sides = {"ours": step_of(stepper), "textbook": theirs(space, order, stepper, trainer)}
                times = alternate(sides, rounds)
            memory = {side: peak_apart(space, order, side) for side in sides}
            figures.append(
                {
                    "space": name,
                    "order": order,
                    "ours_s": median(times["ours"]),
                    "textbook_s": median(times["textbook"]),
                    "ratio": ratio(times, "ours", "textbook"),
                    "ours_mb": memory["ours"],
                    "textbook_mb": memory["textbook"],
                    "memory_ratio": memory["ours"] / memory["textbook"],
                    "gradients_differ": f"{apart:.1e}",
                }
            )
    record(__file__, figures, batch=BATCH, resolution=RESOLUTION, rounds=rounds)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak"]:
        torch.set_num_threads(1)
        print(json.dumps(peak(open_space(sys.argv[2]), *sys.argv[3:5])))
    else:
        main()
