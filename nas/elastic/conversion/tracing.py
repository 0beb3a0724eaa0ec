"""Following a module's forward, and what each step of it returns for an example."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from nas.base.errors import NasError


@dataclass(frozen=True)
class Call:
    """One call of a module: the nodes of its arguments, and that of its result where it is one tensor."""

    inputs: tuple[Any, ...]
    output: Any


@dataclass(frozen=True)
class Trace:
    """A forward as a graph.

    Attributes:
        graph: down to torch's own modules.
        places: node -> the name of the module whose forward made it.
        calls: module name -> its calls, in order.
        results: node -> what it returns for the example, on the meta device.
    """

    graph: fx.Graph
    places: dict[fx.Node, str]
    calls: dict[str, list[Call]]
    results: dict[fx.Node, Any]


class _Tracer(fx.Tracer):
    def __init__(self) -> None:
        super().__init__()
        self.stack = [""]
        self.places: dict[fx.Node, str] = {}
        self.calls: dict[str, list[Call]] = {}

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        """Note where the node was made."""
        node = super().create_node(*args, **kwargs)
        self.places[node] = self.stack[-1]
        return node

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Note what goes in and out."""
        name = self.path_of_module(m)
        self.stack.append(name)
        try:
            output = super().call_module(m, forward, args, kwargs)
        finally:
            self.stack.pop()
        inputs = tuple(value.node if isinstance(value, fx.Proxy) else value for value in (*args, *kwargs.values()))
        call = Call(inputs, output.node if isinstance(output, fx.Proxy) else output)
        self.calls.setdefault(name, []).append(call)
        return output


class _Results(fx.Interpreter):
    """Runs a graph and keeps what every node returns."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.results: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run it and keep the result."""
        self.results[n] = super().run_node(n)
        return self.results[n]


def trace(module: nn.Module, example: torch.Tensor, training: bool) -> Trace:
    """Follow the forward in training or in evaluation. The module is not touched; nothing is computed.

    Args:
        example: images (N, C, H, W), of which only the shape matters.

    Raises:
        NasError: the forward cannot be followed by torch.fx, does not take the example, or does not return (N, K) scores.
    """
    twin = copy.deepcopy(module).to("meta").train(training)
    tracer = _Tracer()
    try:
        graph = tracer.trace(twin)
    except Exception as error:
        raise NasError(
            f"the forward of {type(module).__name__} cannot be followed by torch.fx: {error}; what depends on the data, such "
            "as an 'if' on a tensor, has to move out of it"
        ) from error
    # Two images, so that the batch is not taken for one of the dimensions of size 1 that functions add and remove.
    images = torch.empty(2, *example.shape[1:], dtype=example.dtype, device="meta")
    # What the forward does in training is in the graph by now; torch's modules keep to the same shapes without it.
    runner = _Results(fx.GraphModule(twin.eval(), graph))
    try:
        with torch.device("meta"):
            output = runner.run(images)
    except Exception as error:
        raise NasError(
            f"{type(module).__name__} does not run on an example of shape {tuple(example.shape)}: {error}"
        ) from error
    if not isinstance(output, torch.Tensor) or output.dim() != 2:
        shape = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        mode = "training" if training else "evaluation"
        raise NasError(f"{type(module).__name__} must return one tensor of scores (N, classes); in {mode} it returns {shape}")
    return Trace(graph, tracer.places, tracer.calls, {node: runner.results[node] for node in graph.nodes})
