"""A network or a part of one as ONNX, quickly: a table needs hundreds of files."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from nas.base.files import replacing

OPSET = 18


def write_onnx_block(network: nn.Module, inputs: Sequence[tuple[int, ...]], path: Path) -> None:
    """Write a network of static shapes as ONNX.

    By torch's exporter on traces, which takes a fortieth of the time of the one on captured programs that writes the files
    for products; `experiments/exporters.py` compares how fast the two kinds of files run.

    Args:
        inputs: shapes with the batch.
    """
    generator = torch.Generator().manual_seed(0)
    given = tuple(torch.randn(shape, generator=generator) for shape in inputs)
    with replacing(path) as temporary, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, given, temporary, dynamo=False, opset_version=OPSET, verbose=False)
