"""What functions that rearrange dimensions do to widths."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from nas.elastic.conversion.steps import Followed, Size, Step, function_rule, layouts, module_rule
from nas.elastic.conversion.widths import Layout, fix, length, scaled, unify


def _listed(sizes: tuple[Any, ...]) -> list[Any]:
    return list(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else list(sizes)


@module_rule(nn.Flatten)
def _flatten_module(step: Step) -> Any:
    return _reshaped(step, step.args[0], None)


@function_rule("flatten")
def _flatten(step: Step) -> Any:
    return _reshaped(step, step.args[0], None)


@function_rule("reshape", "view")
def _view(step: Step) -> Any:
    sizes = _listed(step.args[1:]) if len(step.args) > 1 else list(step.kwargs.get("shape", step.kwargs.get("size", ())))
    return _reshaped(step, step.args[0], sizes)


def _reshaped(step: Step, x: Followed, sizes: list[Any] | None) -> Any:
    """Channels that lead what they are joined with can be followed; sizes given as plain numbers cannot change with them.

    Args:
        sizes: as the forward gives them; None where it gives none.
    """
    shape = tuple(step.result.shape)
    dims: list[Layout | None] = [None] * len(shape)
    for before, after in _aligned(x.shape, shape):
        known = [axis for axis in before if x.dims[axis] is not None]
        if not known:
            continue
        layout = x.dims[known[0]]
        assert layout is not None
        if len(after) != 1 or known != before[:1]:
            reason = f"'{step.name}' in {step.place} takes its channels apart or mixes them with other dimensions"
            for axis in known:
                fix(x.dims[axis] or (), reason)
            continue
        dims[after[0]] = scaled(layout, shape[after[0]] // length(layout))
    for axis, size in enumerate(sizes or ()):
        _given(step, size, dims[axis])
    return step.tensor(*dims)


def _given(step: Step, size: Any, layout: Layout | None) -> None:
    """What the size that the forward asks for says about the layout that it has."""
    if isinstance(size, Size):
        if layout is not None and length(layout) == size.value:
            unify(layout, size.layout, f"'{step.name}' in {step.place}")
        else:
            fix(size.layout, f"'{step.name}' in {step.place} uses it as a size of something else")
    elif layout is not None and not (isinstance(size, int) and size == -1):
        fix(layout, f"'{step.name}' in {step.place} is given the number {size}, which cannot change with it")


def _aligned(before: tuple[int, ...], after: tuple[int, ...]) -> Iterator[tuple[list[int], list[int]]]:
    """Runs of dimensions before and after a reshape that hold the same numbers; dimensions of size 1 are left out."""
    left = [axis for axis, size in enumerate(before) if size > 1]
    right = [axis for axis, size in enumerate(after) if size > 1]
    while left:
        first, second = [left.pop(0)], [right.pop(0)]
        while (here := math.prod(before[i] for i in first)) != (there := math.prod(after[i] for i in second)):
            if here < there:
                first.append(left.pop(0))
            else:
                second.append(right.pop(0))
        yield first, second


@function_rule("transpose", "swapaxes")
def _transpose(step: Step) -> Any:
    dims = list(step.args[0].dims)
    first, second = step.argument(1, "dim0"), step.argument(2, "dim1")
    dims[first], dims[second] = dims[second], dims[first]
    return step.tensor(*dims)


@function_rule("permute")
def _permute(step: Step) -> Any:
    order = _listed(step.args[1:]) if len(step.args) > 1 else list(step.kwargs["dims"])
    return step.tensor(*(step.args[0].dims[axis] for axis in order))


@function_rule("unsqueeze")
def _unsqueeze(step: Step) -> Any:
    dims = list(step.args[0].dims)
    dims.insert(step.argument(1, "dim") % (len(dims) + 1), None)
    return step.tensor(*dims)


@function_rule("squeeze")
def _squeeze(step: Step) -> Any:
    """Only what has size 1 in the original network goes, and a width of 1 is no width that changes."""
    x, axis = step.args[0], step.argument(1, "dim")
    axes = {axis % len(x.shape)} if isinstance(axis, int) else set(range(len(x.shape)))
    kept = [i for i, size in enumerate(x.shape) if size != 1 or i not in axes]
    return step.tensor(*(x.dims[i] for i in kept))


@function_rule("expand")
def _expand(step: Step) -> Any:
    x, sizes = step.args[0], _listed(step.args[1:])
    dims: list[Layout | None] = [*([None] * (len(sizes) - len(x.shape))), *x.dims]
    for axis, size in enumerate(sizes):
        here = axis - (len(sizes) - len(x.shape))
        if isinstance(size, Size) and (here < 0 or x.shape[here] == 1):
            dims[axis] = size.layout
        else:
            _given(step, size, dims[axis] if here >= 0 and x.shape[here] > 1 else None)
    return step.tensor(*dims)


@function_rule("getitem")
def _getitem(step: Step) -> Any:
    """Of a tuple, its entry; of a tensor, integers and slices of what is no width."""
    x, index = step.args
    if isinstance(x, tuple | list):
        return x[index]
    parts = list(index) if isinstance(index, tuple) else [index]
    legal = all(part is None or part is Ellipsis or isinstance(part, int | slice) for part in parts)
    if not isinstance(x, Followed) or not isinstance(step.result, torch.Tensor) or not legal or any(layouts(parts)):
        return step.unknown()
    used = sum(part is not None and part is not Ellipsis for part in parts)
    rest = [slice(None)] * (len(x.shape) - used)
    place = next((i for i, part in enumerate(parts) if part is Ellipsis), len(parts))
    parts[place : place + 1] = rest
    dims: list[Layout | None] = []
    axes = iter(x.dims)
    for part in parts:
        layout = None if part is None else next(axes)
        if layout is not None and part != slice(None):
            fix(layout, f"'{step.name}' in {step.place} picks some of its channels by number")
            layout = None
        if not isinstance(part, int):
            dims.append(layout)
    return step.tensor(*dims)
