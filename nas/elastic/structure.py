"""Which modules are run at all: optional ones, elastic depth, and a choice of operators."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nas.base.errors import NasError
from nas.choices import Choice, Value, bounds, settled, tabulated, where
from nas.choices.expression import combine
from nas.elastic.layer import Configurable
from nas.elastic.symbolic import SymbolicTensor, same

if TYPE_CHECKING:
    from nas.elastic.batched import Slots


class Optional(Configurable):
    """A module that some architectures leave out; what arrives then passes unchanged, so shapes must agree.

    Args:
        module: takes and returns one tensor of the same shape.
        when: symbolic truth value.
    """

    dimension = "depth"

    def __init__(self, module: nn.Module, when: Value) -> None:
        super().__init__()
        self.module = module
        self.declare(when=when)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The module's result, or x."""
        if isinstance(x, SymbolicTensor):
            return _guarded(self.module, x, self.settings["when"])
        if self._slots is not None:
            return self.batched(self._slots, x)
        return self.module(x) if self.chosen()[0] else x

    def batched(self, slots: Slots, x: torch.Tensor) -> torch.Tensor:
        """The module on the examples of those architectures that have it."""
        return _where(slots, self.module, [bool(when) for (when,) in slots.settings(self)], x)


class Depth(Configurable):
    """The first `depth` of several modules, one after the other."""

    dimension = "depth"

    def __init__(self, blocks: Sequence[nn.Module], depth: Value) -> None:
        super().__init__()
        least, most = bounds(depth)
        if not 0 <= least <= most <= len(blocks):
            raise NasError(f"a depth from {least} to {most} does not fit {len(blocks)} blocks")
        self.blocks = nn.ModuleList(blocks)
        self.declare(depth=depth)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x through the blocks in use."""
        if isinstance(x, SymbolicTensor):
            least, _ = bounds(self.settings["depth"])
            for index, block in enumerate(self.blocks):
                x = block(x) if index < least else _guarded(block, x, self.settings["depth"] > index)
            return x
        if self._slots is not None:
            return self.batched(self._slots, x)
        for block in self.blocks[: self.chosen()[0]]:
            x = block(x)
        return x

    def batched(self, slots: Slots, x: torch.Tensor) -> torch.Tensor:
        """Each block on the examples of those architectures that are deep enough."""
        depths = [depth for (depth,) in slots.settings(self)]
        for index, block in enumerate(self.blocks[: max(depths)]):
            x = _where(slots, block, [depth > index for depth in depths], x)
        return x


class Switch(Configurable):
    """One of several modules, picked by a symbolic index.

    Args:
        index: whole numbers from 0, one for each candidate.
        candidates: each takes and returns one tensor; what they return may differ in shape.
        width: channels (axis 1) that leave, where candidates differ in them, so that several architectures can share a pass.
    """

    policy: Callable[[Switch, torch.Tensor], torch.Tensor] | None = None
    """Decides in the place of the index while a trainer relaxes the choice: gets the module and what arrives."""

    def __init__(self, index: Value, candidates: Sequence[nn.Module], width: Value | None = None) -> None:
        super().__init__()
        least, most = bounds(index)
        if not 0 <= least <= most < len(candidates):
            raise NasError(f"an index from {least} to {most} does not fit {len(candidates)} candidates")
        self.width = None if width is None else int(bounds(width)[1])
        self.candidates = nn.ModuleList(candidates)
        self.declare(index=index)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The chosen candidate's result."""
        if isinstance(x, SymbolicTensor):
            return self._walk(x)
        if self.policy is not None:
            return self.policy(self, x)
        if self._slots is not None:
            return self.batched(self._slots, x)
        return self.candidates[self.chosen()[0]](x)  # type: ignore[no-any-return]

    def batched(self, slots: Slots, x: torch.Tensor) -> torch.Tensor:
        """Each candidate on the examples of those architectures that chose it."""
        indices = [index for (index,) in slots.settings(self)]
        return slots.grouped(indices, lambda index, y: self.candidates[index](y), x, width=self.width)

    def _picked(self, code: int) -> Value:
        return combine("==", self.settings["index"], code)

    def _walk(self, x: SymbolicTensor) -> SymbolicTensor:
        return one_of((settled(self._picked(code)), candidate, x) for code, candidate in enumerate(self.candidates))


class OperatorChoice(Switch):
    """One of several modules, picked by a choice.

    Args:
        choice: its options name the candidates.
        candidates: option -> module; every option needs one.
    """

    def __init__(self, choice: Choice, candidates: Mapping[Any, nn.Module]) -> None:
        missing = [option for option in choice.options if option not in candidates]
        if missing or len(candidates) != len(choice.options):
            raise NasError(f"choice '{choice.name}' needs one candidate for each of {choice.options}; given {list(candidates)}")
        index = choice.map({option: code for code, option in enumerate(choice.options)})
        super().__init__(index, [candidates[option] for option in choice.options])
        self.choice = choice

    def _picked(self, code: int) -> Value:
        return self.choice.equals(self.choice.options[code])


def _where(slots: Slots, module: nn.Module, used: Sequence[bool], x: torch.Tensor) -> torch.Tensor:
    """The module's result for those slots that use it, x for the others."""
    return slots.grouped(used, lambda on, y: module(y) if on else y, x)


def _guarded(module: nn.Module, x: SymbolicTensor, condition: Value) -> SymbolicTensor:
    recorder = x.recorder
    with recorder.only_where(condition):
        output = module(x.refined())
        recorder.require_same(x.shape, output.shape, "what enters and what leaves a module that may be left out")
    return either(condition, output, x)


def one_of(branches: Iterable[tuple[Value, nn.Module, SymbolicTensor]]) -> SymbolicTensor:
    """What the one branch returns whose condition holds, recorded as forks between the branches.

    Args:
        branches: condition, module, and what the module takes. In every architecture exactly one condition holds; one that is
            plainly False leaves its branch out of the record.
    """
    result: SymbolicTensor | None = None
    for picked, branch, x in branches:
        if picked is False:
            continue
        with x.recorder.only_where(picked):
            output = branch(x.refined())
        result = output if result is None else either(picked, output, result)
    assert result is not None
    return result


def either(condition: Value, yes: SymbolicTensor, no: SymbolicTensor) -> SymbolicTensor:
    """The tensor that follows a fork: one storage or the other, recorded so that memory is followed through it."""
    recorder = yes.recorder
    if len(yes.shape) != len(no.shape):
        raise NasError(f"{recorder.path}: candidates return {len(yes.shape)} and {len(no.shape)} dimensions")
    shape = tuple(b if same(a, b) else tabulated(where(condition, a, b)) for a, b in zip(yes.shape, no.shape, strict=True))
    return recorder.record("fork", (yes, no), shape, {"condition": condition})
