"""PyTorch as it is, operator by operator, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from torch import fx, nn

from nas.exporting.plain import plain_source
from nas.measuring import ProvenRuntime


class EagerPyTorch(ProvenRuntime):
    """What a network costs where it is used from Python, uncompiled: the same modules that an exported network has."""

    summary = "eager PyTorch, processor, channels last"
    suffix = ".npz"
    loader: ClassVar[Path] = Path(__file__).parent / "loaders" / "pytorch_cpu.py"

    def write(self, network: nn.Module, inputs: Sequence[tuple[int, ...]], path: Path, dtype: str) -> None:
        """See `ProvenRuntime`. The file holds the Python source that is exported for users, and weights as plain arrays."""
        traced = _traced(network, len(inputs))
        source = plain_source(traced, "A network to be timed.", path.name)
        weights = {f"weights.{name}": tensor.detach().numpy() for name, tensor in traced.state_dict().items()}
        arrays = {"source": np.array(source), **weights}
        np.savez(path, allow_pickle=False, **arrays)


def _traced(network: nn.Module, inputs: int) -> fx.GraphModule:
    """The graph of a network, or of an operator by itself, whose function takes any number of inputs."""
    if isinstance(network, fx.GraphModule):
        return network
    graph = fx.Graph()
    tracer = fx.proxy.GraphAppendingTracer(graph)
    given = [fx.Proxy(graph.placeholder(f"input{number}"), tracer) for number in range(inputs)]
    if list(network.children()) or list(network.parameters(recurse=False)):
        return fx.symbolic_trace(network)
    graph.output(network(*given).node)
    return fx.GraphModule(nn.Module(), graph)
