"""A network as a program of ExecuTorch, with what XNNPACK knows handed to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from nas.base.quiet import quiet


def lowered(network: nn.Module, samples: Sequence[tuple[torch.Tensor, ...]], dtype: str) -> bytes:
    """The program's file, for inputs of just these shapes.

    Args:
        samples: inputs; the ranges of 8-bit integers are those of the samples.
        dtype: 'float32' or 'int8'.
    """
    with quiet(), torch.no_grad():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

        program = torch.export.export(network, samples[0])
        if dtype == "int8":
            program = torch.export.export(_quantised(program.module(), samples), samples[0])
        edge = to_edge_transform_and_lower(
            program,
            partitioner=[XnnpackPartitioner()],
            compile_config=EdgeCompileConfig(_check_ir_validity=False),
        )
        return bytes(edge.to_executorch().buffer)


def _quantised(captured: nn.Module, samples: Sequence[tuple[torch.Tensor, ...]]) -> Any:
    """The captured network with activations and, by channel, weights in 8 bits; ranges are those of the samples."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(captured, quantizer)
    for sample in samples:
        prepared(*sample)
    return convert_pt2e(prepared)
