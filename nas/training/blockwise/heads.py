"""What stands behind a block while it is trained: a projector, and for the student a predictor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from nas.elastic import ElasticBatchNorm2d


def multilayer(in_features: int, hidden: int, out_features: int) -> nn.Sequential:
    """Linear, batch norm, ReLU, linear, with biases and without a norm at the end.

    The norm keeps no running statistics, as those of a supernet: paths come and go.
    """
    layers = nn.Sequential(
        nn.Linear(in_features, hidden), ElasticBatchNorm2d(hidden), nn.ReLU(), nn.Linear(hidden, out_features)
    )
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return layers


class Projector(nn.Module):
    """A block's map -> its projection, whatever the path.

    Maps with other channels than the fixed number go through a depthwise convolution whose kernel is its stride, which brings
    them to the size of the smallest map, and a 1 x 1 convolution with batch norm; then follow the mean over the map and a
    perceptron with one hidden layer.

    Args:
        outputs: every (C, H, W) that the block may return.
        fixed: the number of channels; None for those of the widest output.
        hidden, projected: widths of the perceptron.
    """

    def __init__(self, outputs: Sequence[tuple[int, ...]], fixed: int | None, hidden: int, projected: int) -> None:
        super().__init__()
        self.fixed = fixed or max(channels for channels, _, _ in outputs)
        smallest = min(min(height, width) for _, height, width in outputs)
        self.fit = nn.ModuleDict()
        for channels in sorted({channels for channels, _, _ in outputs} - {self.fixed}):
            side = min(min(height, width) for given, height, width in outputs if given == channels)
            step = max(1, side // smallest)
            self.fit[str(channels)] = nn.Sequential(
                nn.Conv2d(channels, channels, step, step, groups=channels, bias=False),
                nn.Conv2d(channels, self.fixed, 1, bias=False),
                ElasticBatchNorm2d(self.fixed),
            )
        self.perceptron = multilayer(self.fixed, hidden, projected)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, projected)."""
        if x.shape[1] != self.fixed:
            x = self.fit[str(x.shape[1])](x)
        return self.perceptron(x.mean((2, 3)))  # type: ignore[no-any-return]
