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


def method(path: Path, threads: int) -> Callable[[list[Any]], Any]:
    """A function that runs the model on some tensors, and returns a list of tensors."""
    if portable_lib._threadpool_get_thread_count() != threads:
        portable_lib._unsafe_reset_threadpool(threads)
    program = Runtime.get().load_program(Path(path).read_bytes())
    # A method runs in the memory of its program, which must live as long.
    kept = program, program.load_method("forward")
    return lambda given: kept[1].execute(given)


def load(path: Path, inputs: list[Any], threads: int, dtype: str) -> Callable[[], Any]:
    """A function that runs the model once."""
    run = method(path, threads)
    given = [torch.from_numpy(array) for array in inputs]
    return lambda: run(given)
