"""What arrives at each choice of operators of a network, and what leaves it."""

from __future__ import annotations

from typing import Any

from torch import nn

from nas.choices import Expression, Value
from nas.elastic import Switch, walk

Shapes = tuple[tuple[int, ...], tuple[int, ...]]
"""Of one example, without the batch dimension: what arrives and what leaves."""


def shapes_of_places(network: nn.Module, input_shape: tuple[Value, ...]) -> dict[Switch, Shapes]:
    """The shapes at each `Switch` where they are the same in every architecture, by one walk of the network.

    Args:
        input_shape: (C, H, W) of the images.
    """
    found: dict[Switch, Shapes] = {}

    def note(place: nn.Module, arrived: Any, left: Any) -> None:
        shapes = tuple(arrived[0].shape[1:]), tuple(left.shape[1:])
        if isinstance(place, Switch) and not any(isinstance(size, Expression) for shape in shapes for size in shape):
            found[place] = shapes

    hooks = [module.register_forward_hook(note) for module in network.modules() if isinstance(module, Switch)]
    try:
        walk(network, input_shape)
    finally:
        for hook in hooks:
            hook.remove()
    return found
