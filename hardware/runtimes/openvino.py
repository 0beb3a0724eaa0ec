"""OpenVINO on the processor, in float32 or bfloat16."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from torch import nn

from hardware.runtimes.formats.openvino_ir import OpenVinoIr
from nas.measuring import ProvenRuntime
from nas.measuring.onnx_block import write_onnx_block


class OpenVino(ProvenRuntime):
    """Reads ONNX files, and compiles them for the processor as it loads them."""

    summary = "OpenVINO, processor"
    dtypes = ("float32", "bfloat16")
    formats = (OpenVinoIr(),)
    loader: ClassVar[Path] = Path(__file__).parent / "loaders" / "openvino_cpu.py"
    packages = ("openvino",)
    extra = "openvino"

    def write(self, network: nn.Module, inputs: Sequence[tuple[int, ...]], path: Path, dtype: str) -> None:
        """See `ProvenRuntime`. The file is the same for both types: the loader asks for the one to compute in."""
        write_onnx_block(network, inputs, path)
