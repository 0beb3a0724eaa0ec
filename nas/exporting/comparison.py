"""The proof that a file computes what PyTorch does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from nas.exporting.rounding import rounding_error, tolerated

Scores = npt.NDArray[np.float32]
Run = Callable[[npt.NDArray[np.float32]], Scores]
"""Images (N, C, H, W), normalised -> scores (N, classes)."""

BATCHES = (1, 7)


@dataclass(frozen=True)
class Comparison:
    """How far a file in its runtime is from PyTorch.

    Attributes:
        opset: of ONNX files; None for other formats.
        largest_difference: over all inputs and scores, divided by the largest score where that is above 1.
        varied: whether the scores differed between inputs; without that, agreement would mean nothing.
        rounding: where the difference is above the tolerance, how far PyTorch's own float32 scores are from float64, in the
            same measure; a network that is hardly trained can magnify rounding without bound.
    """

    opset: int | None
    inputs: dict[str, float]
    largest_difference: float
    tolerance: float
    varied: bool
    rounding: float = 0.0

    @property
    def tolerated(self) -> float:
        """The largest difference that is accepted: the tolerance, or more where PyTorch itself rounds by more."""
        return tolerated(self.tolerance, self.rounding)

    @property
    def agrees(self) -> bool:
        """Whether the file may be used in place of the network: it is as near to it as float32 allows."""
        return self.varied and self.largest_difference <= self.tolerated

    def to_json(self) -> dict[str, Any]:
        """All figures and the verdict."""
        return {**asdict(self), "agrees": self.agrees}


@torch.no_grad()
def compare(
    network: nn.Module,
    run: Run,
    input_shape: Sequence[int],
    tolerance: float,
    real: torch.Tensor | None = None,
    opset: int | None = None,
) -> Comparison:
    """Run a file beside its network, on random and real images, at batch 1 and 7.

    Args:
        network: plain torch, in evaluation mode, on the CPU.
        run: the file in its runtime.
        input_shape: (C, H, W).
        tolerance: largest difference, absolute for scores up to 1 and relative beyond, that counts as agreement.
        real: images (N, C, H, W), normalised.
    """
    generator = torch.Generator().manual_seed(1)
    inputs = {f"random, batch {n}": torch.randn((n, *input_shape), generator=generator) for n in BATCHES}
    if real is not None:
        inputs |= {f"real, batch {n}": real[:n].contiguous() for n in BATCHES if len(real) >= n}
    differences = {}
    outputs = []
    for name, images in inputs.items():
        expected = network(images).numpy()
        got = run(images.numpy())
        differences[name] = float(np.abs(expected - got).max() / max(1.0, float(np.abs(expected).max())))
        outputs.append(expected)
    varied = bool(np.ptp(np.concatenate(outputs), axis=0).max() > 1e-6)
    largest = max(differences.values())
    rounding = rounding_error(network, list(inputs.values()), 1.0) if largest > tolerance else 0.0
    return Comparison(opset, differences, largest, tolerance, varied, rounding)
