"""Convolution whose smaller kernels are learned linear functions of the larger ones."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nas.choices import Value, assignments, evaluate, free_choices
from nas.elastic.convolution import ElasticConv2d
from nas.elastic.layer import Cut, ElasticLayer, Setting, blank
from nas.elastic.symbolic import SymbolicTensor


class KernelStep(ElasticLayer):
    """A matrix that makes a kernel of side k from the centre of a larger one, the same for every channel.

    It starts as the identity, so that the smaller kernel at first is the centre itself.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.matrix = nn.Parameter(torch.eye(side**2))
        self.declare()

    def cuts(self, setting: Setting) -> dict[str, Cut]:
        """The whole matrix."""
        return {"matrix": (slice(None), slice(None))}

    def forward(self, kernels: torch.Tensor) -> torch.Tensor:
        """Kernels (C', C, K, K) with K >= k -> (C', C, k, k)."""
        (matrix,) = self.parts()
        window = _centre(kernels.shape[-1], self.side)
        centre = kernels[:, :, window, window].flatten(2)
        return F.linear(centre, matrix).unflatten(2, (self.side, self.side))  # type: ignore[arg-type, no-any-return]


class ElasticTransformedConv2d(ElasticConv2d):
    """An `ElasticConv2d` with a learned step from each kernel to the next smaller one (Cai et al., Once-for-All, 2020).

    With kernels 7, 5 and 3: the centre of the 7 x 7 kernel times a 25 x 25 matrix is the 5 x 5 kernel, whose own centre
    times a 9 x 9 matrix is the 3 x 3 kernel. The matrices belong to the layer and are shared by its channels. What is
    extracted is an ordinary convolution with the resulting kernel, and costs count that one.
    """

    def __init__(
        self,
        in_channels: Value,
        out_channels: Value,
        kernel_size: Value = 1,
        stride: int = 1,
        groups: Value = 1,
        dilation: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, groups, dilation, bias)
        kernels = np.unique(np.asarray(evaluate(kernel_size, assignments(free_choices(kernel_size)))))
        self.sides: tuple[int, ...] = tuple(reversed(kernels.tolist()))
        # Layers of their own, so that a step which no pass takes has no gradient and is left alone by weight decay.
        self.steps = nn.ModuleList(KernelStep(side) for side in self.sides[1:])

    def cuts(self, setting: Setting) -> dict[str, Cut]:
        """The first channels of the whole kernel, or of the centre that the first step starts from."""
        in_channels, out_channels, kernel, groups = setting
        window = _centre(self.kernel, self.kernel if kernel == self.kernel else self.sides[1])
        out = slice(0, out_channels)
        return {"weight": (out, slice(0, in_channels // groups), window, window), "bias": (out,)}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        if isinstance(x, SymbolicTensor):
            return self._walk(x)
        if self._slots is not None:
            return self.batched(self._slots, x)  # type: ignore[no-any-return]
        weight, bias = self._effective()
        _, _, kernel, groups = self.chosen()
        padding = self.dilation * (kernel - 1) // 2
        return F.conv2d(x, weight, bias, self.stride, padding, self.dilation, groups)

    def in_force(self) -> dict[str, torch.Tensor | None]:
        """The resulting kernel and the bias."""
        return dict(zip(("weight", "bias"), self._effective(), strict=True))

    def _effective(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Kernel (C', C, k, k) and bias under the settings in force; gradients reach the full kernel and the matrices."""
        weight, bias = self.parts()
        assert weight is not None
        for step, side in zip(self.steps, self.sides[1:], strict=True):
            if side < self.chosen()[2]:
                break
            weight = step(weight)
        return weight, bias

    def static(self) -> nn.Module:
        """A torch.nn.Conv2d with the resulting kernel."""
        in_channels, out_channels, kernel, groups = self.chosen()
        padding = self.dilation * (kernel - 1) // 2
        arguments = (in_channels, out_channels, kernel, self.stride, padding, self.dilation, groups, self.bias is not None)
        return self.copy_into(blank(nn.Conv2d, *arguments))


def _centre(whole: int, side: int) -> slice:
    start = (whole - side) // 2
    return slice(start, start + side)
