"""Linear layer with elastic width."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from nas.choices import Value, bounds
from nas.elastic.layer import Cut, ElasticLayer, Setting, blank
from nas.elastic.shapes import linear
from nas.elastic.symbolic import SymbolicTensor


class ElasticLinear(ElasticLayer):
    """A linear layer over the last dimension whose features may be symbolic; narrower settings use the first ones."""

    channel_axis = -1

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(self, in_features: Value, out_features: Value, bias: bool = True) -> None:
        super().__init__()
        widest_in, widest_out = bounds(in_features)[1], bounds(out_features)[1]
        self.weight = nn.Parameter(torch.empty(widest_out, widest_in))
        self.register_parameter("bias", nn.Parameter(torch.empty(widest_out)) if bias else None)
        self.reset_parameters()
        self.declare(in_features=in_features, out_features=out_features)

    def reset_parameters(self) -> None:
        """Glorot uniform weights (Glorot & Bengio 2010), zero bias."""
        nn.init.xavier_uniform_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def cuts(self, setting: Setting) -> dict[str, Cut]:
        """The first features."""
        in_features, out_features = setting
        return {"weight": (slice(0, out_features), slice(0, in_features)), "bias": (slice(0, out_features),)}

    def for_all(self, settings: Sequence[Setting], largest: Setting) -> Setting | None:
        """The largest."""
        return largest

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., F) -> (..., F')."""
        if isinstance(x, SymbolicTensor):
            return self._walk(x)
        if self._slots is not None:
            return self.batched(self._slots, x)  # type: ignore[no-any-return]
        weight, bias = self.parts()
        return F.linear(x, weight, bias)  # type: ignore[arg-type]

    def _walk(self, x: SymbolicTensor) -> SymbolicTensor:
        in_features, out_features = self.settings.values()
        parameters = in_features * out_features
        if self.bias is not None:
            parameters = parameters + out_features
        return linear(x, in_features, out_features, parameters)

    def static(self) -> nn.Module:
        """A torch.nn.Linear."""
        in_features, out_features = self.chosen()
        return self.copy_into(blank(nn.Linear, in_features, out_features, self.bias is not None))
