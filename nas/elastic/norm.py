"""Batch and layer normalisation with elastic width."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from nas.choices import Value, bounds
from nas.elastic.layer import Cut, ElasticLayer, Setting, blank
from nas.elastic.symbolic import SymbolicTensor

Joint = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Makes of a mean and a variance, (C,) each, of this process's part of a batch those of the whole batch."""


class ElasticBatchNorm2d(ElasticLayer):
    """Batch normalisation whose width may be symbolic.

    It keeps no running statistics of its own: averaged over different sub-networks they would describe none of them.
    In training it uses those of the batch; for evaluation the supernet lends it the statistics of one sub-network
    (`statistics`), which are estimated for that sub-network alone.

    Args:
        num_features: may be symbolic.
        momentum: given to the static twin, where ordinary running statistics return.
    """

    channel_axis = 1
    by_slot = True
    normalises = True

    twin: type[nn.Module] = nn.BatchNorm2d
    """What the static twin is."""

    statistics: tuple[torch.Tensor, torch.Tensor] | None = None
    """Mean and variance, (C,) each, of the sub-network being evaluated."""

    joint: Joint | None = None
    """Where several processes share a batch: makes of a part's mean and variance, (C,) each, those of the batch."""

    collecting: float | None = None
    """While statistics are being estimated: the weight of the present batch in their cumulative average."""

    _place: torch.Tensor

    def __init__(self, num_features: Value, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        widest = bounds(num_features)[1]
        self.register_parameter("weight", nn.Parameter(torch.ones(widest)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(widest)) if affine else None)
        if not affine:  # nothing else would tell where the module was moved to
            self.register_buffer("_place", torch.zeros(()), persistent=False)
        self.declare(num_features=num_features)

    @property
    def width_in_force(self) -> int:
        """Channels under the settings in force."""
        return int(self.chosen()[0])

    @torch.no_grad()
    def neutralise(self) -> None:
        """Scale by 1 and shift by 0 for good: neither is trained any more."""
        for scale in self.kept_in("weight"):
            scale.fill_(1.0)
        for shift in self.kept_in("bias"):
            shift.fill_(0.0)
        self.requires_grad_(False)

    def channels(self, setting: Setting) -> tuple[int, int]:
        """The width, twice."""
        return setting[0], setting[0]

    def cuts(self, setting: Setting) -> dict[str, Cut]:
        """The first channels."""
        first = (slice(0, setting[0]),)
        return {"weight": first, "bias": first}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> the same shape."""
        if isinstance(x, SymbolicTensor):
            return self._walk(x)
        if self._slots is not None:
            return self.batched(self._slots, x)  # type: ignore[no-any-return]
        weight, bias = self.parts()
        if self.training:
            if self.joint is not None:
                return jointly_normed(x, self.joint, weight, bias, self.eps)
            return F.batch_norm(x, None, None, weight, bias, True, 0.0, self.eps)
        if self.statistics is None and self.collecting is not None:
            width = x.shape[1]
            self.statistics = (torch.zeros(width, device=x.device), torch.ones(width, device=x.device))
        if self.statistics is None:
            raise RuntimeError(
                "batch-norm statistics of this sub-network were never estimated: call Supernet.calibrate and evaluate "
                "inside Supernet.using, or extract the sub-network"
            )
        mean, variance = self.statistics
        collecting = self.collecting is not None
        return F.batch_norm(x, mean, variance, weight, bias, collecting, self.collecting or 0.0, self.eps)

    def _walk(self, x: SymbolicTensor) -> SymbolicTensor:
        width = self.settings["num_features"]
        x.recorder.require_same((x.shape[1],), (width,), "the channels that arrive and those that batch norm expects")
        return x.recorder.record("batch_norm", (x,), x.shape, {}, 0 if self.weight is None else 2 * width)

    def static(self) -> nn.Module:
        """A torch batch norm, with the statistics lent at the moment, or fresh ones."""
        width, scales = self.width_in_force, self.kept_in("weight")
        device = (scales[0] if scales else self._place).device
        mean, variance = self.statistics or (torch.zeros(width, device=device), torch.ones(width, device=device))
        twin = blank(self.twin, width, self.eps, self.momentum, bool(scales))
        twin.running_mean, twin.running_var = mean.clone(), variance.clone()
        twin.num_batches_tracked = torch.tensor(0, device=mean.device)
        return self.copy_into(twin)


def jointly_normed(
    x: torch.Tensor, joint: Joint, weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float
) -> torch.Tensor:
    """Batch norm by the statistics of all processes' images; the arithmetic is at least in float32, as in torch's own."""
    wide = x if x.dtype == torch.float64 else x.float()
    variance, mean = torch.var_mean(wide, (0, 2, 3), correction=0)
    mean, variance = joint(mean, variance)
    scale = torch.rsqrt(variance + eps)
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return torch.addcmul(shift[:, None, None], wide, scale[:, None, None]).to(x.dtype)


class ElasticLayerNorm(ElasticLayer):
    """Layer normalisation over the last dimension, whose width may be symbolic."""

    channel_axis = -1
    normalises = True

    def __init__(self, width: Value, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        widest = bounds(width)[1]
        self.weight = nn.Parameter(torch.ones(widest))
        self.bias = nn.Parameter(torch.zeros(widest))
        self.declare(width=width)

    def channels(self, setting: Setting) -> tuple[int, int]:
        """The width, twice."""
        return setting[0], setting[0]

    def cuts(self, setting: Setting) -> dict[str, Cut]:
        """The first features."""
        first = (slice(0, setting[0]),)
        return {"weight": first, "bias": first}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., F) -> the same shape."""
        if isinstance(x, SymbolicTensor):
            return self._walk(x)
        if self._slots is not None:
            return self.batched(self._slots, x)  # type: ignore[no-any-return]
        weight, bias = self.parts()
        return F.layer_norm(x, self.chosen(), weight, bias, self.eps)

    def _walk(self, x: SymbolicTensor) -> SymbolicTensor:
        width = self.settings["width"]
        x.recorder.require_same((x.shape[-1],), (width,), "the features that arrive and those that layer norm expects")
        return x.recorder.record("layer_norm", (x,), x.shape, {}, 2 * width)

    def static(self) -> nn.Module:
        """A torch.nn.LayerNorm."""
        return self.copy_into(blank(nn.LayerNorm, self.chosen()[0], self.eps))
