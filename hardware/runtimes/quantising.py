"""Static quantisation of an ONNX file to 8-bit integers, for timing alone: ranges are those of random inputs."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nas.base.files import write_bytes

SAMPLES = 2


class _Random:
    """Inputs from which ranges are read."""

    def __init__(self, names: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> None:
        rng = np.random.default_rng(0)
        self._left = [
            {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in zip(names, shapes, strict=True)}
            for _ in range(SAMPLES)
        ]

    def get_next(self) -> dict[str, Any] | None:
        """The next one, or None."""
        return self._left.pop() if self._left else None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._left)


def quantise(path: Path, shapes: Sequence[tuple[int, ...]]) -> None:
    """Replace a float file by its quantised form: activations unsigned, weights signed and by channel.

    That is what onnxruntime's fused kernels take; other combinations of signs lose the fusion.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    CalibrationDataReader.register(_Random)
    names = [given.name for given in onnx.load(path).graph.input]
    with tempfile.TemporaryDirectory() as folder, _quiet():
        prepared, quantised = Path(folder) / "prepared.onnx", Path(folder) / "quantised.onnx"
        quant_pre_process(path, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            quantised,
            _Random(names, shapes),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        write_bytes(path, quantised.read_bytes())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser remarks on the root logger that files might be prepared, which they are."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
