"""ExecuTorch with XNNPACK, in float32 or with 8-bit integers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from hardware.runtimes.formats.executorch_program import ExecuTorchProgram
from hardware.runtimes.lowering import lowered
from hardware.runtimes.quantising import calibration
from nas.measuring import ProvenRuntime


class ExecuTorch(ProvenRuntime):
    """The runtime of PyTorch for phones and boards; what XNNPACK does not know runs in its plain, slow kernels.

    Its Python package stands on torch, so the loader is not taken to other machines.
    """

    summary = "ExecuTorch with XNNPACK, processor"
    dtypes = ("float32", "int8")
    suffix = ".pte"
    formats = (ExecuTorchProgram(),)
    loader: ClassVar[Path] = Path(__file__).parent / "loaders" / "executorch_xnnpack.py"
    remote = False
    packages = ("executorch", "torchao")
    extra = "executorch"

    def write(self, network: nn.Module, inputs: Sequence[tuple[int, ...]], path: Path, dtype: str) -> None:
        """See `ProvenRuntime`. It takes seconds for a block and a minute for a network: the exporter's own passes."""
        samples = [tuple(map(torch.from_numpy, sample)) for sample in calibration(inputs)]
        path.write_bytes(lowered(network, samples, dtype))
