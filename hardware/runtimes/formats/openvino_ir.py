"""OpenVINO's intermediate representation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hardware.runtimes.formats import LOADERS
from nas.exporting import Format, Run, Source
from nas.measuring.runner import load_loader


class OpenVinoIr(Format):
    """The network in .xml, its weights in .bin; both are needed, in one folder."""

    name = "openvino"
    files = ("model.bin", "model.xml")
    summary = "OpenVINO IR in float32, for processors and graphics of Intel"
    needs = "openvino"
    loading = """
import openvino

compiled = openvino.Core().compile_model("FILE", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
scores = compiled(images)[0]
"""

    def write(self, source: Source, folder: Path) -> None:
        """See `Format.write`."""
        load_loader(LOADERS / "openvino_cpu.py")  # imports the package without its telemetry
        import openvino

        openvino.save_model(openvino.convert_model(str(source.onnx)), folder / self.main, compress_to_fp16=False)

    def open(self, path: Path, threads: int) -> Run:
        """See `Format.open`."""
        compiled = load_loader(LOADERS / "openvino_cpu.py").compiled(path, threads, "float32")

        def run(images: Any) -> Any:
            return compiled(images)[0]

        return run
