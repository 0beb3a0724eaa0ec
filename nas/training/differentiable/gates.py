"""Binary gates over the operators of an edge (Cai et al., ProxylessNAS, 2019): one operator runs, every gate has a gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from nas.elastic import Switch

GateMode = Literal["two", "full", "full_v2"]
"""How many operators of an edge take part in an architecture step: two drawn ones, or all. 'full' keeps every result until
the backward pass, 'full_v2' computes those of the inactive ones again there, with the same figures."""


@dataclass(frozen=True)
class Draw:
    """What was drawn for one edge.

    Attributes:
        involved: numbers of the operators that take part, the active one first.
        gates: their gates (I,), 1 for the active one and 0 for the others; a leaf.
    """

    involved: tuple[int, ...]
    gates: torch.Tensor

    @property
    def active(self) -> int:
        """The operator that runs."""
        return self.involved[0]


def draw_operator(alphas: torch.Tensor, rng: np.random.Generator) -> int:
    """One operator by p = softmax(alphas), for alphas (O,)."""
    return _order(alphas.detach().cpu().numpy(), rng)[0]


def _order(logits: np.ndarray, rng: np.random.Generator) -> list[int]:
    """All operators, drawn one after the other by their softmax without replacement, however small that is.

    The order of perturbed logits is such a draw (Kool et al., Stochastic beams and where to find them, 2019).
    """
    return np.argsort(-(logits.astype(np.float64) + rng.gumbel(size=len(logits)))).tolist()  # type: ignore[no-any-return]


def draw_gates(alphas: torch.Tensor, mode: GateMode, rng: np.random.Generator) -> Draw:
    """The operators of an edge that take part in an architecture step, and which of them is active.

    With 'two' they are drawn one after the other by p = softmax(alphas) without replacement; of the two one is active, by p
    renormalised to them. Else all take part, and one is active by p.

    Args:
        alphas: (O,), O at least 2.
    """
    logits = alphas.detach().cpu().numpy()
    order = _order(logits, rng)
    if mode == "two":
        pair = order[:2]
        involved = [pair[place] for place in _order(logits[pair], rng)]
    else:
        involved = [order[0], *sorted(order[1:])]
    return gated(involved, alphas)


def gated(involved: Sequence[int], alphas: torch.Tensor) -> Draw:
    """The gates of operators, the first of which is active."""
    gates = torch.zeros(len(involved), dtype=alphas.dtype, device=alphas.device)
    gates[0] = 1.0
    return Draw(tuple(involved), gates.requires_grad_())


def gate_policy(draw: Draw, mode: GateMode) -> Callable[[Switch, torch.Tensor], torch.Tensor]:
    """A `Switch.policy` that returns sum_j g_j o_j(x) over the operators that take part.

    Its value is the active operator's result. Backward, that operator's gradients are the ordinary ones, gate j receives
    dL/dg_j = <dL/dout, o_j>, and neither the weights nor the input of the inactive operators any.
    """

    def run(switch: Switch, x: torch.Tensor) -> torch.Tensor:
        active, *inactive = (switch.candidates[number] for number in draw.involved)
        if mode == "full_v2":
            return _RecomputedGates.apply(draw.gates, active(x), x.detach(), inactive)  # type: ignore[no-any-return]
        with torch.no_grad():
            others = [operator(x) for operator in inactive]
        return _StoredGates.apply(draw.gates, active(x), *others)  # type: ignore[no-any-return]

    return run


def softmax_gradient(gradient: torch.Tensor, alphas: torch.Tensor) -> torch.Tensor:
    """dL/dalpha_i = sum_j dL/dg_j p_j (delta_ij - p_i), with p the softmax of the given alphas; all (I,)."""
    p = alphas.softmax(0)
    return p * (gradient - (gradient * p).sum())


def keep_total(alphas: torch.Tensor, involved: Sequence[int], before: torch.Tensor) -> None:
    """Shift the operators that took part, in place, so that their exp(alpha) add up to what they did.

    Args:
        alphas: (O,), after the optimiser's step.
        before: the same before it.
    """
    index = torch.tensor(involved, device=alphas.device)
    alphas[index] -= alphas[index].logsumexp(0) - before[index].logsumexp(0)


def _inner(left: torch.Tensor, right: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return (left * right).sum(dtype=dtype)


class _StoredGates(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: torch.Tensor, active: torch.Tensor, *inactive: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(active, *inactive)
        ctx.dtype = gates.dtype
        return active.clone()  # what follows may change it in place

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        of_gates = torch.stack([_inner(gradient, output, ctx.dtype) for output in ctx.saved_tensors])
        return of_gates, gradient, *(None for _ in ctx.saved_tensors[1:])


class _RecomputedGates(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, gates: torch.Tensor, active: torch.Tensor, x: torch.Tensor, inactive: Sequence[nn.Module]
    ) -> torch.Tensor:
        ctx.save_for_backward(active, x)
        ctx.inactive, ctx.dtype = inactive, gates.dtype
        kind = active.device.type
        ctx.autocast = (kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind))
        return active.clone()  # what follows may change it in place

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        active, x = ctx.saved_tensors
        found = [_inner(gradient, active, ctx.dtype)]
        with torch.autocast(*ctx.autocast):
            for operator in ctx.inactive:
                with torch.no_grad():
                    found.append(_inner(gradient, operator(x), ctx.dtype))
        return torch.stack(found), gradient, None, None
