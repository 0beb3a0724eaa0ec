"""Input resolution as a decision."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from nas.choices import Choice, Value
from nas.elastic.layer import Cut, ElasticLayer, Setting
from nas.elastic.symbolic import SymbolicTensor


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

    def __init__(self, side: Value) -> None:
        super().__init__()
        self.declare(side=side)

    def cuts(self, setting: Setting) -> dict[str, Cut]:
        """There are no parameters."""
        return {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, side, side)."""
        (side,) = self.figures(x)
        if isinstance(x, SymbolicTensor):
            return x.recorder.record("resize", (x,), (*x.shape[:2], side, side))
        if x.shape[-2:] == (side, side):
            return x
        return F.interpolate(x, size=(side, side), mode="bicubic", align_corners=False)

    def static(self) -> nn.Module:
        """A torch.nn.Upsample, which leaves images of the right size as they are."""
        return nn.Upsample(size=(self.chosen()[0],) * 2, mode="bicubic", align_corners=False)
