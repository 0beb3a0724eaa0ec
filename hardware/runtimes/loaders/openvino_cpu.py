"""Loads an ONNX file in OpenVINO. It runs on the device and imports nothing but the runtime."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# OpenVINO's tools report usage to its makers; where that package cannot be imported they take a stub of their own.
modules: dict[str, Any] = sys.modules
modules["openvino_telemetry"] = None

import openvino  # noqa: E402


def version() -> str:
    """The runtime's version."""
    return str(openvino.__version__).split("-")[0]


def compiled(path: Path, threads: int, dtype: str) -> Any:
    """The model of an ONNX or IR file, compiled for the processor.

    Raises RuntimeError for bfloat16 on a processor without it.
    """
    core = openvino.Core()
    if dtype == "bfloat16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise RuntimeError("this processor has no bfloat16, which OpenVINO would imitate ten times slower; measure float32")
    settings = {
        # OpenVINO's own choice is bfloat16 on every processor that has it.
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[dtype],
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        # The runner has chosen the processors.
        "ENABLE_CPU_PINNING": False,
    }
    return core.compile_model(core.read_model(str(path)), "CPU", settings)


def load(path: Path, inputs: list[Any], threads: int, dtype: str) -> Callable[[], Any]:
    """A function that runs the model once. Raises RuntimeError for bfloat16 on a processor without it."""
    model = compiled(path, threads, dtype)
    request = model.create_infer_request()
    for number, given in enumerate(inputs):
        request.set_input_tensor(number, openvino.Tensor(given))
    outputs = range(len(model.outputs))

    def run() -> list[Any]:
        request.infer()
        return [request.get_output_tensor(number).data for number in outputs]

    return run
