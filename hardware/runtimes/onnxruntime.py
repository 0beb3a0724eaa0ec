"""onnxruntime on the processor, in float32 or with 8-bit integers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from torch import nn

from hardware.runtimes.formats.onnx_files import OnnxFloat16, OnnxFormat, OnnxInt8
from hardware.runtimes.quantising import calibration, quantise
from nas.measuring import ProvenRuntime
from nas.measuring.onnx_block import write_onnx_block


class OnnxRuntime(ProvenRuntime):
    """The default: what the exported files are checked in. It is installed with nas."""

    summary = "onnxruntime, processor"
    dtypes = ("float32", "int8")
    formats = (OnnxFormat(), OnnxFloat16(), OnnxInt8())
    loader: ClassVar[Path] = Path(__file__).parent / "loaders" / "onnxruntime_cpu.py"

    def write(self, network: nn.Module, inputs: Sequence[tuple[int, ...]], path: Path, dtype: str) -> None:
        """See `ProvenRuntime`."""
        write_onnx_block(network, inputs, path)
        if dtype == "int8":
            quantise(path, calibration(inputs))
