"""ncnn on the processor, in float32."""

from __future__ import annotations

import subprocess
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from nas.base.errors import NasError
from nas.measuring import ProvenRuntime


class Ncnn(ProvenRuntime):
    """Files by way of pnnx, which translates what it knows and leaves out the rest: what is not the same is refused."""

    summary = "ncnn, processor"
    suffix = ".ncnn.zip"
    loader: ClassVar[Path] = Path(__file__).parent / "loaders" / "ncnn_cpu.py"
    packages = ("ncnn", "pnnx")
    extra = "ncnn"

    def write(self, network: nn.Module, inputs: Sequence[tuple[int, ...]], path: Path, dtype: str) -> None:
        """See `ProvenRuntime`. Raises NasError for more than one image at a time, which ncnn does not know."""
        if any(shape[0] != 1 for shape in inputs):
            raise NasError(f"ncnn runs one image at a time, not {inputs[0][0]}; measure batch 1, or choose another runtime")
        folder = path.parent
        given = tuple(torch.zeros(shape) for shape in inputs)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.jit.trace(network, given, check_trace=False).save(str(folder / "traced.pt"))
        _translate(folder, inputs)
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(folder / "traced.ncnn.param", "model.param")
            archive.write(folder / "traced.ncnn.bin", "model.bin")


def _translate(folder: Path, inputs: Sequence[tuple[int, ...]]) -> None:
    """Run pnnx on a traced network; weights stay in float32."""
    from pnnx import EXEC_PATH

    shapes = ",".join("[" + ",".join(map(str, shape)) + "]" for shape in inputs)
    command = [EXEC_PATH, "traced.pt", f"inputshape={shapes}", "fp16=0"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode or not (folder / "traced.ncnn.param").exists():
        last = [line for line in done.stderr.splitlines() if line.strip()][-1:]
        raise NasError(f"pnnx cannot translate this network for ncnn ({' '.join(last) or f'exit code {done.returncode}'})")
