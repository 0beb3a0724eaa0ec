"""The size of a network's weights on a device, in bytes.

A batch norm that alone reads the output of a convolution or a linear layer is folded into it, as every converter does, and
leaves one bias for each output channel. What is counted is numbers: neither code nor the headers of a file format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.choices import Value, any_of, evaluate, free_choices
from nas.costs.compiled import Term
from nas.costs.counts import guarded
from nas.elastic import Operator, Walk

LAYERS = frozenset({"conv2d", "linear"})
"""Kinds with one bias for each output channel, into which a norm can be folded."""

FLOAT_BYTES = 4
"""Of what stays float32 whatever the weights are: norms that are not folded, embeddings, tables of positions."""


@dataclass(frozen=True)
class WeightModel:
    """How a runtime stores weights.

    Attributes:
        weight: bytes of a weight of a convolution, a linear layer or a product.
        channel: bytes that every output channel of a convolution or linear layer takes, with a bias or without.
        bias: bytes of a bias where there is one, folded norms included.
    """

    weight: int
    channel: int
    bias: int


WEIGHT_MODELS = {
    "weights": WeightModel(weight=4, channel=0, bias=4),
    # int8 weights; for each output channel an int32 bias and a float32 scale, as runtimes for microcontrollers keep them.
    "mcu-weights": WeightModel(weight=1, channel=8, bias=0),
}
"""Sizes of weights by the name of the metric."""


def weight_terms(walk: Walk, model: WeightModel) -> list[Term]:
    """Bytes of each operator's weights; the size of the network is their sum."""
    folded = _folded(walk)
    terms = []
    for operator in walk.operators:
        if isinstance(operator.parameters, int) and operator.parameters == 0:
            continue
        if operator.kind in LAYERS:
            terms.append(_layer(operator, folded.get(operator.output.index, False), model))
        elif operator.kind != "batch_norm" or operator.inputs[0].index not in folded:
            size = model.weight if operator.kind == "matmul" else FLOAT_BYTES
            terms.append(guarded(operator.parameters * size, operator.guard))
    return terms


def _folded(walk: Walk) -> dict[int, Value]:
    """Outputs of layers that batch norms alone read, with the condition under which one does."""
    readers: dict[int, list[Operator]] = {}
    for operator in walk.operators:
        for tensor in operator.inputs:
            readers.setdefault(tensor.index, []).append(operator)
    made = [operator.output.index for operator in walk.operators if operator.kind in LAYERS]
    return {
        index: any_of(reader.guard for reader in readers[index])
        for index in made
        if readers.get(index) and all(reader.kind == "batch_norm" for reader in readers[index])
    }


def _layer(operator: Operator, norm: Value, model: WeightModel) -> Term:
    """Weights, and biases of the layer's own or of the norm that is folded into it."""
    channels = operator.output.shape[1 if operator.kind == "conv2d" else -1]
    weights = _weights(operator, channels)

    def measure(codes: Mapping[str, Any]) -> Any:
        count, width = np.asarray(evaluate(weights, codes)), np.asarray(evaluate(channels, codes))
        own = np.asarray(evaluate(operator.parameters, codes)) - count
        biases = np.maximum(own, width * np.asarray(evaluate(norm, codes), dtype=np.int64))
        total = count * model.weight + width * model.channel + biases * model.bias
        return total * np.asarray(evaluate(operator.guard, codes), dtype=np.int64)

    return Term(free_choices(operator.guard, weights, channels, operator.parameters, norm), measure)


def _weights(operator: Operator, channels: Value) -> Value:
    """How many weights a layer has, without its biases."""
    if operator.kind == "linear":
        return channels * operator.inputs[0].shape[-1]
    window = operator.attributes["kernel_h"] * operator.attributes["kernel_w"]
    return channels * (operator.inputs[0].shape[1] // operator.attributes["groups"]) * window
