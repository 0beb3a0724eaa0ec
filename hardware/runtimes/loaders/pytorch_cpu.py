"""Builds a PyTorch network from source and arrays. It runs on the device and imports nothing but torch and numpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import torch


def version() -> str:
    """The runtime's version."""
    return str(torch.__version__)


def load(path: Path, inputs: list[Any], threads: int, dtype: str) -> Callable[[], Any]:
    """A function that runs the model once."""
    torch.set_num_threads(threads)
    with numpy.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    names: dict[str, Any] = {}
    # As trusted as this file, which lies in the same folder: both were written there by `nas measure`.
    exec(compile(str(arrays.pop("source")), "network.py", "exec"), names)
    with torch.device("meta"):
        network = names["Network"]()
    weights = {name[len("weights.") :]: torch.from_numpy(array) for name, array in arrays.items()}
    network.load_state_dict(weights, assign=True)
    network = network.eval().to(memory_format=torch.channels_last)
    given = [torch.from_numpy(array) for array in inputs]
    given = [each.to(memory_format=torch.channels_last) if each.ndim == 4 else each for each in given]

    def run() -> list[Any]:
        with torch.inference_mode():
            return [network(*given)]

    return run
