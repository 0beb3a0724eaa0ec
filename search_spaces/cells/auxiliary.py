"""The auxiliary head, a second classifier in the middle of the network for training alone, and the networks that may have it.

The protocol for trainers: a network with an auxiliary head has the method `with_auxiliary(images) -> (scores, auxiliary
scores)`; the loss of the second is weighed with 0.4 in the papers. `forward` returns the scores alone, so nothing of the head
is part of the walk, of a cost or of an extracted network.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from nas.choices import Choice
from nas.elastic import ElasticBatchNorm2d, SymbolicTensor

WINDOW = 5
MIDDLE, WIDE = 128, 768


class AuxiliaryHead(nn.Module):
    """ReLU, mean over 5 x 5, 1 x 1 convolution to 128, a convolution of the whole map that is left to 768, linear.

    Args:
        reduce: makes the 1 x 1 convolution from the map's width to a given one.
        side: of the map that arrives; one below 5 is taken whole by the mean.
        stride: of the mean.
        last_norm: whether a batch norm follows the second convolution.
    """

    def __init__(self, reduce: nn.Module, side: int, classes: int, stride: int = 3, last_norm: bool = True) -> None:
        super().__init__()
        window = min(WINDOW, side)
        self.pool = nn.AvgPool2d(window, stride)
        self.reduce = reduce
        self.first_norm = ElasticBatchNorm2d(MIDDLE)
        self.whole = nn.Conv2d(MIDDLE, WIDE, (side - window) // stride + 1, bias=False)
        self.last_norm = ElasticBatchNorm2d(WIDE) if last_norm else nn.Identity()
        self.linear = nn.Linear(WIDE, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, side, side) -> scores (N, classes)."""
        x = torch.relu(self.first_norm(self.reduce(self.pool(torch.relu(x)))))
        return self.linear(torch.relu(self.last_norm(self.whole(x))).flatten(1))  # type: ignore[no-any-return]


class CellNetwork(nn.Module):
    """A network of searched cells that may have an auxiliary head. A subclass makes its parts and says how they run.

    Args:
        choices: of the cells. All of them matter in every network, as each slot of a cell runs one operator; the conditions
            under which the operators run need not say it.
    """

    auxiliary: AuxiliaryHead | None

    def __init__(self, choices: Sequence[Choice]) -> None:
        super().__init__()
        self.choices = tuple(choices)
        self.auxiliary = None

    def run_cells(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (N, C, H, W) -> scores (N, classes), and the map (N, C', H', W') that the auxiliary head reads."""
        raise TypeError(f"{type(self).__name__} does not say how its cells run")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) -> scores (N, classes)."""
        if isinstance(images, SymbolicTensor):
            images.recorder.use(*self.choices)
        return self.run_cells(images)[0]

    def with_auxiliary(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (N, C, H, W) -> scores and those of the auxiliary head, (N, classes) each, for training.

        Raises:
            RuntimeError: there is no such head.
        """
        if self.auxiliary is None:
            raise RuntimeError("this network was built without an auxiliary head: pass auxiliary=True")
        scores, middle = self.run_cells(images)
        return scores, self.auxiliary(middle)
