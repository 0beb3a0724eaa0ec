"""What two processes do for the tests of several processes, and one process for comparison."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from tiny_relaxation import relaxable_space
from tiny_superkernels import superkernel_space
from tiny_training import recipe, tiny_space, weights
from torch import nn

import nas.training.loop
from nas.base.progress import Silent
from nas.choices import Choice
from nas.data import Augmentation, TrainingBatches, load_data
from nas.elastic import Depth, ElasticLayerNorm, ElasticLinear
from nas.supernet import Space, Supernet, Task
from nas.supernet.weights import save_tensors
from nas.training import Alone, Pass, Recipe, StepContext, Stepper, Trainer, current_ranks, train
from nas.training.trainers.darts import Darts
from nas.training.trainers.multi_arch import MultiArch
from nas.training.trainers.proxyless import Proxyless
from nas.training.trainers.single_path import SinglePath
from nas.training.trainers.uniform import Uniform

STEPS, BATCH, SIDE = 6, 16, 16
AUGMENTATION = Augmentation(flip=True, crop_padding=2, cutout=3, mixup=0.4, cutmix=1.0, randaugment=(1, 5.0))


class Attention(nn.Module):
    """Pre-norm self-attention with one head of elastic width and a residual."""

    def __init__(self, width: int, inner: Any) -> None:
        super().__init__()
        self.norm = ElasticLayerNorm(width)
        self.query, self.key, self.value = (ElasticLinear(width, inner) for _ in range(3))
        self.out = ElasticLinear(inner, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed = self.norm(x)
        mixed = (self.query(normed) @ self.key(normed).transpose(1, 2)).softmax(-1) @ self.value(normed)
        return x + self.out(mixed)  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """A vision transformer on 4 x 4 patches without batch norms."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 16, 4, 4)
        inner = Choice("inner", (8, 16))
        self.blocks = Depth([Attention(16, inner), Attention(16, inner)], Choice("depth", (1, 2)))
        self.head = ElasticLinear(16, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        return self.head(self.blocks(tokens).mean(1))  # type: ignore[no-any-return]


class Sandwich(Trainer):
    """Largest, smallest and a random sub-network, the two from the largest's scores."""

    defaults = Recipe()

    def passes(self, context: StepContext) -> Generator[Pass, torch.Tensor, None]:
        teacher = yield Pass(context.decisions.largest()[0], context.loss)
        for row in (context.decisions.smallest()[0], context.decisions.sample(context.rng, 1)[0]):
            yield Pass(row, lambda scores, _: nn.functional.cross_entropy(scores, teacher.softmax(1)), 0.5)


class Apart(Uniform):
    """Forgets to average what it learns by itself."""

    def after(self, context: StepContext, engine: Any) -> None:
        with torch.no_grad():
            next(iter(engine.supernet.parameters())).add_(engine.ranks.rank + 1.0)


SPACES = {
    "vit": Space("vit", lambda task: Transformer(task.classes), task=Task(1, SIDE, 10)),
    "conv": tiny_space(),
    "relaxable": relaxable_space(),
    "superkernels": superkernel_space(),
}

GATES = {"sync_norms": True, "warmup_epochs": 0, "frozen_epochs": 0, "architecture_every": 1, "learning_rate": 0.1}
GATES |= {"architecture_share": 0.5, "zero": "learnt"}

CASES: dict[str, tuple[str, type[Trainer], dict[str, Any]]] = {
    "vit": ("vit", Uniform, {"optimiser": "adamw", "learning_rate": 0.005, "epsilon": 1e-3, "average": 0.9}),
    "vit-sandwich": ("vit", Sandwich, {"clip_norm": 0.5}),
    "conv": ("conv", Uniform, {"sync_norms": True}),
    "conv-sandwich": ("conv", Sandwich, {"sync_norms": True, "norm_affine": True}),
    "conv-local": ("conv", Uniform, {"sync_norms": False}),
    "darts-first": ("relaxable", Darts, {"sync_norms": True, "order": "first", "learning_rate": 0.1}),
    "darts-second": ("relaxable", Darts, {"sync_norms": True, "order": "second", "learning_rate": 0.1}),
    "proxyless": ("relaxable", Proxyless, {**GATES, "gradient": "two"}),
    "reinforce": ("relaxable", Proxyless, {**GATES, "gradient": "reinforce", "updates_per_epoch": 100, "networks": 2}),
    "single-path": (
        "superkernels",
        SinglePath,
        {"sync_norms": True, "metric": "macs", "dropped_epochs": 0, "learning_rate": 0.05, "epsilon": 0.1},
    ),
    "multi-arch": (
        "vit",
        MultiArch,
        {"examples_per_arch": 4, "option_warmup": 0, "drop_path": 0, "learning_rate": 0.005, "epsilon": 1e-3},
    ),
}
"""Name -> space, trainer, figures of the recipe.

AdamW's epsilon is large, since the keys' bias has no gradient but rounding, which a small one would magnify.
"""


def case_stepper(name: str, steps: int = STEPS, precision: str = "32-true") -> Stepper:
    space, trainer, changes = CASES[name]
    return make_stepper(SPACES[space], trainer(), {"batch_size": BATCH, "reference_batch": BATCH, **changes}, steps, precision)


def make_stepper(
    space: Space, trainer: Trainer, changes: dict[str, Any], steps: int = STEPS, precision: str = "32-true"
) -> Stepper:
    ranks = current_ranks()
    figures = recipe(**changes) if type(trainer.defaults) is Recipe else trainer.defaults.changed(changes)
    weights = 1.0 - figures.architecture_share
    batches, held = (
        TrainingBatches(load_data(resolution=SIDE), BATCH, 3, AUGMENTATION, share, (ranks.rank, ranks.size))
        for share in ((0.0, weights), (weights, 1.0) if weights < 1.0 else (0.0, 1.0))
    )
    supernet = space.supernet(1, SIDE, 10, seed=5)
    return Stepper(supernet, trainer, batches, figures, steps, 3, precision, held if weights < 1.0 else None, ranks)


def one_network() -> Stepper:
    """One step of a network by itself, with the batch norms that torch has."""
    ranks, space = current_ranks(), SPACES["conv"]
    torch.manual_seed(5)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * (SIDE - 2) ** 2, 10))
    batches = TrainingBatches(load_data(resolution=SIDE), BATCH, 3, AUGMENTATION, part=(ranks.rank, ranks.size))
    return Stepper(Supernet(space, network, Task(1, SIDE, 10)), Alone(), batches, recipe(batch_size=BATCH), 1, 3, ranks=ranks)


