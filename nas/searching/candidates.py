"""The score of a candidate that is trained from scratch."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import fx

from nas.base.errors import NasError
from nas.base.seeds import integer_seed
from nas.data import Batch, TrainingBatches
from nas.searching.evaluate import score
from nas.searching.fidelity import part
from nas.supernet import SeparateSpace, Supernet, Task
from nas.supernet.weights import load_tensors, save_tensors
from nas.training import Alone, Diverged, Recipe, Stepper, train

SAME = 1e-6
"""Scores that differ by less between all images do not depend on the image."""


@dataclass(frozen=True)
class CandidateTraining:
    """How every candidate is trained; the run's seed and the architecture decide all that is random."""

    space: SeparateSpace
    task: Task
    batches: TrainingBatches
    recipe: Recipe
    steps: int
    seed: int
    precision: str
    compute: torch.device

    def run(self, row: np.ndarray, checkpoint: Path) -> fx.GraphModule:
        """The trained network of a row in evaluation mode; goes on from the checkpoint where there is one.

        Raises:
            ArithmeticError: the loss became no finite number, which is the candidate's fault and not the run's.
        """
        drawn = integer_seed(self.seed, "candidate", row.tobytes().hex())
        network = self.space.network_of(row, self.task, drawn)
        alone = Supernet(self.space, network, self.task).to(self.compute)
        stepper = Stepper(alone, Alone(), self.batches, self.recipe, self.steps, drawn, self.precision)
        try:
            train(stepper, checkpoint)
        except Diverged as error:
            raise ArithmeticError(str(error)) from error
        return network.eval()


class CandidateEvaluator:
    """Trains the network of an architecture from scratch and scores it on the validation images.

    Its batch norms keep the running statistics of their own training. Test images are never seen here.

    Args:
        validation: batches of validation images.
        folder: for the checkpoint of the candidate in training, and the weights of the best one.
        keep: whether the best candidate's weights are kept, so that it can leave as it was scored.
    """

    def __init__(self, training: CandidateTraining, validation: Iterable[Batch], folder: Path, keep: bool = True) -> None:
        self.training = training
        self.validation = list(validation)
        self.calibration: list[torch.Tensor] = []
        self.folder, self.keep = folder, keep

    @property
    def best(self) -> Path:
        """The best candidate's weights; the file also says whose they are and what they scored."""
        return self.folder / "best.safetensors"

    def __call__(self, row: np.ndarray, fidelity: float = 1.0) -> dict[str, float]:
        """The figures of the task on the validation images.

        Args:
            fidelity: the share of the training steps; the schedule is as much shorter.

        Raises:
            ArithmeticError: training diverged, or the scores do not depend on the image.
        """
        training = replace(self.training, steps=part(self.training.steps, fidelity))
        checkpoint = self._checkpoint(row, training.steps)
        try:
            network = training.run(row, checkpoint)
            metrics = score(network, self.validation, self.training.batches.task)
            self._require_varied(network)
        except ArithmeticError:
            checkpoint.unlink(missing_ok=True)
            raise
        if self.keep and fidelity == 1.0:
            self._keep_better(row, network, metrics)
        checkpoint.unlink(missing_ok=True)
        return metrics

    def network(self, row: np.ndarray) -> fx.GraphModule:
        """The network of a row as a full evaluation scores it; where its weights were not kept, it is trained again."""
        with contextlib.suppress(NasError):
            tensors, facts = load_tensors(self.best, "the best candidate's weights")
            if facts["row"] == row.tobytes().hex():
                network = self.training.space.network_of(row, self.training.task, 0)
                network.load_state_dict(tensors)
                return network.eval()
        checkpoint = self._checkpoint(row, self.training.steps)
        network = self.training.run(row, checkpoint).cpu()
        checkpoint.unlink(missing_ok=True)
        return network

    def _checkpoint(self, row: np.ndarray, steps: int) -> Path:
        """The file of this candidate; those of others, which a kill may have left, are removed."""
        name = f"training-{integer_seed(steps, row.tobytes().hex()):016x}.safetensors"
        for other in self.folder.glob("training-*.safetensors"):
            if other.name != name:
                other.unlink(missing_ok=True)
        return self.folder / name

    def _keep_better(self, row: np.ndarray, network: fx.GraphModule, metrics: dict[str, float]) -> None:
        """Write the weights unless better ones, of another architecture, are there."""
        name = row.tobytes().hex()
        with contextlib.suppress(NasError):
            _, facts = load_tensors(self.best, "the best candidate's weights")
            kept = json.loads(facts["metrics"])
            if facts["row"] != name and self._rank(kept) >= self._rank(metrics):
                return
        save_tensors(self.best, network.state_dict(), {"row": name, "metrics": json.dumps(metrics)})

    def _rank(self, metrics: Mapping[str, float]) -> tuple[float, float]:
        """Larger is better: the first figure of the task, then the loss."""
        first = self.training.batches.task.headline
        return metrics[first.name] * (1 if first.direction == "maximize" else -1), -metrics["loss"]

    @torch.no_grad()
    def _require_varied(self, network: fx.GraphModule) -> None:
        images = self.validation[0].images.to(self.training.compute)
        scores = network(images).float()
        if len(scores) > 1 and float((scores.amax(dim=0) - scores.amin(dim=0)).max()) < SAME:
            raise ArithmeticError("the scores are the same for every image: the network does not depend on its input")
