"""PyTorch as it is, operator by operator, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import fx, nn

from hardware.runtimes.formats.torch_export import TorchExport
from nas.exporting.plain import plain_source
from nas.measuring import ProvenRuntime
from nas.measuring.operators import Bare


class EagerPyTorch(ProvenRuntime):
    """What a network costs where it is used from Python, uncompiled: the same modules that an exported network has."""

    summary = "eager PyTorch, processor, channels last"
    suffix = ".npz"
    formats = (TorchExport(),)
    loader: ClassVar[Path] = Path(__file__).parent / "loaders" / "pytorch_cpu.py"

    def write(self, network: nn.Module, inputs: Sequence[tuple[int, ...]], path: Path, dtype: str) -> None:
        """See `ProvenRuntime`. The file holds the Python source that is exported for users, and weights as plain arrays."""
        traced = _traced(network, len(inputs))
        source = plain_source(traced, "A network to be timed.", path.name)
        weights = {f"weights.{name}": tensor.detach().numpy() for name, tensor in traced.state_dict().items()}
        arrays: dict[str, Any] = {"source": np.array(source), **weights}
        np.savez(path, **arrays)  # numpy 2.0 would keep `allow_pickle=False` as one more array; none of these is pickled


def _traced(network: nn.Module, inputs: int) -> fx.GraphModule:
    """The graph of a network, or of an operator by itself, whose function takes any number of inputs."""
    if isinstance(network, fx.GraphModule):
        return network
    if not isinstance(network, Bare):
        return fx.symbolic_trace(network)
    graph = fx.Graph()
    tracer = fx.proxy.GraphAppendingTracer(graph)
    output = network(*(fx.Proxy(graph.placeholder(f"input{number}"), tracer) for number in range(inputs)))
    graph.output(output.node)
    return fx.GraphModule(nn.Module(), graph)
