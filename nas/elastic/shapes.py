"""Shape rules of the torch functions that networks are written with."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F

from nas.base.errors import NasError
from nas.choices import Value, settled
from nas.elastic.symbolic import Shape, SymbolicTensor, shape_rule


def spatial(size: Value, kernel: Value, stride: int, padding: Value, dilation: int = 1) -> Value:
    """The output side of a window that slides: floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.

    A "same" padding cancels the kernel; the side then is a plain number, and nothing downstream depends on the kernel.
    """
    return settled((size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1)


def pair(value: Any) -> tuple[Any, Any]:
    """An argument that torch takes as one number or as two."""
    return tuple(value) if isinstance(value, tuple | list) else (value, value)


def _count(*tensors: Any) -> int:
    return sum(tensor.numel() for tensor in tensors if isinstance(tensor, torch.Tensor))


@shape_rule(F.conv2d)
def _conv2d(
    x: SymbolicTensor,
    weight: torch.Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> SymbolicTensor:
    out, _, kernel_h, kernel_w = weight.shape
    strides, dilations = pair(stride), pair(dilation)
    paddings = None if padding == "same" else (0, 0) if padding == "valid" else pair(padding)
    return conv2d(
        x,
        out,
        (kernel_h, kernel_w),
        strides,
        paddings,
        dilations,
        groups,
        weight.shape[1] * groups,
        _count(weight, bias),
    )


def conv2d(
    x: SymbolicTensor,
    out_channels: Value,
    kernel: tuple[Value, Value],
    stride: tuple[int, int],
    padding: tuple[Value, Value] | None,
    dilation: tuple[int, int],
    groups: Value,
    in_channels: Value,
    parameters: Value,
) -> SymbolicTensor:
    """Record a convolution, elastic or plain; a padding of None keeps the map's size."""
    recorder = x.recorder
    if len(x.shape) != 4:
        raise NasError(f"{recorder.path}: a convolution takes (N, C, H, W), not {len(x.shape)} dimensions")
    batch, channels, height, width = x.shape
    recorder.require_same((channels,), (in_channels,), "the channels that arrive and those that the convolution expects")
    if padding is not None:
        height = spatial(height, kernel[0], stride[0], padding[0], dilation[0])
        width = spatial(width, kernel[1], stride[1], padding[1], dilation[1])
    shape = (batch, out_channels, height, width)
    attributes: dict[str, Value] = {
        "kernel_h": kernel[0],
        "kernel_w": kernel[1],
        "stride": stride[0],
        "dilation": dilation[0],
        "groups": groups,
    }
    return recorder.record("conv2d", (x,), shape, attributes, parameters)


@shape_rule(F.linear)
def _linear(x: SymbolicTensor, weight: torch.Tensor, bias: Any = None) -> SymbolicTensor:
    return linear(x, weight.shape[1], weight.shape[0], _count(weight, bias))


def linear(x: SymbolicTensor, in_features: Value, out_features: Value, parameters: Value) -> SymbolicTensor:
    """Record a linear layer over the last dimension, elastic or plain."""
    x.recorder.require_same((x.shape[-1],), (in_features,), "the features that arrive and those that the linear layer expects")
    return x.recorder.record("linear", (x,), (*x.shape[:-1], out_features), {}, parameters)


@shape_rule(F.batch_norm)
def _batch_norm(
    x: SymbolicTensor, mean: Any, var: Any, weight: Any = None, bias: Any = None, *_: Any, **__: Any
) -> SymbolicTensor:
    return x.recorder.record("batch_norm", (x,), x.shape, {}, _count(weight, bias))


@shape_rule(F.layer_norm)
def _layer_norm(x: SymbolicTensor, shape: Any, weight: Any = None, bias: Any = None, *_: Any, **__: Any) -> SymbolicTensor:
    return x.recorder.record("layer_norm", (x,), x.shape, {}, _count(weight, bias))


@shape_rule(
    F.relu,
    F.relu6,
    F.hardswish,
    F.hardsigmoid,
    F.hardtanh,
    F.silu,
    F.gelu,
    F.leaky_relu,
    F.elu,
    F.softmax,
    F.sigmoid,
    F.tanh,
    torch.relu,
    torch.sigmoid,
    torch.tanh,
    torch.softmax,
    torch.Tensor.relu,
    torch.Tensor.sigmoid,
    torch.Tensor.tanh,
    torch.Tensor.softmax,
)
def _activation(x: SymbolicTensor, *_: Any, **__: Any) -> SymbolicTensor:
    return x.recorder.record("activation", (x,), x.shape)


@shape_rule(F.dropout, torch.Tensor.contiguous, torch.Tensor.clone)
def _unchanged(x: SymbolicTensor, *_: Any, **__: Any) -> SymbolicTensor:
    return x


@shape_rule(
    torch.add,
    torch.sub,
    torch.mul,
    torch.div,
    torch.Tensor.add,
    torch.Tensor.sub,
    torch.Tensor.mul,
    torch.Tensor.div,
    torch.Tensor.__add__,
    torch.Tensor.__mul__,
    torch.Tensor.__sub__,
    torch.Tensor.__radd__,
    torch.Tensor.__rmul__,
    torch.Tensor.__rsub__,
)
def _elementwise(first: Any, second: Any, **_: Any) -> SymbolicTensor:
    tensors = tuple(operand for operand in (first, second) if isinstance(operand, SymbolicTensor))
    recorder = tensors[0].recorder
    parameters = sum(operand.numel() for operand in (first, second) if isinstance(operand, torch.nn.Parameter))
    shape = tensors[0].shape
    if len(tensors) == 2:
        shape = _broadcast(tensors[0], tensors[1])
    return recorder.record("elementwise", tensors, shape, {}, parameters)


