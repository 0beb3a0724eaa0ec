"""How runtimes hold activations: which operators write over their input, and in how many bytes.

The plain model is that of runtimes for processors; see `nas.costs.memory`.

A `MemoryModel` with `in_place` is that of a runtime for microcontrollers (Lin et al., MCUNet, 2020): a depthwise convolution,
whose channels do not depend on one another, writes over its input by way of a buffer of one output channel, where nothing
else reads the input; and what a layer pads is never stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nas.elastic import Operator

IN_PLACE = frozenset({"activation", "batch_norm", "elementwise", "group_norm", "layer_norm"})
ALIASES = frozenset({"fork", "reshape", "slice"})
"""Kinds that run nothing: the output is the input under another name."""

BYTES_PER_ELEMENT = 4
"""float32."""


@dataclass(frozen=True)
class MemoryModel:
    """How a runtime holds activations.

    Attributes:
        bytes_per_element: 4 for float32, 1 for int8.
        in_place: whether depthwise convolutions write over their input, and padding is not stored.
    """

    bytes_per_element: int = BYTES_PER_ELEMENT
    in_place: bool = False

    @property
    def aliases(self) -> frozenset[str]:
        """Kinds whose output is the input under another name."""
        return ALIASES | {"pad"} if self.in_place else ALIASES


PLAIN = MemoryModel()
MEMORY_MODELS = {
    "memory": PLAIN,
    "mcu-memory": MemoryModel(1, in_place=True),
    "mcu-memory-float32": MemoryModel(4, in_place=True),
}
"""Peak memory by the name of its metric."""


def may_be_depthwise(operator: Operator) -> bool:
    """Whether an operator is a convolution that may be depthwise in some architecture; `is_depthwise` says in which."""
    return operator.kind == "conv2d" and operator.attributes["groups"] != 1


def is_depthwise(groups: Any, channels: Any, out_channels: Any) -> Any:
    """Whether a convolution computes each output channel from one input channel of its own; numbers or arrays."""
    return (groups == channels) & (groups == out_channels)
