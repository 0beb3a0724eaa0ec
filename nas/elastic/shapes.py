"""Shape rules of convolutions, linear layers, norms, activations, element-wise functions and pools."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from nas.base.errors import NasError
from nas.choices import Value, ceil_div, minimum, settled
from nas.elastic.symbolic import Recorder, Shape, SymbolicTensor, shape_rule


def spatial(size: Value, kernel: Value, stride: int, padding: Value, dilation: int = 1) -> Value:
    """The output side of a window that slides: floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1."""
    return settled((size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1)


def partly_filled(size: Value, kernel: Value, stride: int, padding: Value, dilation: int = 1) -> Value:
    """The output side where a last window may stick out (`ceil_mode`), as long as it begins inside the padded map."""
    windows = ceil_div(size + 2 * padding - dilation * (kernel - 1) - 1, stride) + 1
    return settled(minimum(windows, ceil_div(size + padding, stride)))


def strided(size: Value, stride: int) -> Value:
    """The output side under "same" padding, which cancels the kernel: nothing downstream depends on it."""
    return size if stride == 1 else settled((size - 1) // stride + 1)


def pair(value: Any) -> tuple[Any, Any]:
    """An argument that torch takes as one number or as two."""
    return tuple(value) if isinstance(value, tuple | list) else (value, value)


def owned(*operands: Any) -> int:
    """How many numbers of the network's own parameters are read: of those among the operands, or behind views of them."""
    sources = (operand._base if getattr(operand, "_base", None) is not None else operand for operand in operands)
    return sum(source.numel() for source in sources if isinstance(source, torch.nn.Parameter))


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
    """Record a convolution, elastic or plain; a padding of None is the one that keeps the map's size at stride 1."""
    recorder = x.recorder
    if len(x.shape) != 4:
        raise NasError(f"{recorder.path}: a convolution takes (N, C, H, W), not {len(x.shape)} dimensions")
    batch, channels, height, width = x.shape
    recorder.require_same((channels,), (in_channels,), "the channels that arrive and those that the convolution expects")
    if padding is None:
        height, width = strided(height, stride[0]), strided(width, stride[1])
    else:
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


@shape_rule(F.group_norm)
def _group_norm(x: SymbolicTensor, groups: int, weight: Any = None, bias: Any = None, *_: Any, **__: Any) -> SymbolicTensor:
    return x.recorder.record("group_norm", (x,), x.shape, {}, _count(weight, bias))


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
    F.selu,
    F.celu,
    F.mish,
    F.softplus,
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


@shape_rule(F.prelu)
def _prelu(x: SymbolicTensor, weight: torch.Tensor) -> SymbolicTensor:
    return x.recorder.record("activation", (x,), x.shape, {}, _count(weight))


@shape_rule(F.dropout, F.dropout2d, torch.Tensor.contiguous, torch.Tensor.clone)
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
    parameters = owned(first, second)
    shape = tensors[0].shape
    if all(isinstance(operand, SymbolicTensor | torch.Tensor) for operand in (first, second)):
        shape = broadcast(
            tensors[0].recorder, tuple(first.shape), tuple(second.shape), "two tensors that are joined element by element"
        )
    return tensors[0].recorder.record("elementwise", tensors, shape, {}, parameters)


def broadcast(recorder: Recorder, first: Shape, second: Shape, what: str) -> Shape:
    """The shape of two tensors that torch stretches to one another. Raises NasError, naming the module, where it cannot."""
    length = max(len(first), len(second))
    result, narrow = [], []
    for left, right in zip(*((1,) * (length - len(shape)) + shape for shape in (first, second)), strict=True):
        if isinstance(left, int) and left == 1:
            result.append(right)
            continue
        result.append(left)
        if not (isinstance(right, int) and right == 1):
            narrow.append((left, right))
    recorder.require_same(tuple(left for left, _ in narrow), tuple(right for _, right in narrow), what)
    return tuple(result)


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
    return _pool(x, kernel_size, stride, padding, 1, ceil_mode)


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
    if return_indices:
        raise NasError(f"{x.recorder.path}: pooling that returns indices is not covered by the cost rules")
    return _pool(x, kernel_size, stride, padding, dilation, ceil_mode, max=1)


def _pool(
    x: SymbolicTensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, **attributes: int
) -> SymbolicTensor:
    kernels, strides = pair(kernel_size), pair(stride or kernel_size)
    paddings, dilations = pair(padding), pair(dilation)
    side = partly_filled if ceil_mode else spatial
    height = side(x.shape[2], kernels[0], strides[0], paddings[0], dilations[0])
    width = side(x.shape[3], kernels[1], strides[1], paddings[1], dilations[1])
    return x.recorder.record(
        "pool", (x,), (*x.shape[:2], height, width), {"kernel": kernels[0], "stride": strides[0], **attributes}
    )


@shape_rule(torch.mean, torch.Tensor.mean, torch.sum, torch.Tensor.sum)
def _reduction(x: SymbolicTensor, dim: Any = None, keepdim: bool = False, **_: Any) -> SymbolicTensor:
    axes = range(len(x.shape)) if dim is None else [dim] if isinstance(dim, int) else dim
    reduced = {axis % len(x.shape) for axis in axes}
    shape = [1 if i in reduced else size for i, size in enumerate(x.shape) if keepdim or i not in reduced]
    return x.recorder.record("pool", (x,), tuple(shape))
