"""An existing module as the definition of a search space."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Protocol

import torch
from torch import nn

import nas.elastic.conversion.function_rules
import nas.elastic.conversion.module_rules
import nas.elastic.conversion.shape_rules  # noqa: F401  registers the rules
from nas.base.errors import NasError
from nas.choices import Choice
from nas.elastic.conversion.flow import Flow
from nas.elastic.conversion.replacing import Sizing, elastic_twin
from nas.elastic.conversion.report import summary
from nas.elastic.conversion.requests import LeftAlone, Options, Plan, plan_widths
from nas.elastic.conversion.structure_requests import plan_depths, plan_kernels, plan_optional
from nas.elastic.conversion.tasks import resize, sizes_for
from nas.elastic.conversion.tracing import trace
from nas.elastic.layer import Configurable
from nas.elastic.structure import Optional


class TaskLike(Protocol):
    """What is read of a `nas.Task`."""

    @property
    def channels(self) -> int:
        """Of the images."""

    @property
    def classes(self) -> int:
        """Scores for one image."""


class Conversion:
    """Builds networks of elastic layers from a module: made by `from_module`, given to `nas.Space` as `build`.

    Attributes:
        choices: every choice, with the layers or blocks that it decides about.
        left_alone: layers that a pattern matched and that stay as they are, with the reason.
    """

    def __init__(self, module: nn.Module, flow: Flow, plan: Plan) -> None:
        self._module = module
        self._structure = copy.deepcopy(module).to("meta")
        self._flow, self._plan = flow, plan

    @property
    def choices(self) -> dict[Choice, tuple[str, ...]]:
        """Choice -> the layers or blocks that it decides about."""
        return {group.choice: tuple(group.members) for group in self._plan.groups}

    @property
    def left_alone(self) -> tuple[LeftAlone, ...]:
        """What patterns matched and could not be made elastic."""
        return tuple(self._plan.left)

    def summary(self) -> str:
        """The choices, what was left alone and why, and what else could be made elastic, as text."""
        return summary(self._flow, self._plan)

    def __call__(self, task: TaskLike) -> nn.Module:
        """A network of its own, with copies of the module's weights; without memory under `torch.device("meta")`.

        Its largest sub-network is the module. Where the task has other channels or classes than the module, the first layers
        get the mean of their weights over the input channels, and the last ones are drawn afresh (see `tasks.resize`).

        Raises:
            NasError: the module can only take its own channels or classes.
        """
        sizes = sizes_for(self._flow, task.channels, task.classes)
        device = torch.empty(0).device
        network = copy.deepcopy(self._structure if device.type == "meta" else self._module).to(device)
        sizing = Sizing(self._plan.values, sizes)
        twins: dict[nn.Module, nn.Module] = {}
        for name, layer in self._flow.layers.items():
            module = network.get_submodule(name)
            if name not in self._flow.obstacles:
                resize(self._flow, name, module, sizes)
                twins[module] = elastic_twin(layer, module, sizing, self._plan.kernels.get(name))
        for module in list(network.modules()):
            for name, child in module._modules.items():
                if child is not None:
                    module._modules[name] = twins.get(child, child)
        places = [(network.get_submodule(name.rpartition(".")[0]), name) for name in self._plan.kept]
        for parent, name in places:
            key = name.rpartition(".")[2]
            parent._modules[key] = Optional(parent.get_submodule(key), self._plan.kept[name])
        return network.train()

    def running_statistics(self) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """The module's own batch-norm statistics, by the names of the built network's layers.

        They describe the largest sub-network alone: `Statistics(build.running_statistics())` lends them to it. Every other one
        needs statistics estimated for it, as `Supernet.calibrate` does.
        """
        found = {}
        for name in self._flow.layers:
            module = self._module.get_submodule(name)
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and name not in self._flow.obstacles:
                assert module.running_mean is not None and module.running_var is not None
                found[self._renamed(name)] = (module.running_mean.clone(), module.running_var.clone())
        return found

    def _renamed(self, name: str) -> str:
        """The name of a layer once blocks around it are wrapped."""
        parts: list[str] = []
        steps = name.split(".")
        for index, step in enumerate(steps):
            parts.append(step)
            if ".".join(steps[: index + 1]) in self._plan.kept:
                parts.append("module")
        return ".".join(parts)


def from_module(
    module: nn.Module,
    *,
    example: torch.Tensor,
    widths: Mapping[str, Options] | None = None,
    kernels: Mapping[str, Options] | None = None,
    depths: Mapping[str, Options] | None = None,
    optional: Iterable[str] = (),
    divisor: int = 1,
) -> Conversion:
    """Make the convolutions and linear layers of an existing module elastic.

    Layers that must be equally wide (added, multiplied, depthwise) are found by following the forward, and share one choice.
    Keys are names of modules as in `named_modules()`, or patterns as of file names, in which '*' also matches dots. An exact
    name wins over a pattern. What an exact name asks for and cannot be had is an error; what only a pattern matches then stays
    as it is, and `summary()` says why. The last option is always what the module has, so that the largest sub-network is the
    module itself. The module is copied and not changed.

    Args:
        module: takes images (N, C, H, W), returns scores (N, classes).
        example: images of the shape it takes; only the shape is read.
        widths: layer -> output channels, or ratios up to 1.0, from the smallest to the largest; or a `Choice` of such options,
            which then decides about everything it is given to.
        kernels: convolution -> odd sides up to its own. Smaller ones are the centre; padding must keep the map's size.
        depths: nn.Sequential or nn.ModuleList -> how many of its blocks are run, the first ones.
        optional: blocks that may be left out; what enters them must have the shape of what leaves.
        divisor: widths from ratios are rounded to its multiples, as `make_divisible` does.

    Raises:
        NasError: the forward cannot be followed, or a request cannot be met; names the layer and the reason.
    """
    if isinstance(optional, str):
        raise NasError(f"optional takes several names of blocks; given one text, {optional!r}: write [{optional!r}]")
    if example.dim() != 4:
        raise NasError(f"the example must be images (N, C, H, W); given {tuple(example.shape)}")
    if divisor < 1:
        raise NasError(f"the divisor must be a whole number of at least 1; given {divisor}")
    elastic = next((name for name, inner in module.named_modules() if isinstance(inner, Configurable)), None)
    if elastic is not None:
        raise NasError(f"{elastic or 'the module'} is elastic already; from_module takes plain torch modules")
    own = copy.deepcopy(module)
    flow = Flow(own, example.shape[1])
    for training in (False, True):
        flow.follow(trace(own, example, training))
    plan = Plan()
    plan_depths(flow, plan, depths or {})
    plan_optional(flow, plan, optional)
    plan_widths(plan, flow, widths or {}, divisor)
    plan_kernels(plan, flow, kernels or {})
    return Conversion(own, flow, plan)
