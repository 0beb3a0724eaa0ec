"""What torch's modules do to widths."""

from __future__ import annotations

from typing import Any

from torch import nn

from nas.elastic.conversion.steps import Followed, Step, module_rule
from nas.elastic.conversion.widths import Node, fix, length, unify, whole


@module_rule(nn.Conv2d)
def _conv2d(step: Step) -> Any:
    """Any input, any output; with groups, both lose whole groups, since a group reads its own channels only."""
    (x,), module = (*step.args, *step.kwargs.values()), _module(step, nn.Conv2d)
    if module.padding_mode != "zeros":
        step.flow.obstacles.setdefault(step.place, f"{step.place} pads by '{module.padding_mode}'")
    if module.padding == "same" and any(d * (k - 1) % 2 for d, k in zip(module.dilation, module.kernel_size, strict=True)):
        step.flow.obstacles.setdefault(step.place, f"{step.place} pads its two sides differently")
    sides = {"in": step.channels(x, 1), "out": whole(module.out_channels)}
    if module.groups > 1:
        sides["groups"] = groups = whole(module.groups)
        (node, _) = groups[0]
        unify(sides["in"], ((node, module.in_channels // module.groups),), step.place)
        sides["out"] = ((node, module.out_channels // module.groups),)
    return step.tensor(None, step.flow.add(step.place, module, sides)["out"], None, None)


@module_rule(nn.Linear)
def _linear(step: Step) -> Any:
    (x,), module = (*step.args, *step.kwargs.values()), _module(step, nn.Linear)
    sides = {"in": step.channels(x, -1), "out": whole(module.out_features)}
    return step.tensor(*x.dims[:-1], step.flow.add(step.place, module, sides)["out"])


@module_rule(nn.BatchNorm2d, nn.BatchNorm1d)
def _batch_norm(step: Step) -> Any:
    module: Any = step.flow.module.get_submodule(step.place)
    if not module.track_running_stats:
        step.flow.obstacles.setdefault(step.place, f"{step.place} keeps no running statistics")
    return _channelwise(step, module, 1)


@module_rule(nn.PReLU)
def _prelu(step: Step) -> Any:
    module = _module(step, nn.PReLU)
    return _unchanged(step) if module.num_parameters == 1 else _channelwise(step, module, 1)


@module_rule(nn.LayerNorm)
def _layer_norm(step: Step) -> Any:
    module = _module(step, nn.LayerNorm)
    if len(module.normalized_shape) == 1:
        return _channelwise(step, module, -1)
    x = step.args[0]
    for layout in x.dims[-len(module.normalized_shape) :]:
        if layout is not None:
            fix(layout, f"{step.place} normalises over several dimensions")
    return x


@module_rule(nn.GroupNorm)
def _group_norm(step: Step) -> Any:
    """One group takes any width; of several, whole ones go, so that each keeps its channels."""
    module = _module(step, nn.GroupNorm)
    if module.num_groups == 1:
        return _channelwise(step, module, 1)
    node = Node(module.num_groups)
    unify(step.channels(step.args[0], 1), ((node, module.num_channels // module.num_groups),), step.place)
    step.flow.add(step.place, module, {"width": step.channels(step.args[0], 1), "groups": ((node, 1),)})
    return step.args[0]


def _channelwise(step: Step, module: nn.Module, axis: int) -> Any:
    """One parameter a channel."""
    x = step.args[0]
    sides = {"width": step.channels(x, axis)}
    step.flow.add(step.place, module, sides)
    dims = list(x.dims)
    dims[axis] = sides["width"]
    return step.tensor(*dims)


@module_rule(
    nn.Identity,
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout),
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.RReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish),
    *(nn.Sigmoid, nn.Hardsigmoid, nn.LogSigmoid, nn.Tanh, nn.Hardtanh, nn.Softplus, nn.Softsign, nn.Tanhshrink),
    *(nn.Hardshrink, nn.Softshrink, nn.Threshold, nn.Softmax, nn.LogSoftmax, nn.Softmin),
)
def _unchanged(step: Step) -> Any:
    x: Followed = (*step.args, *step.kwargs.values())[0]
    return x


@module_rule(
    *(nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d),
    *(nn.Upsample, nn.UpsamplingNearest2d, nn.UpsamplingBilinear2d),
    *(nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d),
)
def _maps(step: Step) -> Any:
    """Every map by itself."""
    if not hasattr(step.result, "shape") or length(step.channels(step.args[0], 1)) != step.result.shape[1]:
        return step.unknown()
    return step.tensor(*step.args[0].dims[:2], None, None)


def _module(step: Step, kind: type[Any]) -> Any:
    module = step.flow.module.get_submodule(step.place)
    assert isinstance(module, kind)
    return module
