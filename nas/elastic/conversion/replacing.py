"""Putting elastic layers in the place of torch's own, with their weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from nas.choices import Expression, Value
from nas.elastic.conversion.flow import Layer
from nas.elastic.conversion.segmented import total
from nas.elastic.conversion.segmented_layers import SegmentedConv2d, SegmentedLinear
from nas.elastic.conversion.segmented_norms import (
    SegmentedBatchNorm,
    SegmentedGroupNorm,
    SegmentedLayerNorm,
    SegmentedPReLU,
)
from nas.elastic.conversion.widths import Layout, Node, resolved
from nas.elastic.convolution import ElasticConv2d
from nas.elastic.layer import ElasticLayer
from nas.elastic.linear import ElasticLinear
from nas.elastic.norm import ElasticBatchNorm2d, ElasticLayerNorm

Widths = list[tuple[Value, int]]


class Sizing:
    """What the nodes are worth in the network to be built.

    Args:
        values: units of the nodes that change.
        sizes: units of nodes that another task makes different from the original's.
    """

    def __init__(self, values: Mapping[Node, Value], sizes: Mapping[Node, int]) -> None:
        self.values, self.sizes = values, sizes

    def segments(self, layout: Layout) -> Widths:
        """The width and the largest width of each segment; neighbours that do not change are one."""
        found: Widths = []
        for node, unit in resolved(layout):
            largest = self.sizes.get(node, node.size)
            value = self.values.get(node, largest)
            piece = (value if unit == 1 else value * unit, largest * unit)
            if found and not isinstance(found[-1][0], Expression) and not isinstance(piece[0], Expression):
                piece = (found[-1][0] + piece[0], found.pop()[1] + piece[1])
            found.append(piece)
        return found


def elastic_twin(layer: Layer, module: nn.Module, sizing: Sizing, kernel: Value | None) -> nn.Module:
    """The elastic layer that takes a module's place and its parameters; the module itself where nothing of it changes.

    Batch norms are always replaced: running statistics of one sub-network are wrong for another.
    """
    sides = {side: sizing.segments(layout) for side, layout in layer.layouts.items()}
    changes = kernel is not None or any(isinstance(width, Expression) for found in sides.values() for width, _ in found)
    if not changes and not isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        return module
    groups = total([width for width, _ in sides["groups"]]) if "groups" in sides else 1
    with torch.device("meta"):
        twin = _twin(module, sides, groups, kernel)
    if not hasattr(twin, "lay_out"):
        for name, parameter in module._parameters.items():
            twin.register_parameter(name, parameter)
    return twin.train(module.training)


def _twin(module: nn.Module, sides: Mapping[str, Widths], groups: Value, kernel: Value | None) -> ElasticLayer:
    single = all(len(found) == 1 for found in sides.values())
    width = sides.get("width", [])
    match module:
        case nn.Conv2d():
            inputs, outputs = sides["in"], sides["out"]
            if single and _plain(module):
                side = module.kernel_size[0] if kernel is None else kernel
                form = (module.stride[0], groups, module.dilation[0], module.bias is not None)
                return ElasticConv2d(inputs[0][0], outputs[0][0], side, *form)
            if module.groups > 1:
                per_group = module.in_channels // module.groups
                inputs = [(per_group, per_group)]
            return SegmentedConv2d(module, inputs, outputs, groups, kernel)
        case nn.Linear():
            if single:
                return ElasticLinear(sides["in"][0][0], sides["out"][0][0], module.bias is not None)
            return SegmentedLinear(module, sides["in"], sides["out"])
        case nn.BatchNorm2d() if single and module.momentum is not None:
            return ElasticBatchNorm2d(width[0][0], module.eps, module.momentum, module.affine)
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            return SegmentedBatchNorm(module, width)
        case nn.LayerNorm() if single and module.bias is not None:
            return ElasticLayerNorm(width[0][0], module.eps)
        case nn.LayerNorm():
            return SegmentedLayerNorm(module, width)
        case nn.GroupNorm():
            return SegmentedGroupNorm(module, width, groups)
        case nn.PReLU():
            return SegmentedPReLU(module, width)
    raise AssertionError(f"{type(module).__name__} is followed but has no elastic twin")


def _plain(module: nn.Conv2d) -> bool:
    """Whether an `ElasticConv2d` has this form: square, odd, one stride, padding that keeps the map's size."""
    side, dilation = module.kernel_size[0], module.dilation[0]
    same = dilation * (side - 1) // 2
    return (
        module.kernel_size == (side, side)
        and side % 2 == 1
        and module.dilation == (dilation, dilation)
        and module.stride == (module.stride[0],) * 2
        and module.padding in ("same", (same, same))
    )
