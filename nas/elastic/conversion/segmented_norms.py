"""Normalisation and per-channel activation over segmented channels."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

from nas.choices import Value
from nas.elastic.conversion.segmented import SegmentedLayer, Segments, require_arriving, total
from nas.elastic.layer import blank
from nas.elastic.norm import ElasticBatchNorm2d
from nas.elastic.symbolic import SymbolicTensor


class SegmentedBatchNorm(SegmentedLayer, ElasticBatchNorm2d):
    """Batch normalisation over segmented channels, of maps (N, C, H, W) or, for a BatchNorm1d, of (N, C) or (N, C, L).

    Statistics are those of an `ElasticBatchNorm2d`: none of its own, lent for evaluation.
    """

    def __init__(self, module: nn.BatchNorm1d | nn.BatchNorm2d, width: Segments) -> None:
        # None as momentum, a plain average over all batches, is for the static twin to know.
        super().__init__(0, module.eps, cast(float, module.momentum), affine=False)
        self._parameters.clear()
        self.affine, self.twin = module.affine, type(module)  # a torch batch norm of the kind it is made from
        weight, bias = (module.weight, module.bias) if module.affine else (None, None)
        self.lay_out({"width": width}, {"weight": (weight, ("width",)), "bias": (bias, ("width",))})

    @property
    def width_in_force(self) -> int:
        """Channels of all segments."""
        return self.width("width")

    def _walk(self, x: SymbolicTensor) -> SymbolicTensor:
        width = total(self.sides["width"])
        require_arriving(x, 1, width)
        return x.recorder.record("batch_norm", (x,), x.shape, {}, 2 * width if self.affine else 0)


class SegmentedLayerNorm(SegmentedLayer):
    """Layer normalisation over the last dimension, of segmented features."""

    normalises = True

    def __init__(self, module: nn.LayerNorm, width: Segments) -> None:
        super().__init__()
        self.eps, self.affine, self.has_bias = module.eps, module.elementwise_affine, module.bias is not None
        self.lay_out({"width": width}, {"weight": (module.weight, ("width",)), "bias": (module.bias, ("width",))})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., F) -> the same shape."""
        if isinstance(x, SymbolicTensor):
            return self._walk(x)
        weight, bias = self.parts()
        return F.layer_norm(x, (self.width("width"),), weight, bias, self.eps)

    def _walk(self, x: SymbolicTensor) -> SymbolicTensor:
        width = total(self.sides["width"])
        require_arriving(x, -1, width)
        return x.recorder.record("layer_norm", (x,), x.shape, {}, (self.affine + self.has_bias) * width)

    def static(self) -> nn.Module:
        """A torch.nn.LayerNorm."""
        return self.copy_into(blank(nn.LayerNorm, self.width("width"), self.eps, self.affine, self.has_bias))


class SegmentedGroupNorm(SegmentedLayer):
    """Group normalisation over segmented channels; a narrower setting has fewer groups of the same size.

    Args:
        groups: may be symbolic.
    """

    normalises = True

    def __init__(self, module: nn.GroupNorm, width: Segments, groups: Value) -> None:
        super().__init__()
        self.eps, self.affine = module.eps, module.affine
        parameters = {"weight": (module.weight, ("width",)), "bias": (module.bias, ("width",))}
        self.lay_out({"width": width}, parameters, groups=groups)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, ...) -> the same shape."""
        if isinstance(x, SymbolicTensor):
            return self._walk(x)
        weight, bias = self.parts()
        return F.group_norm(x, self.figure("groups"), weight, bias, self.eps)

    def _walk(self, x: SymbolicTensor) -> SymbolicTensor:
        width = total(self.sides["width"])
        require_arriving(x, 1, width)
        return x.recorder.record("group_norm", (x,), x.shape, {}, 2 * width if self.affine else 0)

    def static(self) -> nn.Module:
        """A torch.nn.GroupNorm."""
        return self.copy_into(blank(nn.GroupNorm, self.figure("groups"), self.width("width"), self.eps, self.affine))


class SegmentedPReLU(SegmentedLayer):
    """PReLU with one slope a channel, over segmented channels."""

    def __init__(self, module: nn.PReLU, width: Segments) -> None:
        super().__init__()
        self.lay_out({"width": width}, {"weight": (module.weight, ("width",))})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, ...) -> the same shape."""
        if isinstance(x, SymbolicTensor):
            return self._walk(x)
        (slopes,) = self.parts()
        return F.prelu(x, slopes)  # type: ignore[arg-type]

    def _walk(self, x: SymbolicTensor) -> SymbolicTensor:
        width = total(self.sides["width"])
        require_arriving(x, 1, width)
        return x.recorder.record("activation", (x,), x.shape, {}, width)

    def static(self) -> nn.Module:
        """A torch.nn.PReLU."""
        return self.copy_into(blank(nn.PReLU, self.width("width")))
