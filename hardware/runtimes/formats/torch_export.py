"""An archive of torch.export, which torch runs without the network's source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from nas.base.quiet import quiet
from nas.exporting import Format, Run, Source


class TorchExport(Format):
    """Torch reads such archives with pickle, so that only one's own are safe to open."""

    name = "torch-export"
    files = ("model.pt2",)
    summary = "torch.export archive, for torch, AOTInductor and torch's other compilers"
    runs_code = True
    needs = "torch"
    loading = """
import torch

network = torch.export.load("FILE").module()
scores = network(torch.from_numpy(images)).detach().numpy()
"""

    def write(self, source: Source, folder: Path) -> None:
        """See `Format.write`."""
        example = torch.randn((2, *source.input_shape), generator=torch.Generator().manual_seed(0))
        batch = torch.export.Dim("batch", min=1)
        with torch.no_grad(), quiet():
            program = torch.export.export(source.network, (example,), dynamic_shapes=({0: batch},))
            torch.export.save(program, folder / self.main)

    def open(self, path: Path, threads: int) -> Run:
        """See `Format.open`. Torch's own number of threads holds."""
        network = torch.export.load(path).module()

        def run(images: Any) -> Any:
            with torch.no_grad():
                return network(torch.from_numpy(images)).numpy()

        return run
