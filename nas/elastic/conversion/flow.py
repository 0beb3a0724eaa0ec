"""Following the widths through a traced forward."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn

from nas.base.errors import NasError
from nas.elastic.conversion.steps import FUNCTION_RULES, MODULE_RULES, Followed, Step
from nas.elastic.conversion.tracing import Trace
from nas.elastic.conversion.widths import Layout, fix, unify, whole

INPUT = "it is the network's input"
OUTPUT = "it is the network's output"
TWICE = "weights that are used twice would be counted twice, so give each place its own"


@dataclass
class Layer:
    """A layer that can be replaced: what it is, and the layouts of its sides ('in', 'out', 'groups', or 'width')."""

    name: str
    module: nn.Module
    layouts: dict[str, Layout]


@dataclass
class Flow:
    """What is known of a module's widths once its forward was followed.

    Attributes:
        module: the module.
        channels: of its input.
        layers: those that can be replaced, by name, in the order in which the forward meets them.
        obstacles: layers that have to stay as they are, and why.
        blocks: module name -> (input, output) of each of its calls; None where it is not one tensor in and one out.
        input, output: the layouts of the images' channels and of the scores.
        traces: how many were followed.
    """

    module: nn.Module
    channels: int
    layers: dict[str, Layer] = field(default_factory=dict)
    obstacles: dict[str, str] = field(default_factory=dict)
    blocks: dict[str, list[tuple[Followed, Followed] | None]] = field(default_factory=dict)
    input: Layout = ()
    output: Layout = ()
    traces: int = 0

    def __post_init__(self) -> None:
        self.input = whole(self.channels, INPUT)
        owners: dict[int, str] = {}
        for name, module in self.module.named_modules():
            for parameter in module._parameters.values():
                if parameter is not None and owners.setdefault(id(parameter), name) != name:
                    raise NasError(f"{name} and {owners[id(parameter)]} share a parameter; {TWICE}")
            if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks:
                self.obstacles[name] = f"{name} has hooks, which a layer that takes its place would lose"

    def follow(self, trace: Trace) -> None:
        """Add what one trace says; that in training and that in evaluation may differ, and both hold."""
        self.traces += 1
        called: set[str] = set()
        for node in trace.graph.nodes:
            target = str(node.target)
            if node.op == "call_module" and next(self.module.get_submodule(target).parameters(), None) is not None:
                if target in called:
                    raise NasError(f"{target} is called more than once; {TWICE}")
                called.add(target)
            if node.op == "get_attr":
                self.obstacles.setdefault(target.rpartition(".")[0], f"the forward reads {target} itself")
        values: dict[fx.Node, Any] = {}
        for node in trace.graph.nodes:
            args, kwargs = fx.node.map_aggregate((node.args, dict(node.kwargs)), lambda a: _value(a, values))
            place = trace.places.get(node) or "the network's forward"
            values[node] = self._step(node, Step(self, "", place, args, dict(kwargs), trace.results[node]))
        for name, calls in trace.calls.items():
            for call in calls:
                ends = [_value(end, values) for end in (*call.inputs, call.output)]
                fits = len(ends) == 2 and all(isinstance(end, Followed) for end in ends)
                self.blocks.setdefault(name, []).append((ends[0], ends[1]) if fits else None)
        for name in self.layers.keys() & self.obstacles.keys():
            for layout in self.layers[name].layouts.values():
                fix(layout, self.obstacles[name])

    def _step(self, node: fx.Node, step: Step) -> Any:
        target = str(node.target)
        if node.op == "placeholder":
            return Followed(tuple(step.result.shape), (None, self.input, None, None))
        if node.op == "output":
            self._finish(step.args[0])
            return None
        if node.op == "get_attr":
            reason = f"it is joined with the module's own tensor {target}"
            dims = tuple(whole(size, reason) if size > 1 else None for size in getattr(step.result, "shape", ()))
            return Followed(tuple(step.result.shape), dims) if isinstance(step.result, torch.Tensor) else step.result
        if node.op == "call_module":
            module = self.module.get_submodule(target)
            step = Step(self, type(module).__name__, target, step.args, step.kwargs, step.result)
            rule = MODULE_RULES.get(type(module))
        elif node.op == "call_method":
            step = Step(self, target, step.place, step.args, step.kwargs, step.result)
            rule = FUNCTION_RULES.get(target)
        else:
            function: Any = node.target
            name = getattr(function, "__name__", target)
            home = (getattr(function, "__module__", None) or "torch").split(".")[0]
            step = Step(self, name, step.place, step.args, step.kwargs, step.result)
            rule = FUNCTION_RULES.get(name) if home in ("torch", "_operator", "builtins") else None
        return step.unknown() if rule is None else rule(step)

    def _finish(self, output: Followed) -> None:
        layout = output.dims[1] or whole(output.shape[1])
        fix(layout, OUTPUT)
        if self.output:
            unify(self.output, layout, "the network's output")
        self.output = layout

    def add(self, name: str, module: nn.Module, sides: dict[str, Layout]) -> dict[str, Layout]:
        """Note a layer and its layouts; one that an earlier trace met keeps those it had."""
        known = self.layers.setdefault(name, Layer(name, module, sides))
        for side, layout in sides.items():
            unify(known.layouts[side], layout, name)
        return sides


def _value(argument: Any, values: dict[fx.Node, Any]) -> Any:
    return values.get(argument) if isinstance(argument, fx.Node) else argument
