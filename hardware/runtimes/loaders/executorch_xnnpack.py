"""Loads an ExecuTorch program. It imports nothing but the runtime and torch, whose tensors the runtime takes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from executorch.extension.pybindings import portable_lib
    from executorch.runtime import Runtime


def version() -> str:
    """The runtime's version."""
    return metadata.version("executorch")


def load(path: Path, inputs: list[Any], threads: int, dtype: str) -> Callable[[], Any]:
    """A function that runs the model once."""
    if portable_lib._threadpool_get_thread_count() != threads:
        portable_lib._unsafe_reset_threadpool(threads)
    # The method needs the program's memory.
    program = Runtime.get().load_program(Path(path).read_bytes())
    method = program.load_method("forward")
    assert method is not None
    given = [torch.from_numpy(array) for array in inputs]

    def run() -> Any:
        return method.execute(given)

    run.program = program  # type: ignore[attr-defined]
    return run