def _broadcast(first: SymbolicTensor, second: SymbolicTensor) -> Shape:
    if len(first.shape) != len(second.shape):
        raise NasError(
            f"{first.recorder.path}: two tensors of {len(first.shape)} and {len(second.shape)} dimensions are joined"
        )
    wide, narrow = [], []
    for left, right in zip(first.shape, second.shape, strict=True):
        if isinstance(left, int) and left == 1:
            wide.append(right)
        else:
            wide.append(left)
            if not (isinstance(right, int) and right == 1):
                narrow.append((left, right))
    first.recorder.require_same(
        tuple(a for a, _ in narrow), tuple(b for _, b in narrow), "two tensors that are joined element by element"
    )
    return tuple(wide)


@shape_rule(torch.cat, torch.concat)
def _cat(tensors: Any, dim: int = 0) -> SymbolicTensor:
    first = tensors[0]
    axis = dim % len(first.shape)
    total: Value = 0
    for tensor in tensors:
        rest = tuple(size for index, size in enumerate(tensor.shape) if index != axis)
        expected = tuple(size for index, size in enumerate(first.shape) if index != axis)
        first.recorder.require_same(expected, rest, "concatenated tensors")
        total = total + tensor.shape[axis]
    shape = (*first.shape[:axis], total, *first.shape[axis + 1 :])
    return first.recorder.record("concatenation", tuple(tensors), shape)  # type: ignore[no-any-return]


@shape_rule(F.adaptive_avg_pool2d, F.adaptive_max_pool2d)
def _adaptive_pool(x: SymbolicTensor, output_size: Any, return_indices: bool = False) -> SymbolicTensor:
    if return_indices:
        raise NasError(f"{x.recorder.path}: pooling that returns indices is not covered by the cost rules")
    height, width = pair(output_size)
    return x.recorder.record("pool", (x,), (*x.shape[:2], height or x.shape[2], width or x.shape[3]))


@shape_rule(F.avg_pool2d)
def _avg_pool(
    x: SymbolicTensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    *_: Any,
    **__: Any,
) -> Any:
    return _max_pool(x, kernel_size, stride, padding, 1, ceil_mode)


@shape_rule(F.max_pool2d, torch.max_pool2d)
def _max_pool(
    x: SymbolicTensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> SymbolicTensor:
    if ceil_mode or return_indices:
        raise NasError(
            f"{x.recorder.path}: pooling with ceil_mode or returned indices is not covered by the cost rules; pad instead"
        )
    kernels, strides = pair(kernel_size), pair(stride or kernel_size)
    paddings, dilations = pair(padding), pair(dilation)
    height = spatial(x.shape[2], kernels[0], strides[0], paddings[0], dilations[0])
    width = spatial(x.shape[3], kernels[1], strides[1], paddings[1], dilations[1])
    return x.recorder.record("pool", (x,), (*x.shape[:2], height, width), {"kernel": kernels[0], "stride": strides[0]})


@shape_rule(torch.mean, torch.Tensor.mean)
def _mean(x: SymbolicTensor, dim: Any = None, keepdim: bool = False, **_: Any) -> SymbolicTensor:
    axes = range(len(x.shape)) if dim is None else [dim] if isinstance(dim, int) else dim
    reduced = {axis % len(x.shape) for axis in axes}
    shape = [1 if i in reduced else size for i, size in enumerate(x.shape) if keepdim or i not in reduced]
    return x.recorder.record("pool", (x,), tuple(shape))


@shape_rule(torch.flatten, torch.Tensor.flatten)
def _flatten(x: SymbolicTensor, start_dim: int = 0, end_dim: int = -1) -> SymbolicTensor:
    start, end = start_dim % len(x.shape), end_dim % len(x.shape)
    joined: Value = math.prod((), start=1)
    for size in x.shape[start : end + 1]:
        joined = joined * size
    return x.recorder.record("reshape", (x,), (*x.shape[:start], joined, *x.shape[end + 1 :]))


@shape_rule(torch.unsqueeze, torch.Tensor.unsqueeze)
def _unsqueeze(x: SymbolicTensor, dim: int) -> SymbolicTensor:
    axis = dim % (len(x.shape) + 1)
    return x.recorder.record("reshape", (x,), (*x.shape[:axis], 1, *x.shape[axis:]))


@shape_rule(torch.transpose, torch.Tensor.transpose)
def _transpose(x: SymbolicTensor, dim0: int, dim1: int) -> SymbolicTensor:
    shape = list(x.shape)
    shape[dim0], shape[dim1] = shape[dim1], shape[dim0]
    return x.recorder.record("reshape", (x,), tuple(shape))


@shape_rule(torch.permute, torch.Tensor.permute)
def _permute(x: SymbolicTensor, *dims: Any) -> SymbolicTensor:
    order = dims[0] if len(dims) == 1 and isinstance(dims[0], tuple | list) else dims
    return x.recorder.record("reshape", (x,), tuple(x.shape[axis] for axis in order))
