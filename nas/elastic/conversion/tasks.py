"""The first and last layers of a network that is built for other images or classes than the original."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from nas.base.errors import NasError
from nas.elastic.conversion.flow import INPUT, OUTPUT, Flow
from nas.elastic.conversion.widths import Layout, Node, length, resolved


def sizes_for(flow: Flow, channels: int, classes: int) -> dict[Node, int]:
    """The input and output nodes whose size another task changes. Raises NasError where more than layers' ends hangs on one."""
    found: dict[Node, int] = {}
    for wanted, layout, reason, side, what in (
        (channels, flow.input, INPUT, "in", "channels"),
        (classes, flow.output, OUTPUT, "out", "classes"),
    ):
        if wanted == length(layout):
            continue
        pieces = resolved(layout)
        obstacles = [text for node, _ in pieces for text in node.reasons if text != reason]
        obstacles += [f"it is tied to {name}" for name in _held(flow, pieces, side)]
        if obstacles or len(pieces) > 1:
            raise NasError(
                f"the module is made for {length(layout)} {what} and cannot be built for {wanted}: "
                f"{'; '.join(dict.fromkeys(obstacles)) or 'they are taken apart'}"
            )
        found[pieces[0][0]] = wanted
    return found


def _held(flow: Flow, pieces: Layout, side: str) -> Iterator[str]:
    """Layers that hold these nodes in another place than the given side of an ordinary convolution or linear layer."""
    nodes = {node for node, _ in pieces}
    for layer in flow.layers.values():
        for name, layout in layer.layouts.items():
            here = resolved(layout)
            whole_output = side == "in" or here == pieces
            if nodes & {node for node, _ in here} and (name != side or not whole_output or "groups" in layer.layouts):
                yield layer.name
                break


def resize(flow: Flow, name: str, module: nn.Module, sizes: dict[Node, int]) -> None:
    """Give a layer of the copied network the input or output that the task asks for, in place.

    Every new input channel gets the mean of the weights of the old ones, times how many old ones there are to one new: an image
    whose channels are all equal gives the same result as before. New outputs are drawn afresh, as torch's constructor does.
    """
    layouts = flow.layers[name].layouts
    if not isinstance(module, nn.Conv2d | nn.Linear):
        return
    here = resolved(layouts["in"])
    if any(node in sizes for node, _ in here):
        _resize_input(module, here, sizes)
    wanted = [sizes[node] for node, _ in resolved(layouts["out"]) if node in sizes]
    if wanted:
        _draw_output(module, wanted[0])


def _resize_input(module: nn.Conv2d | nn.Linear, here: Layout, sizes: dict[Node, int]) -> None:
    parts = torch.split(module.weight.detach(), [node.size * unit for node, unit in here], dim=1)
    found = []
    for (node, unit), part in zip(here, parts, strict=True):
        if node in sizes:
            by_channel = part.unflatten(1, (node.size, unit))
            mean = by_channel.mean(1, keepdim=True) * (node.size / sizes[node])
            part = mean.expand(-1, sizes[node], *mean.shape[2:]).flatten(1, 2)
        found.append(part)
    weight = torch.cat(found, 1).contiguous()
    module.weight = nn.Parameter(weight, requires_grad=module.weight.requires_grad)
    if isinstance(module, nn.Conv2d):
        module.in_channels = weight.shape[1]
    else:
        module.in_features = weight.shape[1]


def _draw_output(module: nn.Conv2d | nn.Linear, size: int) -> None:
    form: Any
    options: dict[str, Any] = {"bias": module.bias is not None, "device": module.weight.device, "dtype": module.weight.dtype}
    fresh: nn.Conv2d | nn.Linear
    if isinstance(module, nn.Conv2d):
        form = (module.kernel_size, module.stride, module.padding, module.dilation)
        fresh = nn.Conv2d(module.in_channels, size, *form, **options)
        module.out_channels = size
    else:
        fresh = nn.Linear(module.in_features, size, **options)
        module.out_features = size
    module.weight, module.bias = fresh.weight, fresh.bias
