"""Shape rules of functions that rearrange a tensor: reshape, slice, join, pad, resize.

What only gives a tensor another shape or picks a part of it is a view, recorded as 'reshape' or 'slice'; what moves data is
'concatenation', 'pad', 'resize' or 'copy'. None of them multiplies.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from nas.base.errors import NasError
from nas.choices import Value, ceil_div, minimum, settled
from nas.elastic.shapes import owned, pair, spatial
from nas.elastic.symbolic import Shape, SymbolicTensor, shape_rule, show


def _product(sizes: Any) -> Value:
    total: Value = 1
    for size in sizes:
        total = total * size
    return total


def _listed(sizes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Sizes that torch takes one by one or as one tuple."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else tuple(sizes)


def _filled(x: SymbolicTensor, total: Value, sizes: tuple[Any, ...]) -> Shape:
    """The sizes with -1 worked out. Raises NasError where they do not hold exactly `total` numbers."""
    open_sizes = [index for index, size in enumerate(sizes) if isinstance(size, int) and size == -1]
    if len(open_sizes) > 1:
        raise NasError(f"{x.recorder.path}: only one size of a shape may be -1; given {show(sizes)}")
    rest = _product(size for index, size in enumerate(sizes) if index not in open_sizes)
    if open_sizes:
        inferred = settled(total // rest)
        sizes = tuple(inferred if index in open_sizes else size for index, size in enumerate(sizes))
        rest = rest * inferred
    x.recorder.require_same((total,), (rest,), "the numbers before and after reshaping")
    return sizes


@shape_rule(torch.reshape, torch.Tensor.reshape, torch.Tensor.view)
def _reshape(x: SymbolicTensor, *sizes: Any) -> SymbolicTensor:
    return x.recorder.record("reshape", (x,), _filled(x, _product(x.shape), _listed(sizes)))


@shape_rule(torch.unflatten, torch.Tensor.unflatten)
def _unflatten(x: SymbolicTensor, dim: int, sizes: Any) -> SymbolicTensor:
    axis = dim % len(x.shape)
    inner = _filled(x, x.shape[axis], tuple(sizes))
    return x.recorder.record("reshape", (x,), (*x.shape[:axis], *inner, *x.shape[axis + 1 :]))


@shape_rule(torch.flatten, torch.Tensor.flatten)
def _flatten(x: SymbolicTensor, start_dim: int = 0, end_dim: int = -1) -> SymbolicTensor:
    start, end = start_dim % len(x.shape), end_dim % len(x.shape)
    joined = settled(_product(x.shape[start : end + 1]))
    return x.recorder.record("reshape", (x,), (*x.shape[:start], joined, *x.shape[end + 1 :]))


@shape_rule(torch.unsqueeze, torch.Tensor.unsqueeze)
def _unsqueeze(x: SymbolicTensor, dim: int) -> SymbolicTensor:
    axis = dim % (len(x.shape) + 1)
    return x.recorder.record("reshape", (x,), (*x.shape[:axis], 1, *x.shape[axis:]))


@shape_rule(torch.squeeze, torch.Tensor.squeeze)
def _squeeze(x: SymbolicTensor, dim: int) -> SymbolicTensor:
    axis = dim % len(x.shape)
    x.recorder.require_same((x.shape[axis],), (1,), "a dimension that is squeezed and the size 1")
    return x.recorder.record("reshape", (x,), (*x.shape[:axis], *x.shape[axis + 1 :]))


@shape_rule(torch.transpose, torch.Tensor.transpose)
def _transpose(x: SymbolicTensor, dim0: int, dim1: int) -> SymbolicTensor:
    shape = list(x.shape)
    shape[dim0], shape[dim1] = shape[dim1], shape[dim0]
    return x.recorder.record("reshape", (x,), tuple(shape))


@shape_rule(torch.permute, torch.Tensor.permute)
def _permute(x: SymbolicTensor, *dims: Any) -> SymbolicTensor:
    return x.recorder.record("reshape", (x,), tuple(x.shape[axis] for axis in _listed(dims)))


@shape_rule(torch.Tensor.expand)
def _expand(x: SymbolicTensor, *sizes: Any) -> SymbolicTensor:
    wanted = _listed(sizes)
    padded = (1,) * (len(wanted) - len(x.shape)) + x.shape
    shape = tuple(old if isinstance(new, int) and new == -1 else new for old, new in zip(padded, wanted, strict=True))
    return x.recorder.record("reshape", (x,), shape)


@shape_rule(torch.Tensor.repeat, torch.tile)
def _repeat(x: SymbolicTensor, *times: Any) -> SymbolicTensor:
    counts = _listed(times)
    padded = (1,) * (len(counts) - len(x.shape)) + x.shape
    shape = tuple(size * count for size, count in zip(padded, counts, strict=True))
    return x.recorder.record("copy", (x,), shape)


@shape_rule(torch.roll, torch.Tensor.roll, torch.flip, torch.Tensor.flip, F.channel_shuffle)
def _moved(x: SymbolicTensor, *_: Any, **__: Any) -> SymbolicTensor:
    return x.recorder.record("copy", (x,), x.shape)


@shape_rule(torch.chunk, torch.Tensor.chunk)
def _chunk(x: SymbolicTensor, chunks: int, dim: int = 0) -> tuple[SymbolicTensor, ...]:
    axis = dim % len(x.shape)
    part = settled(x.shape[axis] // chunks)
    x.recorder.require_same((x.shape[axis],), (part * chunks,), f"a tensor and its {chunks} equal parts")
    return tuple(_part(x, axis, part) for _ in range(chunks))


@shape_rule(torch.split, torch.Tensor.split)
def _split(x: SymbolicTensor, sizes: Any, dim: int = 0) -> tuple[SymbolicTensor, ...]:
    axis = dim % len(x.shape)
    if not isinstance(sizes, tuple | list):
        whole = settled(x.shape[axis])
        if not isinstance(whole, int) or not isinstance(sizes, int):
            raise NasError(
                f"{x.recorder.path}: a tensor of symbolic size is split by a list of sizes or by chunk(), not by one size"
            )
        sizes = [min(sizes, whole - start) for start in range(0, whole, sizes)]
    total: Value = 0
    for size in sizes:
        total = total + size
    x.recorder.require_same((x.shape[axis],), (total,), "a tensor and the parts it is split into")
    return tuple(_part(x, axis, size) for size in sizes)


@shape_rule(torch.unbind, torch.Tensor.unbind)
def _unbind(x: SymbolicTensor, dim: int = 0) -> tuple[SymbolicTensor, ...]:
    axis = dim % len(x.shape)
    count = settled(x.shape[axis])
    if not isinstance(count, int):
        raise NasError(f"{x.recorder.path}: unbind needs a dimension of one size in every architecture; this one is {count!r}")
    return tuple(x.recorder.record("slice", (x,), (*x.shape[:axis], *x.shape[axis + 1 :])) for _ in range(count))


def _part(x: SymbolicTensor, axis: int, size: Value) -> SymbolicTensor:
    return x.recorder.record("slice", (x,), (*x.shape[:axis], size, *x.shape[axis + 1 :]))


@shape_rule(torch.Tensor.__getitem__)
def _getitem(x: SymbolicTensor, index: Any) -> SymbolicTensor:
    """Integers, slices (their ends may be symbolic), None, an ellipsis, and one list or tensor of indices."""
    parts = list(index) if isinstance(index, tuple) else [index]
    if any(part is Ellipsis for part in parts):
        place = next(position for position, part in enumerate(parts) if part is Ellipsis)
        missing = len(x.shape) - sum(part is not None and part is not Ellipsis for part in parts)
        parts[place : place + 1] = [slice(None)] * missing
    shape: list[Value] = []
    sizes = iter(x.shape)
    kind = "slice"
    for part in parts:
        if part is None:
            shape.append(1)
        elif isinstance(part, slice):
            shape.append(_length(part, next(sizes)))
        elif isinstance(part, torch.Tensor | list):
            kind = "copy"
            next(sizes)
            shape += list(part.shape) if isinstance(part, torch.Tensor) else [len(part)]
        elif isinstance(part, int):
            next(sizes)
        else:
            raise NasError(f"{x.recorder.path}: a tensor is indexed with {part!r}; use integers, slices or a list of integers")
    return x.recorder.record(kind, (x,), (*shape, *sizes))


def _length(part: slice, size: Value) -> Value:
    if part == slice(None):
        return size
    step = 1 if part.step is None else part.step
    start, stop = _end(part.start, size, 0), _end(part.stop, size, size)
    return settled(ceil_div(stop - start, step))


def _end(end: Any, size: Value, default: Value) -> Value:
    if end is None:
        return default
    if isinstance(end, int) and end < 0:
        return size + end
    return settled(minimum(end, size))


@shape_rule(torch.index_select, torch.Tensor.index_select)
def _index_select(x: SymbolicTensor, dim: int, index: torch.Tensor) -> SymbolicTensor:
    axis = dim % len(x.shape)
    return x.recorder.record("copy", (x,), (*x.shape[:axis], len(index), *x.shape[axis + 1 :]))


@shape_rule(torch.cat, torch.concat)
def _cat(tensors: Any, dim: int = 0) -> SymbolicTensor:
    first = next(tensor for tensor in tensors if isinstance(tensor, SymbolicTensor))
    axis = dim % len(first.shape)
    total: Value = 0
    for tensor in tensors:
        rest = tuple(size for index, size in enumerate(tensor.shape) if index != axis)
        expected = tuple(size for index, size in enumerate(first.shape) if index != axis)
        first.recorder.require_same(expected, rest, "concatenated tensors")
        total = total + tensor.shape[axis]
    shape = (*first.shape[:axis], total, *first.shape[axis + 1 :])
    symbolic = tuple(tensor for tensor in tensors if isinstance(tensor, SymbolicTensor))
    parameters = owned(*tensors)
    return first.recorder.record("concatenation", symbolic, shape, {}, parameters)


@shape_rule(torch.stack)
def _stack(tensors: Any, dim: int = 0) -> SymbolicTensor:
    first = tensors[0]
    for tensor in tensors[1:]:
        first.recorder.require_same(first.shape, tensor.shape, "stacked tensors")
    axis = dim % (len(first.shape) + 1)
    shape = (*first.shape[:axis], len(tensors), *first.shape[axis:])
    return first.recorder.record("concatenation", tuple(tensors), shape)  # type: ignore[no-any-return]


@shape_rule(F.pad)
def _pad(x: SymbolicTensor, pad: Any, mode: str = "constant", value: Any = None) -> SymbolicTensor:
    shape = list(x.shape)
    for index in range(len(pad) // 2):
        axis = len(shape) - 1 - index
        shape[axis] = settled(shape[axis] + pad[2 * index] + pad[2 * index + 1])
    return x.recorder.record("pad", (x,), tuple(shape))


@shape_rule(F.interpolate)
def _interpolate(x: SymbolicTensor, size: Any = None, scale_factor: Any = None, *_: Any, **__: Any) -> SymbolicTensor:
    sizes: tuple[Value, ...]
    if size is not None:
        sizes = pair(size)
    else:
        factors = pair(scale_factor)
        if any(not isinstance(factor, int) and int(factor) != factor for factor in factors):
            raise NasError(f"{x.recorder.path}: interpolation by {scale_factor} is not covered; give a size or a whole factor")
        sizes = tuple(side * int(factor) for side, factor in zip(x.shape[2:], factors, strict=True))
    return x.recorder.record("resize", (x,), (*x.shape[:2], *sizes))


@shape_rule(F.unfold)
def _unfold(x: SymbolicTensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> SymbolicTensor:
    kernels, dilations, paddings, strides = pair(kernel_size), pair(dilation), pair(padding), pair(stride)
    batch, channels, *sides = x.shape
    places = _product(spatial(side, kernels[i], strides[i], paddings[i], dilations[i]) for i, side in enumerate(sides))
    return x.recorder.record("copy", (x,), (batch, channels * (kernels[0] * kernels[1]), places))


@shape_rule(F.pixel_shuffle)
def _pixel_shuffle(x: SymbolicTensor, factor: int) -> SymbolicTensor:
    batch, channels, height, width = x.shape
    shape = (batch, settled(channels // factor**2), settled(height * factor), settled(width * factor))
    return x.recorder.record("copy", (x,), shape)


@shape_rule(F.pixel_unshuffle)
def _pixel_unshuffle(x: SymbolicTensor, factor: int) -> SymbolicTensor:
    batch, channels, height, width = x.shape
    shape = (batch, settled(channels * factor**2), settled(height // factor), settled(width // factor))
    return x.recorder.record("copy", (x,), shape)
