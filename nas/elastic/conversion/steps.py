"""The steps of a traced forward, and the registers of what each kind of step does to widths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import nn

from nas.elastic.conversion.widths import Layout, fix, whole

if TYPE_CHECKING:
    from nas.elastic.conversion.flow import Flow


@dataclass(frozen=True)
class Followed:
    """A tensor of the forward: its shape in the original network, and for each dimension a layout, or None for a plain size."""

    shape: tuple[int, ...]
    dims: tuple[Layout | None, ...]


@dataclass(frozen=True)
class Size:
    """A number that the forward reads off a tensor's shape and that changes with a width."""

    value: int
    layout: Layout


@dataclass(frozen=True)
class Step:
    """One node of the graph, ready for its rule."""

    flow: Flow
    name: str
    place: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any

    def argument(self, index: int, name: str, default: Any = None) -> Any:
        """An argument that may be given by position or by name."""
        return self.args[index] if len(self.args) > index else self.kwargs.get(name, default)

    def tensor(self, *dims: Layout | None) -> Followed:
        """What the step returns, with these layouts."""
        return Followed(tuple(self.result.shape), dims)

    def channels(self, x: Followed, axis: int) -> Layout:
        """The layout of a dimension; fixed where it could not be followed up to here."""
        found = x.dims[axis]
        if found is not None:
            return found
        return whole(x.shape[axis], f"what arrives at {self.place} could not be followed")

    def unknown(self, reason: str = "") -> Any:
        """Fix everything that arrives; what leaves is of plain sizes."""
        for layout, counted in layouts((self.args, self.kwargs)):
            where = f"'{self.name}' in {self.place}"
            fix(layout, reason or (f"{where} calculates with its size" if counted else f"it goes into {where}, which fixes it"))
        return plain(self.result)


Rule: TypeAlias = Callable[[Step], Any]
MODULE_RULES: dict[type[nn.Module], Rule] = {}
FUNCTION_RULES: dict[str, Rule] = {}


def module_rule(*kinds: type[nn.Module]) -> Callable[[Rule], Rule]:
    """Register what modules of exactly these types do to widths."""

    def register(rule: Rule) -> Rule:
        MODULE_RULES.update(dict.fromkeys(kinds, rule))
        return rule

    return register


def function_rule(*names: str) -> Callable[[Rule], Rule]:
    """Register what torch's functions, operators and tensor methods of these names do to widths."""

    def register(rule: Rule) -> Rule:
        FUNCTION_RULES.update(dict.fromkeys(names, rule))
        return rule

    return register


def layouts(value: Any) -> Iterator[tuple[Layout, bool]]:
    """Every layout within arguments, and whether it is there as a number only."""
    if isinstance(value, Followed):
        yield from ((layout, False) for layout in value.dims if layout is not None)
    elif isinstance(value, Size):
        yield value.layout, True
    elif isinstance(value, tuple | list):
        for item in value:
            yield from layouts(item)
    elif isinstance(value, dict):
        yield from layouts(list(value.values()))
    elif isinstance(value, slice):
        yield from layouts((value.start, value.stop, value.step))


def plain(result: Any) -> Any:
    """A result in which no size changes with a width."""
    if isinstance(result, torch.Tensor):
        return Followed(tuple(result.shape), (None,) * result.dim())
    return tuple(map(plain, result)) if isinstance(result, tuple | list) else result
