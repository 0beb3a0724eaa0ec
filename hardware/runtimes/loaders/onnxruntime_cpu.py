"""Loads an ONNX file in onnxruntime. It runs on the device and imports nothing but the runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime


def version() -> str:
    """The runtime's version."""
    return str(onnxruntime.__version__)


def session(path: Path, threads: int) -> Any:
    """The model, optimised for the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    if threads > 1:
        # Threads that spin while they wait take the processors from those that work.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def load(path: Path, inputs: list[Any], threads: int, dtype: str) -> Callable[[], Any]:
    """A function that runs the model once."""
    opened = session(path, threads)
    names = [given.name for given in opened.get_inputs()]
    feed = dict(zip(names, inputs))  # noqa: B905  # Pythons of boards are older than `strict`
    return lambda: opened.run(None, feed)
