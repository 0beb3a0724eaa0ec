"""Input resolution as a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn

from nas.base.errors import NasError
from nas.choices import Choice, Value
from nas.elastic.layer import Cut, ElasticLayer, Setting
from nas.elastic.symbolic import SymbolicTensor

if TYPE_CHECKING:
    from nas.elastic.batched import Slots


def scaled_resolution(resolution: Choice, task_resolution: int) -> Value:
    """The side of the images for each option of a resolution choice, when the network is built for `task_resolution`.

    A paper's options hold at its own largest resolution; elsewhere they keep their ratios: options 192 and 256 give sides of
    24 and 32 for images of 32 px.
    """
    largest = max(int(option) for option in resolution.options)
    return resolution.map({option: max(1, round(task_resolution * int(option) / largest)) for option in resolution.options})


class ElasticResize(ElasticLayer):
    """Images brought to the resolution that an architecture asks for, by bicubic interpolation.

    It is the first layer of a network whose resolution is searched, so that the images of one batch serve every
    sub-network. Images that have the resolution already pass unchanged.

    Args:
        side: height and width of the result, symbolic.
    """

    dimension = "resolution"

    def __init__(self, side: Value) -> None:
        super().__init__()
        self.declare(side=side)

    def cuts(self, setting: Setting) -> dict[str, Cut]:
        """There are no parameters."""
        return {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, side, side)."""
        if self._slots is not None:
            return self.batched(self._slots, x)
        (side,) = self.figures(x)
        if isinstance(x, SymbolicTensor):
            return x.recorder.record("resize", (x,), (*x.shape[:2], side, side))
        return self._resized(x, side)

    def batched(self, slots: Slots, *inputs: Any) -> torch.Tensor:
        """The architectures of one pass have one resolution."""
        (x,) = inputs
        sides = {side for (side,) in slots.settings(self)}
        if len(sides) > 1:
            raise NasError(f"architectures that share a pass must have one resolution; given sides of {sorted(sides)} px")
        return self._resized(x, *sides)

    def _resized(self, x: torch.Tensor, side: int) -> torch.Tensor:
        if x.shape[-2:] == (side, side):
            return x
        return F.interpolate(x, size=(side, side), mode="bicubic", align_corners=False)

    def static(self) -> nn.Module:
        """A torch.nn.Upsample, which leaves images of the right size as they are."""
        return nn.Upsample(size=(self.chosen()[0],) * 2, mode="bicubic", align_corners=False)
