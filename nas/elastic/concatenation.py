"""Concatenations of those states of a graph that are in use, and the layers that read them.

The weights for the states in use are no prefix of the full weights, so they are one parameter for each state, and those in
use are joined.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nas.base.errors import NasError
from nas.choices import Codes, Expression, Value, evaluate, where
from nas.elastic.layer import Configurable, Cut, ElasticLayer, Setting, blank
from nas.elastic.selection import require_branches
from nas.elastic.shapes import conv2d, linear
from nas.elastic.structure import either
from nas.elastic.symbolic import SymbolicTensor

MOST_STATES = 16
"""A selection is a bit mask, tabulated over all subsets of the states."""


class Selection:
    """Which of several states are in use, and how wide their concatenation is.

    Layers that write and read one concatenation share one selection.

    Args:
        mask: bit j is set where state j is in use; at least one bit in every architecture.
        widths: channels of each state.
    """

    def __init__(self, mask: Value, widths: Sequence[int]) -> None:
        if not 0 < len(widths) <= MOST_STATES:
            raise NasError(f"a selection takes 1 to {MOST_STATES} states; given {len(widths)}")
        self.mask = mask
        self.widths = tuple(widths)
        masks = np.arange(2 ** len(widths))
        used = (masks[:, None] >> np.arange(len(widths))) & 1
        self.width: Value = _by_mask(mask, used @ np.array(widths))
        self.conditions = tuple(_by_mask(mask, used[:, place].astype(bool)) for place in range(len(widths)))

    @classmethod
    def of(cls, conditions: Sequence[Value], widths: Sequence[int]) -> Selection:
        """The selection of those states whose condition holds."""
        mask: Value = 0
        for place, condition in enumerate(conditions):
            mask = mask + where(condition, 2**place, 0)
        return cls(mask, widths)


class _ByMask(Expression):
    """A value for each bit mask."""

    def __init__(self, mask: Expression, table: np.ndarray) -> None:
        self.mask = mask
        self.table = table
        self.choices = mask.choices

    def evaluate(self, codes: Codes) -> Any:
        found = self.table[evaluate(self.mask, codes)]
        return found if np.ndim(found) else found.item()

    def __repr__(self) -> str:
        return f"by_mask({self.mask!r})"


def _by_mask(mask: Value, table: np.ndarray) -> Value:
    return _ByMask(mask, table) if isinstance(mask, Expression) else table[int(mask)].item()


class Concatenation(Configurable):
    """The states in use, joined along the channels.

    Args:
        selection: which they are.
        branches: a module for each state, run where the state is in use; its result has the state's width in `selection`.
    """

    def __init__(self, selection: Selection, branches: Sequence[nn.Module] | None = None) -> None:
        super().__init__()
        self.selection = selection
        self.branches = nn.ModuleList(branches or [nn.Identity() for _ in selection.widths])
        self.declare(mask=selection.mask)

    def forward(self, *states: torch.Tensor) -> torch.Tensor:
        """All the states (N, C_j, H, W) -> (N, sum of C_j in use, H, W)."""
        require_branches(states, self.branches)
        if isinstance(states[0], SymbolicTensor):
            return self._walk(states)
        used = _used(self.chosen()[0], len(states))
        return torch.cat([self.branches[place](states[place]) for place in used], 1)

    def _walk(self, states: Any) -> SymbolicTensor:
        recorder = states[0].recorder
        parts: list[SymbolicTensor] = []
        places = zip(states, self.branches, self.selection.conditions, self.selection.widths, strict=True)
        for state, branch, used, width in places:
            if used is False:
                continue
            with recorder.only_where(used):
                part = branch(state.refined())
                recorder.require_same((part.shape[1],), (width,), "a state and its width in the selection")
            if parts:
                recorder.require_same(parts[0].shape[2:], part.shape[2:], "concatenated states")
            # What is not in use is read as an empty tensor, so that no memory is held for it.
            nothing = recorder.tensor((1, 0, *part.shape[2:]))
            parts.append(part if used is True else either(used, part, nothing))
        shape = (parts[0].shape[0], self.selection.width, *parts[0].shape[2:])
        return recorder.record("concatenation", tuple(parts), shape)  # type: ignore[no-any-return]


class _SelectedLayer(ElasticLayer):
    """Weights in one parameter for each state, of which those of the states in use are joined."""

    dimension = "operator"

    bias: nn.Parameter | None

    def __init__(self, selection: Selection, out: int, window: tuple[int, ...], bias: bool) -> None:
        super().__init__()
        self.selection = selection
        self.out = out
        for place, width in enumerate(selection.widths):
            self.register_parameter(f"weight{place}", nn.Parameter(torch.empty(out, width, *window)))
        self.register_parameter("bias", nn.Parameter(torch.zeros(out)) if bias else None)
        self.reset_parameters()
        self.declare(mask=selection.mask)

    def reset_parameters(self) -> None:
        """How the weights are drawn."""
        raise TypeError(f"{type(self).__name__} does not say how its weights are drawn")

    def weights(self) -> list[nn.Parameter]:
        """The full parameters, one for each state."""
        return [self.get_parameter(f"weight{place}") for place in range(len(self.selection.widths))]

    def cuts(self, setting: Setting) -> dict[str, Cut]:
        """A state's weights whole, or none of them."""
        found: dict[str, Cut] = {
            f"weight{place}": (slice(None) if setting[0] >> place & 1 else slice(0, 0),)
            for place in range(len(self.selection.widths))
        }
        return {**found, "bias": (slice(None),)}

    def joined(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The weights of the states in use, along their second dimension, and the bias."""
        *weights, bias = self.parts()
        return torch.cat([weights[place] for place in _used(self.chosen()[0], len(weights))], 1), bias  # type: ignore[misc]

    def in_force(self) -> dict[str, torch.Tensor | None]:
        """The joined weights and the bias."""
        return dict(zip(("weight", "bias"), self.joined(), strict=True))

    def in_use(self) -> int:
        """How wide the input is under the settings in force."""
        return sum(self.selection.widths[place] for place in _used(self.chosen()[0], len(self.selection.widths)))

    def parameter_count(self, window: int = 1) -> Value:
        """Weights of the states in use and bias, symbolic."""
        return self.selection.width * (self.out * window) + (self.out if self.bias is not None else 0)


class SelectedConv2d(_SelectedLayer):
    """A 1 x 1 convolution of a concatenation of the states in use; its static twin is a torch.nn.Conv2d."""

    def __init__(self, selection: Selection, out_channels: int, stride: int = 1, bias: bool = False) -> None:
        self.stride = stride
        super().__init__(selection, out_channels, (1, 1), bias)

    def reset_parameters(self) -> None:
        """He initialisation by fan-out (He et al. 2015), which does not depend on the states in use."""
        for weight in self.weights():
            nn.init.normal_(weight, std=math.sqrt(2.0 / self.out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, sum of C_j in use, H, W) -> (N, C', H', W')."""
        if isinstance(x, SymbolicTensor):
            stride, one, none = (self.stride, self.stride), (1, 1), (0, 0)
            return conv2d(x, self.out, one, stride, none, one, 1, self.selection.width, self.parameter_count())
        weight, bias = self.joined()
        return F.conv2d(x, weight, bias, self.stride)

    def static(self) -> nn.Module:
        """A torch.nn.Conv2d."""
        return self.copy_into(blank(nn.Conv2d, self.in_use(), self.out, 1, self.stride, 0, 1, 1, self.bias is not None))


class SelectedLinear(_SelectedLayer):
    """A linear layer over the features of the states in use; its static twin is a torch.nn.Linear."""

    def __init__(self, selection: Selection, out_features: int, bias: bool = True) -> None:
        super().__init__(selection, out_features, (), bias)

    def reset_parameters(self) -> None:
        """Glorot uniform weights for all the states together (Glorot & Bengio 2010)."""
        limit = math.sqrt(6.0 / (sum(self.selection.widths) + self.out))
        for weight in self.weights():
            nn.init.uniform_(weight, -limit, limit)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, sum of C_j in use) -> (N, F)."""
        if isinstance(x, SymbolicTensor):
            return linear(x, self.selection.width, self.out, self.parameter_count())
        weight, bias = self.joined()
        return F.linear(x, weight, bias)

    def static(self) -> nn.Module:
        """A torch.nn.Linear."""
        return self.copy_into(blank(nn.Linear, self.in_use(), self.out, self.bias is not None))


def _used(mask: int, count: int) -> list[int]:
    return [place for place in range(count) if mask >> place & 1]
