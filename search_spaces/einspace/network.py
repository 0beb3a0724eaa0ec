"""A tree's network in plain torch: a `torch.fx.GraphModule` whose code mentions torch alone."""

from __future__ import annotations

import operator
from collections import Counter

import torch
import torch.nn.functional as F
from torch import fx, nn

from search_spaces.einspace.program import Program, Step


def build_network(program: Program) -> fx.GraphModule:
    """A network with fresh weights from torch's own generator: torch's defaults, positions from N(0, 1).

    It takes images (N, C, H, W) of any N and returns scores (N, classes).
    """
    return _Builder(program).network


class _Builder:
    """Turns steps into nodes of a graph, one by one."""

    def __init__(self, program: Program) -> None:
        self.graph = fx.Graph()
        self.owned: dict[str, nn.Module | nn.Parameter] = {}
        self.names: Counter[str] = Counter()
        self.chunks: dict[tuple[int, int, int], fx.Node] = {}
        self.values = [self.graph.placeholder("images")]
        for step in program.steps:
            self.values.append(self._node(step))
        self.graph.output(self.values[-1])
        self.network = fx.GraphModule(self.owned, self.graph, class_name="Network")
        self.network.graph.lint()

    def _node(self, step: Step) -> fx.Node:
        inputs = [self.values[value] for value in step.inputs]
        module = _module(step)
        if module is not None:
            return self.graph.call_module(self._own(step.name, module), (inputs[0],))
        call = self.graph.call_function
        if step.name == "position":
            position = self.graph.get_attr(self._own("position", nn.Parameter(torch.randn(step.shape))))
            return call(operator.add, (inputs[0], position))
        if step.name == "chunk":
            return self._chunk(step)
        if step.name == "unfold":
            kernel, stride, padding = step.data
            return call(F.unfold, (inputs[0], kernel), {"padding": padding, "stride": stride})
        if step.name == "add":
            return call(operator.add, tuple(inputs))
        if step.name == "scale":
            return call(operator.mul, (inputs[0], step.data[0]))
        if step.name == "matmul":
            return call(torch.matmul, tuple(inputs))
        if step.name == "concat":
            return call(torch.cat, (inputs,), {"dim": step.data[0]})
        if step.name == "permute":
            return self.graph.call_method("permute", (inputs[0], *step.data))
        if step.name == "unflatten":
            return self.graph.call_method("unflatten", (inputs[0], 2, step.data))
        assert step.name == "mean", step.name
        return self.graph.call_method("mean", (inputs[0], step.data))

    def _chunk(self, step: Step) -> fx.Node:
        """One part of a tensor; the parts of a split share one call."""
        factor, dim, index = step.data
        key = (step.inputs[0], factor, dim)
        if index == 0:
            self.chunks[key] = self.graph.call_function(torch.chunk, (self.values[step.inputs[0]], factor), {"dim": dim})
        return self.graph.call_function(operator.getitem, (self.chunks[key], index))

    def _own(self, name: str, owned: nn.Module | nn.Parameter) -> str:
        """A name for a module or parameter: 'linear1', 'linear2', ..."""
        self.names[name] += 1
        unique = name if name == "classifier" else f"{name}{self.names[name]}"
        self.owned[unique] = owned
        return unique


def _module(step: Step) -> nn.Module | None:
    """The torch module that does a step, for steps that are modules."""
    if step.name in ("linear", "classifier"):
        return nn.Linear(*step.data)
    if step.name == "batch_norm":
        return nn.BatchNorm2d(step.data[0])
    if step.name == "layer_norm":
        return nn.LayerNorm(step.data[0])
    if step.name == "leaky_relu":
        return nn.LeakyReLU()
    if step.name == "softmax":
        return nn.Softmax(dim=-1)
    return None
