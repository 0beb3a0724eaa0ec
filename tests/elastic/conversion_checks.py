"""What must hold of every space that is made from a module."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

from nas.elastic import Conversion
from nas.supernet import Space, Statistics, Task


def images(count: int, side: int = 32, channels: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(seed))


def _attention_macs(inputs: list[Any], outputs: list[Any]) -> int:
    query, key, value = (tensor.type().sizes() for tensor in inputs[:3])
    return int(np.prod(query[:-1]) * key[-2] * (key[-1] + value[-1]))


def fvcore_macs(network: nn.Module, x: torch.Tensor) -> int:
    """Multiply-adds of convolutions, linear layers and matrix products by an independent count."""
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        analysis = FlopCountAnalysis(network, x).unsupported_ops_warnings(False)
        analysis.set_op_handle("aten::scaled_dot_product_attention", _attention_macs)
        counted = analysis.by_operator()
    return int(sum(counted[name] for name in ("conv", "linear", "matmul", "scaled_dot_product_attention")))


def assert_largest_is_the_module(space: Space, build: Conversion, module: nn.Module, side: int = 32) -> None:
    """In evaluation with the module's own statistics, and in training (dropout off), to float accuracy."""
    supernet = space.supernet(3, side, 10)
    supernet.activate(space.largest)
    statistics = Statistics(build.running_statistics())
    x = images(4, side, seed=3)
    with torch.no_grad():
        expected = module.eval()(x)
        supernet.eval()
        with supernet.using(statistics):
            torch.testing.assert_close(supernet(x), expected, atol=1e-5, rtol=1e-5)
        extracted = supernet.extract(space.largest, statistics).eval()
        torch.testing.assert_close(extracted(x), expected, atol=1e-5, rtol=1e-5)
    names = {name.replace(".module.", "."): parameter for name, parameter in extracted.named_parameters()}
    assert names.keys() == dict(module.named_parameters()).keys()
    for name, parameter in module.named_parameters():
        assert torch.equal(names[name], parameter), name


def assert_exact(space: Space, count: int, side: int = 32, seed: int = 0) -> None:
    """Random architectures: supernet = extracted network at batch 1 and 5, counts = independent counts."""
    rows = space.decisions.sample(np.random.default_rng(seed), count)
    rows = np.concatenate([rows, space.encode([space.smallest, space.largest])])
    supernet = space.supernet(3, side, 10)
    compiled = {metric: space.compiled(metric)(rows) for metric in ("macs", "params")}
    outputs = []
    for index, row in enumerate(rows):
        supernet.activate(row)
        statistics = supernet.calibrate([images(6, side, seed=4)])
        extracted = supernet.eval().extract(row, statistics)
        with supernet.using(statistics), torch.no_grad():
            for batch in (1, 5):
                x = images(batch, side, seed=5)
                inside = supernet(x)
                torch.testing.assert_close(inside, extracted(x), atol=1e-5, rtol=1e-5)
            outputs.append(inside)
        assert compiled["macs"][index] == fvcore_macs(extracted, images(1, side)), row
        assert compiled["params"][index] == sum(parameter.numel() for parameter in extracted.parameters()), row
    assert (outputs[-1] - outputs[-2]).abs().max() > 1e-4
    assert compiled["macs"][-2] < compiled["macs"][-1]


def space_of(build: Conversion, side: int = 32) -> Space:
    return Space("converted", build, task=Task(3, side, 10))
