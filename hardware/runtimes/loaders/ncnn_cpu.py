"""Loads a network in ncnn. It runs on the device and imports nothing but the runtime and numpy."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ncnn
import numpy


def version() -> str:
    """The runtime's version."""
    return str(ncnn.__version__)


def load(path: Path, inputs: list[Any], threads: int, dtype: str) -> Callable[[], Any]:
    """A function that runs the model once. Raises RuntimeError for a network that ncnn cannot load or run."""
    network = ncnn.Net()
    options = network.opt
    options.num_threads = threads
    for name in dir(options):
        # Narrower numbers are ncnn's own choice on processors that have them.
        if name.startswith(("use_fp16", "use_bf16")):
            setattr(options, name, False)
    if threads > 1:
        # Threads that spin while they wait take the processors from those that work.
        options.openmp_blocktime = 0
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        for name in ("model.param", "model.bin"):
            archive.extract(name, folder)
        if network.load_param(f"{folder}/model.param") or network.load_model(f"{folder}/model.bin"):
            raise RuntimeError("ncnn lacks an operator of this network or its form (transformers are often affected)")
    names, outputs = network.input_names(), network.output_names()
    given = [ncnn.Mat(numpy.ascontiguousarray(array[0])).clone() for array in inputs]

    def run() -> list[Any]:
        extractor = network.create_extractor()
        for name, mat in zip(names, given):  # noqa: B905  # Pythons of boards are older than `strict`
            extractor.input(name, mat)
        found = []
        for name in outputs:
            code, output = extractor.extract(name)
            if code:
                raise RuntimeError(f"ncnn stopped with code {code}")
            found.append(numpy.array(output))
        return found

    return run
