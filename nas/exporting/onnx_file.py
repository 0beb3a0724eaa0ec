"""ONNX with a dynamic batch, and the proof that it computes what PyTorch does."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nas.base.errors import NasError
from nas.base.files import replacing
from nas.exporting.rounding import rounding_error, tolerated

OPSET = 18
"""The lowest operator set that torch's exporter writes without converting; 19 and 20 work as well."""

TOLERANCE = 1e-4
"""Largest difference to PyTorch, absolute for scores up to 1 and relative beyond, for float32."""

BATCHES = (1, 7)


@dataclass(frozen=True)
class Comparison:
    """How far onnxruntime is from PyTorch.

    Attributes:
        largest_difference: over all inputs and scores, divided by the largest score where that is above 1.
        varied: whether the scores differed between inputs; without that, agreement would mean nothing.
        rounding: where the difference is above the tolerance, how far PyTorch's own float32 scores are from float64, in the
            same measure; a network that is hardly trained can magnify rounding without bound.
    """

    opset: int
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


def export_onnx(
    network: nn.Module,
    path: Path,
    input_shape: Sequence[int],
    metadata: Mapping[str, Any],
    real: torch.Tensor | None = None,
) -> Comparison:
    """Write a network as ONNX, compare it in onnxruntime, and only then put the file in its place.

    Args:
        network: plain torch, in evaluation mode, on the CPU.
        input_shape: (C, H, W); the batch is dynamic.
        metadata: stored in the file as texts (JSON where a value is no text).
        real: images (N, C, H, W), normalised, to compare on besides random ones.

    Raises:
        NasError: the file does not compute what the network does; nothing is written then.
    """
    import onnx

    example = torch.randn((2, *input_shape), generator=torch.Generator().manual_seed(0))
    batch = torch.export.Dim("batch", min=1)
    with _quiet():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            input_names=["images"],
            output_names=["scores"],
            dynamic_shapes=({0: batch},),
            verbose=False,
        )
    if program is None:
        raise NasError("torch's ONNX exporter returned nothing for this network")
    model = program.model_proto
    written = {entry.domain: entry.version for entry in model.opset_import}.get("", 0)
    if written != OPSET:
        raise NasError(f"torch's exporter wrote operator set {written} instead of {OPSET}; use the torch of constraints.txt")
    for name, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, value if isinstance(value, str) else json.dumps(value)
    onnx.checker.check_model(model)
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
        comparison = compare_onnx(network, temporary, input_shape, real)
        if not comparison.agrees:
            raise NasError(
                f"the ONNX file was not written: it differs from PyTorch by {comparison.largest_difference:.1e} "
                f"(at most {comparison.tolerated:.1e} is accepted, with PyTorch's own rounding error of "
                f"{comparison.rounding:.1e}; scores vary with the input: {comparison.varied})"
            )
    return comparison


@torch.no_grad()
def compare_onnx(network: nn.Module, path: Path, input_shape: Sequence[int], real: torch.Tensor | None = None) -> Comparison:
    """Run an ONNX file in onnxruntime beside the network, on random and real images, at batch 1 and 7."""
    import onnx
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    opset = {entry.domain: entry.version for entry in onnx.load(path, load_external_data=False).opset_import}.get("", 0)
    generator = torch.Generator().manual_seed(1)
    inputs = {f"random, batch {n}": torch.randn((n, *input_shape), generator=generator) for n in BATCHES}
    if real is not None:
        inputs |= {f"real, batch {n}": real[:n].contiguous() for n in BATCHES if len(real) >= n}
    differences = {}
    outputs = []
    for name, images in inputs.items():
        expected = network(images).numpy()
        (got,) = session.run(None, {"images": images.numpy()})
        differences[name] = float(np.abs(expected - got).max() / max(1.0, float(np.abs(expected).max())))
        outputs.append(expected)
    scores = np.concatenate(outputs)
    varied = bool(np.ptp(scores, axis=0).max() > 1e-6)
    largest = max(differences.values())
    rounding = rounding_error(network, list(inputs.values()), 1.0) if largest > TOLERANCE else 0.0
    return Comparison(opset, differences, largest, TOLERANCE, varied, rounding)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter remarks on its own internals in three ways; none of it concerns the user."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
