"""Norms, elastic and torch's own, and what they scale and shift by."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from nas.elastic.layer import ElasticLayer


def is_norm(module: nn.Module) -> bool:
    """Whether the parameters of a module only scale and shift what it normalises."""
    if isinstance(module, ElasticLayer):
        return module.normalises
    return isinstance(module, _BatchNorm | nn.LayerNorm | nn.GroupNorm)


def scales(norm: nn.Module) -> list[nn.Parameter]:
    """The parameters that a norm scales by: none, one, or several behind a concatenation."""
    if isinstance(norm, ElasticLayer):
        return norm.kept_in("weight")
    weight = norm._parameters.get("weight")
    return [] if weight is None else [weight]
