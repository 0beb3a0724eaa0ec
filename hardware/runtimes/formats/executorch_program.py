"""A program of ExecuTorch with XNNPACK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from hardware.runtimes.formats import LOADERS
from hardware.runtimes.lowering import lowered
from nas.exporting import Format, Run, Source
from nas.measuring.runner import load_loader


class ExecuTorchProgram(Format):
    """For phones and boards: it takes one image at a time."""

    name = "executorch"
    files = ("model.pte",)
    summary = "ExecuTorch program in float32 with XNNPACK, for phones and boards; one image at a time"
    needs = "executorch"
    loading = """
import torch
from executorch.runtime import Runtime

program = Runtime.get().load_program("FILE")
method = program.load_method("forward")
scores = method.execute([torch.from_numpy(images[:1])])[0].numpy()
"""

    def write(self, source: Source, folder: Path) -> None:
        """See `Format.write`. The exporter's own passes take a minute for a large network."""
        sample = (torch.randn((1, *source.input_shape), generator=torch.Generator().manual_seed(0)),)
        (folder / self.main).write_bytes(lowered(source.network, [sample], "float32"))

    def open(self, path: Path, threads: int) -> Run:
        """See `Format.open`."""
        method = load_loader(LOADERS / "executorch_xnnpack.py").method(path, threads)

        def run(images: Any) -> Any:
            # What it returns lies in its own memory, which the next image overwrites.
            return np.concatenate([method([torch.from_numpy(image[None])])[0].numpy().copy() for image in images])

        return run
