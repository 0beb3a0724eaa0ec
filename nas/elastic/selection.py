"""Graphs whose connections are searched: which of several earlier tensors (states) is read, and which are added up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nas.base.errors import NasError
from nas.choices import Expression, Value, any_of, bounds, negation, settled
from nas.choices.expression import SETTLING_LIMIT, combine
from nas.elastic.layer import Configurable
from nas.elastic.structure import either, one_of
from nas.elastic.symbolic import SymbolicTensor

if TYPE_CHECKING:
    from nas.elastic.batched import Slots


@lru_cache(maxsize=4096)
def _equal(value: Value, number: int) -> Value:
    """The same object for the same arguments: a walk keeps one condition where a value is used in many places."""
    return settled(combine("==", value, number))


@lru_cache(maxsize=4096)
def _any(conditions: tuple[Value, ...]) -> Value:
    """Whether any condition holds, plainly True or False where that is the same everywhere; worked out once."""
    return settled(any_of(conditions))


class InputChoice(Configurable):
    """One of several tensors, through a module of its own.

    Args:
        index: which tensor; whole numbers from 0.
        branches: one module for each tensor.
    """

    def __init__(self, index: Value, branches: Sequence[nn.Module]) -> None:
        super().__init__()
        least, most = bounds(index)
        if not 0 <= least <= most < len(branches):
            raise NasError(f"an index from {least} to {most} does not fit {len(branches)} branches")
        self.branches = nn.ModuleList(branches)
        self.declare(index=index)

    def forward(self, *states: torch.Tensor) -> torch.Tensor:
        """One tensor for each branch -> the chosen branch's result."""
        require_branches(states, self.branches)
        if isinstance(states[0], SymbolicTensor):
            return self._walk(states)
        if self._slots is not None:
            return self.batched(self._slots, *states)
        return self._taken(self.chosen()[0], *states)

    def batched(self, slots: Slots, *states: torch.Tensor) -> torch.Tensor:
        """Each branch on the examples of those architectures that chose it."""
        return slots.grouped([index for (index,) in slots.settings(self)], self._taken, *states)

    def _taken(self, index: int, *states: torch.Tensor) -> torch.Tensor:
        return self.branches[index](states[index])  # type: ignore[no-any-return]

    def _walk(self, states: Any) -> SymbolicTensor:
        pairs = enumerate(zip(states, self.branches, strict=True))
        return one_of((_equal(self.settings["index"], place), branch, state) for place, (state, branch) in pairs)


class SelectedSum(Configurable):
    """The sum of those tensors whose condition holds, each through a module of its own.

    Args:
        conditions: in which architectures a tensor takes part, one for each.
        branches: one module for each tensor; their results have one shape.
        empty: run on the first tensor where no condition holds; may be left out where one always does.
    """

    policy: Callable[[SelectedSum, Sequence[torch.Tensor]], torch.Tensor] | None = None
    """Decides in the place of the conditions while a trainer relaxes them: gets the module and all the states."""

    def __init__(self, conditions: Sequence[Value], branches: Sequence[nn.Module], empty: nn.Module | None = None) -> None:
        super().__init__()
        if len(conditions) != len(branches) or not branches:
            raise NasError(f"a sum needs one condition for each branch; given {len(conditions)} for {len(branches)}")
        some = any_of(conditions)
        if empty is None and _few_options(some) and _any(tuple(conditions)) is not True:
            raise NasError("in some architecture no condition of a sum holds; say what its result is there: empty=MODULE")
        self.branches = nn.ModuleList(branches)
        self.empty = empty
        self.declare(**{f"uses{place}": condition for place, condition in enumerate(conditions)})

    def forward(self, *states: torch.Tensor) -> torch.Tensor:
        """One tensor for each branch -> their sum."""
        require_branches(states, self.branches)
        if isinstance(states[0], SymbolicTensor):
            return self._walk(states)
        if self.policy is not None:
            return self.policy(self, states)
        if self._slots is not None:
            return self.batched(self._slots, *states)
        return self._added(self.chosen(), *states)

    def batched(self, slots: Slots, *states: torch.Tensor) -> torch.Tensor:
        """The sum of each combination of tensors on the examples of those architectures that use it."""
        return slots.grouped(slots.settings(self), self._added, *states)

    def _added(self, uses: Sequence[bool], *states: torch.Tensor) -> torch.Tensor:
        terms = [branch(state) for branch, state, used in zip(self.branches, states, uses, strict=True) if used]
        if not terms:
            return self._nothing(states[0])  # type: ignore[no-any-return]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total  # type: ignore[no-any-return]

    def _nothing(self, state: Any) -> Any:
        if self.empty is None:
            raise RuntimeError("no condition of this sum holds in the architecture in force")
        return self.empty(state)

    def _walk(self, states: Any) -> SymbolicTensor:
        recorder = states[0].recorder
        total: SymbolicTensor | None = None
        begun: Value = False
        for place, (state, branch, used) in enumerate(zip(states, self.branches, self.settings.values(), strict=True)):
            if used is False:
                continue
            with recorder.only_where(used):
                term = branch(state.refined())
                if total is not None:
                    with recorder.only_where(begun):
                        joined = total + term
                    term = joined if begun is True else either(begun, joined, term)
            total = term if total is None or used is True else either(used, term, total)
            begun = _any(tuple(self.settings.values())[: place + 1])
        if self.empty is not None and begun is not True:
            with recorder.only_where(negation(begun)):
                nothing = self.empty(states[0].refined())
            total = nothing if total is None else either(begun, total, nothing)
        assert total is not None
        return total


def _few_options(value: Value) -> bool:
    return not isinstance(value, Expression) or math.prod(len(choice.options) for choice in value.choices) <= SETTLING_LIMIT


def require_branches(states: Sequence[Any], branches: nn.ModuleList) -> None:
    """Raises NasError where there are not as many tensors as modules for them."""
    if len(states) != len(branches):
        raise NasError(f"{len(branches)} branches were given {len(states)} tensors; each branch needs one")
