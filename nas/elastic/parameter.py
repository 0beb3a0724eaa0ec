"""Learned tensors that are no layer's weight: a class token, position embeddings, tables of relative positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from nas.choices import Value, bounds
from nas.elastic.layer import Cut, ElasticLayer, Setting
from nas.elastic.symbolic import SymbolicTensor

if TYPE_CHECKING:
    from nas.elastic.batched import Slots


class ElasticParameter(ElasticLayer):
    """A learned tensor whose sizes may be symbolic; smaller settings use the first entries of each axis.

    It is read with `of`, not called: in an extracted network it is an ordinary parameter, named `<path>.weight`.

    Args:
        shape: may be symbolic.
        std: standard deviation of the initial values, normal and cut off at two deviations; 0 for zeros.
    """

    def __init__(self, *shape: Value, std: float = 0.02) -> None:
        super().__init__()
        self.full = nn.Parameter(torch.zeros([bounds(size)[1] for size in shape]))
        if std:
            nn.init.trunc_normal_(self.full, std=std, a=-2 * std, b=2 * std)
        self.declare(**{f"size{axis}": size for axis, size in enumerate(shape)})

    def cuts(self, setting: Setting) -> dict[str, Cut]:
        """The first entries of each axis."""
        return {"full": tuple(slice(0, size) for size in setting)}

    @property
    def weight(self) -> nn.Parameter:
        """The part in force, as the parameter that an extracted network copies."""
        (part,) = self.parts()
        assert part is not None
        return nn.Parameter(part.detach())

    def of(self, x: torch.Tensor) -> torch.Tensor:
        """The part in force. `x` is any tensor of the present pass, and tells a walk and a tracer from a run."""
        if isinstance(x, SymbolicTensor):
            shape = tuple(self.settings.values())
            parameters: Value = 1
            for size in shape:
                parameters = parameters * size
            # A weight holds no activation memory; as a view of x it is counted as none.
            return x.recorder.record("slice", (x,), shape, {}, parameters)
        if isinstance(x, fx.Proxy):
            tracer = x.tracer
            path = tracer.path_of_module(self)
            return tracer.create_proxy("get_attr", f"{path}.weight", (), {})
        if self._slots is not None:
            return self.batched(self._slots)
        (part,) = self.parts()
        assert part is not None
        return part

    def batched(self, slots: Slots, *_: Any) -> torch.Tensor:
        """(N, ...): each example's part, zeros beyond. The first axis is the batch's, of size 1 in the parameter."""
        self.activate(slots.largest(self))
        (result,) = self.parts()
        assert result is not None
        settings = slots.settings(self)
        for axis in range(1, result.dim()):
            mask = slots.mask([setting[axis] for setting in settings], result, axis)
            result = result if mask is None else result * mask
        return result
