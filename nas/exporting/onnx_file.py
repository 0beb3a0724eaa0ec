"""ONNX with a dynamic batch, and the proof that it computes what PyTorch does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nas.base.errors import NasError
from nas.base.files import replacing
from nas.base.quiet import quiet
from nas.exporting.comparison import Comparison, Scores, compare

OPSET = 18
"""The lowest operator set that torch's exporter writes without converting; 19 and 20 work as well."""

TOLERANCE = 1e-4
"""Largest difference to PyTorch, absolute for scores up to 1 and relative beyond, for float32."""


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
    with quiet():
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


def compare_onnx(network: nn.Module, path: Path, input_shape: Sequence[int], real: torch.Tensor | None = None) -> Comparison:
    """Run an ONNX file in onnxruntime beside the network; see `nas.exporting.comparison`."""
    import onnx
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    opset = {entry.domain: entry.version for entry in onnx.load(path, load_external_data=False).opset_import}.get("", 0)

    def run(images: Scores) -> Scores:
        (scores,) = session.run(None, {"images": images})
        return scores  # type: ignore[no-any-return]

    return compare(network, run, input_shape, TOLERANCE, real, opset)
