"""ONNX files in float32, float16 and 8-bit integers, run by onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hardware.runtimes.formats import LOADERS
from hardware.runtimes.quantising import quantise
from nas.exporting import Format, Run, Source
from nas.measuring.runner import load_loader


class OnnxFormat(Format):
    """The file that every export writes."""

    name = "onnx"
    files = ("model.onnx",)
    summary = "ONNX in float32, for any ONNX runtime"
    needs = "onnxruntime"
    loading = """
import onnxruntime

session = onnxruntime.InferenceSession("FILE", providers=["CPUExecutionProvider"])
(scores,) = session.run(None, {"images": images})
"""

    def write(self, source: Source, folder: Path) -> None:
        """See `Format.write`."""
        (folder / self.main).write_bytes(source.onnx.read_bytes())

    def open(self, path: Path, threads: int) -> Run:
        """See `Format.open`."""
        session = load_loader(LOADERS / "onnxruntime_cpu.py").session(path, threads)
        (given,) = session.get_inputs()

        def run(images: Any) -> Any:
            return session.run(None, {given.name: images})[0]

        return run


class OnnxFloat16(OnnxFormat):
    """Weights and arithmetic in half precision; images and scores stay in float32."""

    name = "onnx-fp16"
    files = ("model-fp16.onnx",)
    summary = "ONNX in float16: half the size"
    exact = False

    def write(self, source: Source, folder: Path) -> None:
        """See `Format.write`."""
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16

        onnx.save(convert_float_to_float16(onnx.load(source.onnx), keep_io_types=True), folder / self.main)


class OnnxInt8(OnnxFormat):
    """Static quantisation: weights by channel, activations in the ranges that calibration images show.

    Pairs of nodes that quantise and dequantise (QDQ) surround the operators, which runtimes then fuse.
    """

    name = "onnx-int8"
    files = ("model-int8.onnx",)
    summary = "ONNX in 8-bit integers, with ranges of training images: a quarter of the size"
    exact = False
    calibrated = True

    def write(self, source: Source, folder: Path) -> None:
        """See `Format.write`."""
        import onnx

        path = folder / self.main
        path.write_bytes(source.onnx.read_bytes())
        quantise(path, [[images] for images in source.calibration])
        model = onnx.load(path)
        del model.metadata_props[:]
        model.metadata_props.extend(onnx.load(source.onnx).metadata_props)
        onnx.save(model, path)
