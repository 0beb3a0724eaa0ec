"""A batch norm that exists only while a choice of operators is relaxed."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from nas.elastic.norm import Joint, jointly_normed


class RelaxedNorm(nn.Module):
    """Batch norm without scale and shift while operators are weighed against one another, and else the identity.

    Weights of operators only compare what is of one size, so a network that is searched by architecture parameters may
    normalise operators that no network of the space does (pools in Liu et al., DARTS, 2019). It is part of no walk, no cost
    and no extracted network.
    """

    relaxed = False
    """Whether operators are being weighed."""

    joint: Joint | None = None
    """See `ElasticBatchNorm2d`."""

    def __init__(self, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> the same shape."""
        if not self.relaxed:
            return x
        if self.joint is not None:
            return jointly_normed(x, self.joint, None, None, self.eps)
        return F.batch_norm(x, None, None, None, None, True, 0.0, self.eps)

    def extra_repr(self) -> str:
        """The norm's figure."""
        return f"eps={self.eps:g}"
