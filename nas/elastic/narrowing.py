"""Modules run on a part of their channels.

A layer of C channels run on 1/k of them uses the first C/k rows and columns of its weights and is otherwise the same: what
PC-DARTS (Xu et al., 2020) does with the operators of an edge.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from nas.elastic.convolution import ElasticConv2d
from nas.elastic.linear import ElasticLinear
from nas.elastic.norm import ElasticBatchNorm2d, jointly_normed


def narrowable(module: nn.Module, parts: int) -> bool:
    """Whether a module can be run on one of so many equal parts of its channels: its layers are known and divide."""
    for layer in module.modules():
        owns = any(True for _ in layer.parameters(recurse=False)) or isinstance(layer, ElasticBatchNorm2d)
        if owns and (type(layer) not in _FORWARDS or any(width % parts for width in _widths(layer))):
            return False
    return True


@contextlib.contextmanager
def narrowed(modules: Iterable[nn.Module], parts: int) -> Iterator[None]:
    """Inside, the modules take and return one of so many parts of their channels."""
    layers = [layer for module in modules for layer in module.modules() if type(layer) in _FORWARDS]
    for layer in layers:
        layer.__dict__["forward"] = partial(_FORWARDS[type(layer)], layer, parts)
    try:
        yield
    finally:
        for layer in layers:
            layer.__dict__.pop("forward", None)


def _widths(layer: Any) -> tuple[int, ...]:
    """The widths that must divide."""
    if isinstance(layer, nn.Conv2d):
        figures = layer.in_channels, layer.out_channels, layer.groups
    elif isinstance(layer, ElasticConv2d):
        in_channels, out_channels, _, groups = layer.chosen()
        figures = in_channels, out_channels, groups
    elif isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    else:
        return tuple(layer.chosen())
    inner, outer, groups = figures
    return (groups, outer) if groups == inner else (inner // groups, outer // groups)


def _convolve(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, groups: int, parts: int, **figures: Any
) -> torch.Tensor:
    out = len(weight) // parts
    depthwise = weight.shape[1] == 1 and groups > 1
    inner = 1 if depthwise else weight.shape[1] // parts
    shared = groups // parts if depthwise else groups
    return F.conv2d(x, weight[:out, :inner], None if bias is None else bias[:out], groups=shared, **figures)


def _conv2d(layer: nn.Conv2d, parts: int, x: torch.Tensor) -> torch.Tensor:
    figures: dict[str, Any] = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
    return _convolve(x, layer.weight, layer.bias, layer.groups, parts, **figures)


def _elastic_conv2d(layer: ElasticConv2d, parts: int, x: torch.Tensor) -> torch.Tensor:
    weight, bias = layer.parts()
    _, _, kernel, groups = layer.chosen()
    assert weight is not None
    padding = layer.dilation * (kernel - 1) // 2
    return _convolve(x, weight, bias, groups, parts, stride=layer.stride, padding=padding, dilation=layer.dilation)


def _linear(layer: nn.Linear, parts: int, x: torch.Tensor) -> torch.Tensor:
    out, inner = len(layer.weight) // parts, layer.weight.shape[1] // parts
    return F.linear(x, layer.weight[:out, :inner], None if layer.bias is None else layer.bias[:out])


def _elastic_linear(layer: ElasticLinear, parts: int, x: torch.Tensor) -> torch.Tensor:
    weight, bias = layer.parts()
    assert weight is not None
    out, inner = len(weight) // parts, weight.shape[1] // parts
    return F.linear(x, weight[:out, :inner], None if bias is None else bias[:out])


def _batch_norm(layer: ElasticBatchNorm2d, parts: int, x: torch.Tensor) -> torch.Tensor:
    weight, bias = (None if part is None else part[: len(part) // parts] for part in layer.parts())
    if layer.joint is not None:
        return jointly_normed(x, layer.joint, weight, bias, layer.eps)
    return F.batch_norm(x, None, None, weight, bias, True, 0.0, layer.eps)


_FORWARDS: Mapping[type[nn.Module], Callable[..., torch.Tensor]] = {
    nn.Conv2d: _conv2d,
    nn.Linear: _linear,
    ElasticConv2d: _elastic_conv2d,
    ElasticLinear: _elastic_linear,
    ElasticBatchNorm2d: _batch_norm,
}
