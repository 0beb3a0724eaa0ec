"""onnxruntime on the processor, in float32 or with 8-bit integers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from torch import nn

from nas.measuring import ProvenRuntime
from nas.measuring.onnx_block import write_onnx_block


class OnnxRuntime(ProvenRuntime):
    """The default: what the exported files are checked in. It is installed with nas."""

    summary = "onnxruntime, processor"
    dtypes = ("float32", "int8")
    loader: ClassVar[Path] = Path(__file__).parent / "loaders" / "onnxruntime_cpu.py"

    def write(self, network: nn.Module, inputs: Sequence[tuple[int, ...]], path: Path, dtype: str) -> None:
        """See `ProvenRuntime`."""
        write_onnx_block(network, inputs, path)
        if dtype == "int8":
            from hardware.runtimes.quantising import quantise

            quantise(path, inputs)
