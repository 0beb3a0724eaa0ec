"""What the tests of the MBConv presets check in the same way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import fx, nn

from nas.architectures.decisions import Rows
from nas.exporting import export_onnx
from nas.supernet import Space, Task

SMALL = Task(3, 32, 6)


def drawn(space: Space, count: int, seed: int = 0) -> Rows:
    """Random architectures, then the smallest, the largest and the published ones."""
    random = space.decisions.sample(np.random.default_rng(seed), count)
    named = space.encode([space.smallest, space.largest, *space.known.values()])
    return np.asfortranarray(np.concatenate([random, named]))


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    """In the order in which an extracted network runs them."""
    assert isinstance(network, fx.GraphModule)
    called = [network.get_submodule(str(node.target)) for node in network.graph.nodes if node.op == "call_module"]
    return [module for module in called if isinstance(module, nn.Conv2d)]


def assert_onnx(space: Space, row: np.ndarray, folder: Path, calibrated: bool) -> None:
    """The exported file computes what the extracted network does.

    Args:
        calibrated: whether batch norms have statistics of their own; an untrained network of sixty of them amplifies the
            rounding of float32 beyond the tolerance, and has fresh ones instead.
    """
    supernet = space.supernet(SMALL.channels, SMALL.resolution, SMALL.classes)
    supernet.activate(row)
    images = torch.randn(128, *SMALL.input_shape, generator=torch.Generator().manual_seed(1))
    extracted = supernet.extract(row, supernet.calibrate([images]) if calibrated else None).eval()
    assert export_onnx(extracted, folder / "network.onnx", SMALL.input_shape, {}).agrees
