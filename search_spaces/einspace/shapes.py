"""What each terminal does to a shape, and where it does not fit.

A tensor is an image (C, H, W) or a matrix of columns (S, D), without the batch. Columns remember the grid that im2col took
them from, so that col2im can put them back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from search_spaces.einspace.grammar import BRANCHES, JOINS, PERMUTATIONS, WIDTHS, WINDOWS, Window


class State(NamedTuple):
    """A tensor's shape, and the grid (H', W') of the last im2col."""

    shape: tuple[int, ...]
    grid: tuple[int, int] | None = None


def compute(option: str, state: State) -> State:
    """C: a linear layer acts on the last dimension; everything else keeps the shape."""
    if option in WIDTHS:
        return State((*state.shape[:-1], WIDTHS[option]), state.grid)
    return state


def route(option: str, state: State) -> State | None:
    """Pre and Post: im2col takes an image, col2im columns of as many rows as the grid has places."""
    if option in PERMUTATIONS:
        order = PERMUTATIONS[option]
        if len(order) != len(state.shape):
            return None
        return State(tuple(state.shape[axis - 1] for axis in order), state.grid)
    if option in WINDOWS:
        return _unfolded(WINDOWS[option], state)
    if option == "col2im":
        if len(state.shape) != 2 or state.grid is None or state.grid[0] * state.grid[1] != state.shape[0]:
            return None
        return State((state.shape[1], *state.grid))
    return state


def _unfolded(window: Window, state: State) -> State | None:
    if len(state.shape) != 3:
        return None
    channels, *sides = state.shape
    if min(sides) < window.kernel:
        return None
    height, width = ((side + 2 * window.padding - window.kernel) // window.stride + 1 for side in sides)
    return State((height * width, channels * window.kernel**2), (height, width))


def branch(option: str, state: State) -> State | None:
    """B: what each branch gets; a dimension is split where it can be divided into equal parts."""
    split = BRANCHES[option]
    if split.dim is None:
        return state
    if split.dim > len(state.shape) or state.shape[split.dim - 1] % split.factor:
        return None
    parts = list(state.shape)
    parts[split.dim - 1] //= split.factor
    return State(tuple(parts), state.grid)


def join(option: str, branches: Sequence[State]) -> State | None:
    """A: a matrix product of two, a sum of equal shapes, or shapes that differ only where they are concatenated.

    The product is of the last two dimensions, (..., N, K) and (..., K, M) -> (..., N, M), for images channel by channel.
    """
    rule = JOINS[option]
    if rule.factor not in (None, len(branches)):
        return None
    shapes = [state.shape for state in branches]
    first = shapes[0]
    if any(len(shape) != len(first) for shape in shapes):
        return None
    grids = {state.grid for state in branches}
    grid = branches[0].grid if len(grids) == 1 else None
    if rule.kind == "add":
        return State(first, grid) if all(shape == first for shape in shapes) else None
    if rule.kind == "concat":
        return _concatenated(shapes, rule.dim or 1, grid)
    second = shapes[1]
    if first[-1] != second[-2] or first[:-2] != second[:-2]:
        return None
    return State((*first[:-1], second[-1]), grid)


def _concatenated(shapes: Sequence[tuple[int, ...]], dim: int, grid: tuple[int, int] | None) -> State | None:
    if dim > len(shapes[0]):
        return None
    axis = dim - 1
    rest = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(rest) > 1:
        return None
    total = sum(shape[axis] for shape in shapes)
    return State((*shapes[0][:axis], total, *shapes[0][axis + 1 :]), grid)
