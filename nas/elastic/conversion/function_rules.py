"""What torch's functions, operators and tensor methods do to widths, where they leave the order of the dimensions alone."""

from __future__ import annotations

from typing import Any

import torch

from nas.elastic.conversion.steps import Followed, Size, Step, function_rule, layouts, plain
from nas.elastic.conversion.widths import Layout, fix, length, resolved, unify, whole


@function_rule(
    *("relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "elu", "elu_", "selu", "celu", "gelu", "silu", "mish"),
    *("hardswish", "hardsigmoid", "hardtanh", "sigmoid", "sigmoid_", "logsigmoid", "tanh", "tanh_", "softplus", "softsign"),
    *("exp", "log", "sqrt", "rsqrt", "square", "abs", "neg", "pos", "erf", "sign", "clamp", "clamp_", "clamp_min"),
    *("softmax", "log_softmax", "dropout", "dropout1d", "dropout2d", "feature_dropout", "alpha_dropout"),
    *("contiguous", "clone", "detach", "float", "half", "to", "type_as", "normalize"),
)
def _unchanged(step: Step) -> Any:
    x = step.args[0] if step.args else step.kwargs["input"]
    return x if isinstance(x, Followed) else step.unknown()


@function_rule(
    *("add", "sub", "mul", "div", "true_divide", "truediv", "multiply", "subtract", "divide", "pow"),
    *("iadd", "isub", "imul", "itruediv", "add_", "sub_", "mul_", "div_", "rsub"),
    *("maximum", "minimum", "expand_as"),
)
def _joined(step: Step) -> Any:
    """Dimensions that meet are tied; one of size 1 is stretched."""
    operands = (*step.args, *(value for value in step.kwargs.values() if isinstance(value, Followed)))
    tensors = [operand for operand in operands if isinstance(operand, Followed)]
    others = [operand for operand in operands if not isinstance(operand, Followed)]
    if not tensors or any(layouts(others)):
        return step.unknown()
    place = f"'{step.name}' in {step.place}"
    if len(tensors) == 1:
        return tensors[0]
    return step.tensor(*stretched(tensors, tuple(step.result.shape), place))


def stretched(tensors: list[Followed], shape: tuple[int, ...], place: str) -> list[Layout | None]:
    """The layouts of tensors that are stretched to one shape and joined."""
    dims: list[Layout | None] = []
    for axis in range(-len(shape), 0):
        meeting = [tensor.dims[axis] for tensor in tensors if len(tensor.shape) >= -axis and tensor.shape[axis] == shape[axis]]
        dims.append(tied(meeting, place))
    return dims


def tied(meeting: list[Layout | None], place: str) -> Layout | None:
    """One layout for dimensions of one size that must stay equal."""
    known = [layout for layout in meeting if layout is not None]
    if len(known) < len(meeting):
        for layout in known:
            fix(layout, f"{place} joins it with channels that could not be followed")
        return None
    for layout in known[1:]:
        unify(known[0], layout, place)
    return known[0] if known else None


@function_rule("cat", "concat", "concatenate")
def _cat(step: Step) -> Any:
    """Along the dimension layouts follow one another; the others are tied."""
    tensors, axis = list(step.argument(0, "tensors")), step.argument(1, "dim", 0)
    count = len(tensors[0].shape)
    place = f"'{step.name}' in {step.place}"
    dims: list[Layout | None] = []
    for index in range(count):
        meeting = [tensor.dims[index] for tensor in tensors]
        if index != axis % count:
            dims.append(tied(meeting, place))
        elif all(layout is None for layout in meeting):
            dims.append(None)
        else:
            sides = [step.channels(tensor, index) for tensor in tensors]
            dims.append(tuple(piece for side in sides for piece in side))
    return step.tensor(*dims)


@function_rule("stack")
def _stack(step: Step) -> Any:
    tensors, axis = list(step.argument(0, "tensors")), step.argument(1, "dim", 0)
    place = f"'{step.name}' in {step.place}"
    dims = [tied([tensor.dims[index] for tensor in tensors], place) for index in range(len(tensors[0].shape))]
    dims.insert(axis % (len(dims) + 1), None)
    return step.tensor(*dims)


@function_rule("mean", "sum", "amax", "amin")
def _reduced(step: Step) -> Any:
    x, axes, keep = step.args[0], step.argument(1, "dim"), step.argument(2, "keepdim", False)
    count = len(x.shape)
    listed = range(count) if axes is None else [axes] if isinstance(axes, int) else axes
    gone = {axis % count for axis in listed}
    return step.tensor(*(None if i in gone else layout for i, layout in enumerate(x.dims) if keep or i not in gone))


@function_rule("max_pool2d", "avg_pool2d", "lp_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "interpolate", "upsample")
def _maps(step: Step) -> Any:
    x, *rest = step.args
    if not isinstance(step.result, torch.Tensor) or any(layouts((rest, step.kwargs))):
        return step.unknown()
    return step.tensor(*x.dims[:2], *(None for _ in x.shape[2:]))


@function_rule("pad")
def _pad(step: Step) -> Any:
    x, sizes = step.args[0], step.argument(1, "pad")
    padded = [len(x.shape) - 1 - index for index in range(len(sizes) // 2) if tuple(sizes[2 * index : 2 * index + 2]) != (0, 0)]
    if any(x.dims[axis] is not None for axis in padded):
        return step.unknown()
    return step.tensor(*x.dims)


@function_rule("chunk", "tensor_split")
def _chunk(step: Step) -> Any:
    """Equal parts, which must stay equal: of each part the same channels go."""
    x, count, axis = step.args[0], step.argument(1, "chunks"), step.argument(2, "dim", 0)
    layout = x.dims[axis]
    if layout is None:
        return tuple(Followed(tuple(part.shape), x.dims) for part in step.result)
    if not isinstance(count, int) or length(layout) % count:
        return step.unknown()
    part = whole(length(layout) // count)
    unify(layout, part * count, f"'{step.name}' in {step.place}")
    dims = list(x.dims)
    dims[axis] = resolved(part)
    return tuple(Followed(tuple(piece.shape), tuple(dims)) for piece in step.result)


@function_rule("size")
def _size(step: Step) -> Any:
    sizes = _sizes(step.args[0])
    axis = step.argument(1, "dim")
    return sizes if axis is None else sizes[axis]


@function_rule("getattr")
def _attribute(step: Step) -> Any:
    x, name = step.args
    if name == "shape" and isinstance(x, Followed):
        return _sizes(x)
    return plain(step.result) if name in ("device", "dtype", "ndim", "is_cuda", "requires_grad") else step.unknown()


@function_rule("dim")
def _dim(step: Step) -> Any:
    return step.result


def _sizes(x: Followed) -> tuple[Any, ...]:
    return tuple(size if layout is None else Size(size, layout) for size, layout in zip(x.shape, x.dims, strict=True))
