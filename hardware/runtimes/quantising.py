"""Static quantisation of ONNX files to 8-bit integers."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.base.files import write_bytes
from nas.base.quiet import quiet

Sample = Sequence[npt.NDArray[np.float32]]
"""One array for each input of a network."""

SAMPLES = 2
"""Random inputs from which ranges are read where a network is only timed."""

WARNINGS, ERRORS = 2, 3
"""Levels of onnxruntime's own log; the first is its default."""


def calibration(shapes: Sequence[tuple[int, ...]]) -> list[Sample]:
    """Random inputs of these shapes, for files that are timed alone."""
    rng = np.random.default_rng(0)
    return [[rng.standard_normal(shape, dtype=np.float32) for shape in shapes] for _ in range(SAMPLES)]


class _Samples:
    """Inputs as onnxruntime asks for them."""

    def __init__(self, names: Sequence[str], samples: Sequence[Sample]) -> None:
        self._left = iter([dict(zip(names, sample, strict=True)) for sample in samples])

    def get_next(self) -> dict[str, Any] | None:
        """The next one, or None."""
        return next(self._left, None)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._left


def quantise(path: Path, samples: Sequence[Sample]) -> None:
    """Replace a float file by its quantised form: activations unsigned, weights signed and by channel.

    That is what onnxruntime's fused kernels take; other combinations of signs lose the fusion.

    Args:
        samples: inputs whose smallest and largest activations become the ranges.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    CalibrationDataReader.register(_Samples)
    names = [given.name for given in onnx.load(path).graph.input]
    with tempfile.TemporaryDirectory() as folder, _quiet():
        prepared, quantised = Path(folder) / "prepared.onnx", Path(folder) / "quantised.onnx"
        quant_pre_process(path, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            quantised,
            _Samples(names, samples),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={
                "TensorQuantOverrides": {name: [{"quant_type": QuantType.QInt8}] for name in _batched(onnx.load(prepared))}
            },
        )
        write_bytes(path, quantised.read_bytes())


def _batched(model: Any) -> set[str]:
    """Constants that are a matrix for each element of a batch: onnxruntime's kernel takes one scale for the whole of such."""
    ranks = {constant.name: len(constant.dims) for constant in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type == "MatMul"]
    return {name for node in products for name in node.input if ranks.get(name, 0) > 2}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser remarks that files might be prepared, which they are, and its sessions on constants."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(ERRORS)
    try:
        with quiet():
            yield
    finally:
        onnxruntime.set_default_logger_severity(WARNINGS)
