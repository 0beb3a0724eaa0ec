"""Multiply-adds and parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nas.base.errors import NasError
from nas.choices import Value, evaluate, free_choices
from nas.costs.compiled import Term
from nas.elastic import Operator, Walk

FREE = frozenset(
    {"activation", "batch_norm", "concatenation", "copy", "elementwise", "fork", "group_norm", "layer_norm", "pad", "pool"}
    | {"reshape", "resize", "slice"}
)
"""Kinds without multiply-adds by the field's convention: 300 M for MobileNetV2 counts convolutions and linears."""


def _conv2d(operator: Operator) -> Value:
    _, out_channels, height, width = operator.output.shape
    in_channels = operator.inputs[0].shape[1]
    window = operator.attributes["kernel_h"] * operator.attributes["kernel_w"]
    return out_channels * height * width * (in_channels // operator.attributes["groups"]) * window


def _linear(operator: Operator) -> Value:
    macs = operator.inputs[0].shape[-1]
    for size in operator.output.shape:
        macs = macs * size
    return macs


def _matmul(operator: Operator) -> Value:
    macs = operator.attributes["inner"]
    for size in operator.output.shape:
        macs = macs * size
    return macs


def _attention(operator: Operator) -> Value:
    query, key, value = (tensor.shape for tensor in operator.inputs[:3])
    macs = query[-2] * key[-2] * (key[-1] + value[-1])
    for size in query[:-2]:
        macs = macs * size
    return macs


MACS: dict[str, Callable[[Operator], Value]] = {
    "attention": _attention,
    "conv2d": _conv2d,
    "linear": _linear,
    "matmul": _matmul,
}
"""Multiply-adds of one run of an operator, by kind; a kind that is neither here nor in `FREE` is an error."""


def guarded(value: Value, guard: Value) -> Term:
    """A term that counts only in the architectures where the guard holds."""

    def measure(codes: Any) -> Any:
        return evaluate(value, codes) * (evaluate(guard, codes) * 1)

    return Term(free_choices(value, guard), measure)


def macs_terms(walk: Walk) -> list[Term]:
    """Multiply-adds of one image: convolutions, linear layers and attention products.

    Raises:
        NasError: an operator of unknown kind; it is never counted as zero.
    """
    terms = []
    for operator in walk.operators:
        if operator.kind in FREE:
            continue
        if operator.kind not in MACS:
            raise NasError(
                f"{operator.path}: no multiply-add rule for operators of kind '{operator.kind}'; add one to "
                "nas.costs.counts.MACS, or to FREE if it has none"
            )
        terms.append(guarded(MACS[operator.kind](operator), operator.guard))
    return terms


def parameter_terms(walk: Walk) -> list[Term]:
    """Weights and biases of the extracted network."""
    owners = [op for op in walk.operators if not (isinstance(op.parameters, int) and op.parameters == 0)]
    return [guarded(op.parameters, op.guard) for op in owners]
