"""The ONNX file of a run's winner: for images of the resolution that the winner works on, and with what it says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx

from nas.architectures import Architecture
from nas.data import CLASSIFICATION
from nas.exporting import Comparison, export_onnx
from nas.runs import Manifest
from nas.supernet import Space, Task, without_resize


def write_onnx(
    network: fx.GraphModule,
    path: Path,
    space: Space,
    architecture: Architecture,
    task: Task,
    manifest: Manifest,
    real: torch.Tensor | None,
) -> Comparison:
    """Write a network of a run as ONNX, compared with PyTorch first.

    Where the resolution is searched, the file takes images of the resolution found, not of the one trained at.

    Args:
        task: what the network was trained for.
        real: images (N, C, H, W) of the task's resolution, to compare on besides random ones.

    Raises:
        NasError: the file does not compute what the network does; nothing is written then.
    """
    shape = space.input_shape(architecture, task)
    if real is not None and tuple(real.shape[1:]) != shape:
        real = F.interpolate(real, size=shape[1:], mode="bicubic", align_corners=False)
    return export_onnx(without_resize(network), path, shape, _metadata(architecture, shape, manifest), real)


def _metadata(architecture: Architecture, shape: tuple[int, int, int], manifest: Manifest) -> dict[str, Any]:
    data = manifest.data
    standardised: dict[str, Any] = {name: data[name] for name in ("target_mean", "target_std") if name in data}
    return {
        "architecture": architecture.to_json(),
        "classes": data["classes"],
        "mean": data["mean"],
        "std": data["std"],
        "input_shape": ["batch", *shape],
        "input": "pixels scaled to [0, 1], minus mean, divided by std, per channel",
        "task": data.get("task", CLASSIFICATION.kind),
        **standardised,
        "data": data["name"],
        "nas-toolkit": manifest.versions["nas-toolkit"],
    }
