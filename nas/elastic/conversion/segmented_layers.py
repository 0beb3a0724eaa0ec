"""Convolution and linear layer between segmented channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from nas.choices import Value
from nas.elastic.conversion.segmented import SegmentedLayer, Segments, require_arriving, total
from nas.elastic.layer import Cut, Dimension, Setting, blank
from nas.elastic.shapes import conv2d, linear
from nas.elastic.symbolic import SymbolicTensor


class SegmentedConv2d(SegmentedLayer):
    """A 2-d convolution of any form between segmented channels; smaller kernels are the centre of its own.

    Args:
        module: the convolution with the full weights; it is left in pieces.
        inputs: segments of the channels that arrive; with groups, one segment: the channels of a group.
        outputs: segments of the channels that leave.
        groups: may be symbolic.
        kernel: side of the kernel, symbolic; None to leave it as it is.
    """

    dimensions: ClassVar[Mapping[str, Dimension]] = {"border": "kernel"}

    def __init__(self, module: nn.Conv2d, inputs: Segments, outputs: Segments, groups: Value, kernel: Value | None) -> None:
        super().__init__()
        self.kernel, self.stride, self.dilation = module.kernel_size, module.stride, module.dilation
        if isinstance(module.padding, str):
            spans = zip(self.dilation, self.kernel, strict=True)
            self.padding = tuple(d * (k - 1) // 2 if module.padding == "same" else 0 for d, k in spans)
        else:
            self.padding = module.padding
        border = 0 if kernel is None else (self.kernel[0] - kernel) // 2
        self.lay_out(
            {"out": outputs, "in": inputs},
            {"weight": (module.weight, ("out", "in")), "bias": (module.bias, ("out",))},
            groups=groups,
            border=border,
        )

    def cuts(self, setting: Setting) -> dict[str, Cut]:
        """The first channels of every block, and the centre of the kernel."""
        border = setting[self._position["border"]]
        window = tuple(slice(border, side - border) for side in self.kernel)
        weights = {block for block, *_ in self._grids["weight"]}
        return {block: (*cut, *window) if block in weights else cut for block, cut in super().cuts(setting).items()}

    def _form(self, border: Any) -> tuple[Any, Any]:
        """Kernel and padding once a border is cut off."""
        kernel = tuple(side - 2 * border for side in self.kernel)
        return kernel, tuple(p - d * border for p, d in zip(self.padding, self.dilation, strict=True))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        if isinstance(x, SymbolicTensor):
            return self._walk(x)
        weight, bias = self.parts()
        _, padding = self._form(self.figure("border"))
        return F.conv2d(x, weight, bias, self.stride, padding, self.dilation, self.figure("groups"))  # type: ignore[arg-type]

    def _walk(self, x: SymbolicTensor) -> SymbolicTensor:
        groups = self.settings["groups"]
        per_group, out = total(self.sides["in"]), total(self.sides["out"])
        require_arriving(x, 1, per_group * groups)
        kernel, padding = self._form(self.settings["border"])
        parameters = out * per_group * kernel[0] * kernel[1] + (0 if self._missing("bias") else out)
        stride, dilation = (self.stride[0], self.stride[1]), (self.dilation[0], self.dilation[1])
        return conv2d(x, out, kernel, stride, padding, dilation, groups, x.shape[1], parameters)

    def _missing(self, name: str) -> bool:
        return self._parameters[self._grids[name][0][0]] is None

    def static(self) -> nn.Module:
        """A torch.nn.Conv2d."""
        groups = self.figure("groups")
        kernel, padding = self._form(self.figure("border"))
        channels = (self.width("in") * groups, self.width("out"))
        form = (kernel, self.stride, padding, self.dilation, groups, not self._missing("bias"))
        return self.copy_into(blank(nn.Conv2d, *channels, *form))


class SegmentedLinear(SegmentedLayer):
    """A linear layer between segmented features.

    Args:
        module: the layer with the full weights; it is left in pieces.
        inputs, outputs: segments of the features.
    """

    def __init__(self, module: nn.Linear, inputs: Segments, outputs: Segments) -> None:
        super().__init__()
        self.has_bias = module.bias is not None
        self.lay_out(
            {"out": outputs, "in": inputs}, {"weight": (module.weight, ("out", "in")), "bias": (module.bias, ("out",))}
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., F) -> (..., F')."""
        if isinstance(x, SymbolicTensor):
            return self._walk(x)
        weight, bias = self.parts()
        return F.linear(x, weight, bias)  # type: ignore[arg-type]

    def _walk(self, x: SymbolicTensor) -> SymbolicTensor:
        arriving, out = total(self.sides["in"]), total(self.sides["out"])
        require_arriving(x, -1, arriving)
        return linear(x, x.shape[-1], out, arriving * out + (out if self.has_bias else 0))

    def static(self) -> nn.Module:
        """A torch.nn.Linear."""
        return self.copy_into(blank(nn.Linear, self.width("in"), self.width("out"), self.has_bias))
