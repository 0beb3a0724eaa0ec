"""A network on its way out of a run: the files that every search and every retraining leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx

from nas.architectures import Architecture
from nas.base.errors import NasError
from nas.data import Batch, ImageData, fixed_batches
from nas.data.tasks import task_in
from nas.exporting import Comparison, Preprocessing, export_onnx, write_plain
from nas.jobs.run import Run
from nas.runs import Manifest, RunFolder
from nas.runs.winner import winner_of
from nas.supernet import Space, Task, without_resize

REAL = 7
"""Validation images on which files are compared with PyTorch."""


@dataclass(frozen=True)
class Product:
    """One network of a run with its weights, and what must be known to use it.

    Attributes:
        network: in evaluation mode on the CPU, for images of the task's resolution.
        task: what it was trained for.
    """

    network: fx.GraphModule
    space: Space
    architecture: Architecture
    task: Task
    manifest: Manifest

    @property
    def title(self) -> str:
        """One line that says what the network is, for the head of its source."""
        if self.manifest.kind == "retrain":
            return f"A network of {self.space.name}, trained on {self.manifest.data['name']}"
        return f"The winner of a search of {self.space.name}"

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images that exported files take: of the resolution found where that is searched."""
        return self.space.input_shape(self.architecture, self.task)

    @cached_property
    def deployed(self) -> fx.GraphModule:
        """The network as it is exported, for images of `input_shape`."""
        return without_resize(self.network)

    @property
    def preprocessing(self) -> Preprocessing:
        """What a picture must become, and what the scores mean."""
        data = self.manifest.data
        known = ("name", "fingerprint", "resolution", "seed", "reading")
        kept: dict[str, Any] = {name: data[name] for name in known if name in data}
        return Preprocessing(task_in(data, data["classes"]), self.input_shape, tuple(data["mean"]), tuple(data["std"]), kept)

    def sized(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) of the task's resolution, as exported files take them."""
        shape = self.input_shape
        if tuple(images.shape[1:]) != shape:
            images = F.interpolate(images, size=shape[1:], mode="bicubic", align_corners=False)
        return images.contiguous()

    def batches(self, data: ImageData, split: str, size: int, limit: int | None = None) -> Iterator[Batch]:
        """Fixed images of a split of the run's data, as exported files take them."""
        for batch in fixed_batches(data, split, size, limit):
            yield Batch(self.sized(batch.images), batch.targets)

    def write(self, folder: RunFolder, data: ImageData | None) -> Comparison:
        """Write source, weights, ONNX, and beside them what the input must be; ONNX is compared with PyTorch first.

        Args:
            data: whose images are compared on besides random ones, where it is still there.

        Raises:
            NasError: a file does not compute what the network does; it is not written then.
        """
        write_plain(self.network, folder.model, folder.weights, self.title, self.task.input_shape)
        comparison = write_onnx(self, folder.onnx, data)
        self.preprocessing.write(folder.path)
        return comparison


def write_onnx(product: Product, path: Path, data: ImageData | None) -> Comparison:
    """Write the ONNX file alone; see `Product.write`."""
    real = None if data is None else next(product.batches(data, "validation", REAL, REAL)).images
    metadata: dict[str, Any] = {
        "architecture": product.architecture.to_json(),
        **product.preprocessing.to_json(),
        "data": product.manifest.data["name"],
        "nas-toolkit": product.manifest.versions["nas-toolkit"],
    }
    return export_onnx(product.deployed, path, product.input_shape, metadata, real)


def product_of(path: str | Path, space: Space | None = None) -> Product:
    """The network that a finished search or retraining has left, from its weights and its space.

    Args:
        space: for a run of a space that only exists as an object: the same again.

    Raises:
        NasError: the run is not finished or has no weights, or these are of another network.
    """
    run = Run(path, space)
    folder, manifest = run.folder, run.manifest
    architecture = run.winner
    if not manifest.trains:
        raise NasError(
            f"run {path} looked its results up and trained nothing: its winner has no weights to export; train it with: nas "
            f"retrain {path} --scratch"
        )
    task = Task(**manifest.plan["trained_at"])
    network = winner_of(folder, run.space, architecture, task).eval()
    return Product(network, run.space, architecture, task, manifest)
