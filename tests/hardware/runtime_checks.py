"""What the tests of runtimes share: the runtimes, and small networks to run in them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hardware.runtimes.executorch import ExecuTorch
from hardware.runtimes.ncnn import Ncnn
from hardware.runtimes.onnxruntime import OnnxRuntime
from hardware.runtimes.openvino import OpenVino
from hardware.runtimes.pytorch import EagerPyTorch
from nas.base.errors import NasError
from nas.measuring import ProvenRuntime
from nas.measuring.blocks import Blocks
from nas.measuring.runner import load_loader
from nas.supernet import Task, open_space

RUNTIMES: dict[str, type[ProvenRuntime]] = {
    "executorch": ExecuTorch,
    "ncnn": Ncnn,
    "onnxruntime": OnnxRuntime,
    "openvino": OpenVino,
    "pytorch": EagerPyTorch,
}


def runtime(name: str) -> ProvenRuntime:
    """A runtime whose packages are installed here; the test is skipped otherwise."""
    found = RUNTIMES[name]()
    try:
        found.require()
    except NasError as error:
        pytest.skip(str(error))
    return found


@cache
def network(kind: str) -> tuple[nn.Module, tuple[int, ...]]:
    """A convolutional block, a transformer block, or a whole small network; with the shape of an image or of tokens."""
    generator = torch.random.get_rng_state()
    torch.manual_seed(0)
    try:
        if kind == "network":
            space = open_space("mbconv:single-path")
            supernet = space.supernet(3, 64, 10).eval()
            return supernet.extract(space.encode([space.smallest])[0]).eval(), (1, 3, 64, 64)
        name, unit = {"convolution": ("mbconv:single-path", "mbconv"), "transformer": ("vit:autoformer-t", "transformer")}[kind]
        space = open_space(name)
        blocks = Blocks(space, Task(3, 64, 10))
        block = next(block for block in blocks.all if block.kind == unit)
        return blocks.module(block), (1, *block.input)
    finally:
        torch.random.set_rng_state(generator)


def outputs(made: ProvenRuntime, kind: str, dtype: str, folder: Path) -> tuple[list[Any], list[Any]]:
    """What the runtime and PyTorch compute of two inputs; that they differ between the inputs is asserted."""
    module, shape = network(kind)
    path = folder / f"model{made.suffix}"
    made.convert(module, [shape], path, dtype)
    inputs = [np.random.default_rng(seed).standard_normal(shape, dtype=np.float32) for seed in (1, 2)]
    with torch.no_grad():
        expected = [module(torch.from_numpy(given)).numpy() for given in inputs]
    assert np.abs(expected[0] - expected[1]).max() > 0.01 * np.abs(expected[0]).max(), "the output does not depend on the input"
    loader: Any = load_loader(made.loader)
    assert loader.version()
    calls: list[Callable[[], Any]] = [loader.load(path, [given], 1, dtype) for given in inputs]
    found = [np.asarray(call()[0]).copy().reshape(expected[0].shape) for call in calls]
    return found, expected
