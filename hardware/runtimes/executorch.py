"""ExecuTorch with XNNPACK, in float32 or with 8-bit integers."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from hardware.runtimes.quantising import calibration
from nas.measuring import ProvenRuntime


class ExecuTorch(ProvenRuntime):
    """The runtime of PyTorch for phones and boards; what XNNPACK does not know runs in its plain, slow kernels.

    Its Python package stands on torch, so the loader is not taken to other machines.
    """

    summary = "ExecuTorch with XNNPACK, processor"
    dtypes = ("float32", "int8")
    suffix = ".pte"
    loader: ClassVar[Path] = Path(__file__).parent / "loaders" / "executorch_xnnpack.py"
    remote = False
    packages = ("executorch", "torchao")
    extra = "executorch"

    def write(self, network: nn.Module, inputs: Sequence[tuple[int, ...]], path: Path, dtype: str) -> None:
        """See `ProvenRuntime`. It takes seconds for a block and a minute for a network: the exporter's own passes."""
        with _quiet(), torch.no_grad():
            from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
            from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

            samples = [tuple(map(torch.from_numpy, sample)) for sample in calibration(inputs)]
            program = torch.export.export(network, samples[0])
            if dtype == "int8":
                program = torch.export.export(_quantised(program.module(), samples), samples[0])
            lowered = to_edge_transform_and_lower(
                program,
                partitioner=[XnnpackPartitioner()],
                compile_config=EdgeCompileConfig(_check_ir_validity=False),
            )
            path.write_bytes(lowered.to_executorch().buffer)


def _quantised(captured: nn.Module, samples: Sequence[tuple[torch.Tensor, ...]]) -> Any:
    """The captured network with activations and, by channel, weights in 8 bits; ranges are those of the samples."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(captured, quantizer)
    for sample in samples:
        prepared(*sample)
    return convert_pt2e(prepared)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Both packages remark on kernels for other devices as they are imported."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