def learnt(stepper: Stepper) -> dict[str, torch.Tensor]:
    """Copies of the weights, and of what the rule learns besides them."""
    state = stepper.trainer.state
    own = {} if state is None else {f"rule.{name}": value.detach().clone() for name, value in state.state_dict().items()}
    return {**weights(stepper.supernet), **own}


class StopsAt(Silent):
    """Somebody presses Ctrl-C in one process while a step is being reported."""

    def __init__(self, stepper: Stepper, step: int) -> None:
        self.stepper, self.step = stepper, step

    def advance(self, done: int, note: str = "") -> None:
        if done == self.step:
            self.stepper.stop_asked = lambda: True


def save(folder: Path, name: str, stepper: Stepper, losses: list[float]) -> None:
    save_tensors(folder / f"{name}.safetensors", {**learnt(stepper), "losses": torch.tensor(losses)}, {})


def every_trainer(folder: Path) -> None:
    """Each installed trainer for some steps on a space that it fits; what goes wrong, by its name."""
    from test_trainers_resume import digits, figures, fitting

    from nas.base.plugins import installed
    from nas.training import open_trainer

    ranks, wrong = current_ranks(), {}
    for name in installed("trainers"):
        recipe = figures(name).changed({"batch_size": 16})
        share, part = recipe.architecture_share, (ranks.rank, ranks.size)
        batches = TrainingBatches(digits(), 16, 3, share=(0.0, 1.0 - share), part=part)
        held = TrainingBatches(digits(), 16, 3, share=(1.0 - share, 1.0), part=part) if share else None
        try:
            made = fitting(name).supernet(1, 16, 10, 3)
            train(Stepper(made, open_trainer(name), batches, recipe, STEPS, 3, held=held, ranks=ranks))
        except Exception as error:
            wrong[name] = f"{type(error).__name__}: {error}"
    (folder / str(ranks.rank) / "wrong.json").write_text(json.dumps(wrong))


def every_case(folder: Path) -> None:
    """All that the quick tests look at."""
    ranks = current_ranks()
    mine = folder / str(ranks.rank)

    for name in CASES:
        stepper = case_stepper(name)
        save(mine, name, stepper, train(stepper).losses)

    stepper = one_network()
    save(mine, "alone", stepper, train(stepper).losses)

    # The second process is asked to stop; both end after the same step, with a checkpoint that the first one has written.
    nas.training.loop.CHECKPOINT_SECONDS = 1e9
    checkpoint = folder / "checkpoint" if ranks.leads else None
    stepper = case_stepper("conv-sandwich")
    try:
        train(stepper, checkpoint, StopsAt(stepper, 3) if ranks.rank == 1 else None)
    except KeyboardInterrupt:
        save(mine, "stopped", stepper, [])
    resumed = case_stepper("conv-sandwich")
    save(mine, "resumed", resumed, train(resumed, checkpoint).losses)

    told = {"shared": ranks.share(lambda: "first"), "gathered": ranks.gather(ranks.rank * 10)}
    tensors = [torch.full((2, 3), float(ranks.rank)), torch.tensor(5.0)]
    ranks.average(tensors)
    told["averaged"] = [tensors[0].tolist(), float(tensors[1])]
    (folder / "shared-file").write_text("content")
    with ranks.file(folder / "shared-file" if ranks.leads else None) as path:
        told["file"] = None if path is None else path.read_text()
    with ranks.file(folder / "nothing") as path:
        told["no file"] = path
    try:
        train(make_stepper(SPACES["vit"], Apart(), {"batch_size": BATCH}))
    except RuntimeError as error:
        told["apart"] = str(error)
    (mine / "told.json").write_text(json.dumps(told))


def run_in_two_processes(what: str, folder: Path) -> None:
    """Run a function of this file, given the folder, in both processes; each finds a folder of its rank in it."""
    with socket.socket() as found:
        found.bind(("localhost", 0))
        port = found.getsockname()[1]
    processes = []
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    for rank in (0, 1):
        (folder / str(rank)).mkdir()
        environment = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "ranks_worker", what, str(folder)],
                env={**os.environ, **environment, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for process in processes:
        _, err = process.communicate(timeout=500)
        assert process.returncode == 0, err


if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    {"every_case": every_case, "every_trainer": every_trainer}[sys.argv[1]](Path(sys.argv[2]))
    current_ranks().wait()
    dist.destroy_process_group()
