"""The graph isomorphism network of NPENAS, with its gradient and its optimiser.

In numpy: a step on sixteen cells is a hundred operations on matrices so small that torch, which records each for its gradient,
takes several times as long to call them as to compute them (`experiments/gin_step.py`), and a search trains the network anew
every few evaluations.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nas.predicting import Graphs

Floats = npt.NDArray[np.float32]

RANGE = 10.0
"""The network's output lies between 0 and this, as in the authors' code, where it is an error in percent."""

MIDDLE = 16
"""Width of the layer behind the mean over nodes."""

MOMENTUM, EPSILON = 0.1, 1e-5
"""Of batch norm: torch's defaults, as the authors have them; the share of a step in the statistics, and beside the variance."""

BETAS, ADAM_EPSILON = (0.9, 0.999), 1e-8
"""Of Adam: the defaults, as the authors have them."""

WEIGHTS = 6
"""Parameters of a layer: two weights, two biases, and scale and shift of its norm."""


class Inputs(NamedTuple):
    """Graphs as the network reads them.

    Attributes:
        nodes: (N, V, K) features.
        reads: (N, V, V); [n, b, a] is 1 where node b reads node a, or is it and in use.
        used: (N, V, 1), 1 for a node in use; padding has no part in the statistics of a norm.
        pool: (N, V, 1), weights of the mean over a graph's nodes.
    """

    nodes: Floats
    reads: Floats
    used: Floats
    pool: Floats

    @classmethod
    def of(cls, graphs: Graphs) -> Inputs:
        """Of padded graphs."""
        used = (graphs.nodes != 0).any(axis=2, keepdims=True).astype(np.float32)
        reads = graphs.adjacency.transpose(0, 2, 1) + np.eye(used.shape[1], dtype=np.float32) * used
        return cls(graphs.nodes, np.ascontiguousarray(reads), used, used / used.sum(axis=1, keepdims=True))

    def at(self, chosen: npt.NDArray[np.int64]) -> Inputs:
        """Those of some graphs."""
        return Inputs(*(part[chosen] for part in self))


class _Layer(NamedTuple):
    """What the gradient of a layer needs, of all nodes in one list (N * V): a state before each of its operations."""

    gathered: Floats
    first: Floats
    second: Floats
    normal: Floats
    scale: Floats


class GinNetwork:
    """The network.

    Args:
        width: features of a node.
        layers, hidden: of the network.

    Attributes:
        parameters: all of them in one array, so that one update serves them all.
        gradient: of the last step, likewise.
        statistics: (layers, 2, hidden) running means and variances.
    """

    def __init__(self, width: int, layers: int, hidden: int) -> None:
        shapes: list[tuple[int, ...]] = []
        for before in [width, *[hidden] * layers][:-1]:
            shapes += [(before, hidden), (hidden,), (hidden, hidden), (hidden,), (hidden,), (hidden,)]
        shapes += [(hidden, MIDDLE), (MIDDLE,), (MIDDLE, 1), (1,)]
        self.width, self.layers = width, layers
        self._shapes = shapes
        self._ends = np.cumsum([0, *map(prod, shapes)]).tolist()
        self.parameters = np.zeros(self._ends[-1], np.float32)
        self.statistics = np.zeros((layers, 2, hidden), np.float32)
        self.gradient = np.zeros_like(self.parameters)
        self._views, self._gradients = self.views(self.parameters), self.views(self.gradient)

    def views(self, flat: Floats) -> list[Floats]:
        """A flat array as the single parameters: weights are (inputs, outputs), and behind them their bias."""
        return [
            flat[first:last].reshape(shape) for (first, last), shape in zip(pairwise(self._ends), self._shapes, strict=True)
        ]

    def begin(self, rng: np.random.Generator) -> None:
        """Draw weights and biases as `torch.nn.Linear` does; norms begin as the identity."""
        bound = 0.0
        for place, view in enumerate(self._views):
            of_norm = place < WEIGHTS * self.layers and place % WEIGHTS >= WEIGHTS - 2
            if of_norm:
                view[...] = float(place % WEIGHTS == WEIGHTS - 2)
                continue
            if view.ndim == 2:
                bound = len(view) ** -0.5
            view[...] = rng.uniform(-bound, bound, view.shape)
        self.statistics[:, 0], self.statistics[:, 1] = 0.0, 1.0

    def restore(self, parameters: Floats, statistics: Floats) -> None:
        """Take those of another network. Raises ValueError where they are not of this size."""
        if parameters.shape != self.parameters.shape or statistics.shape != self.statistics.shape:
            raise ValueError(
                f"parameters of shape {parameters.shape} and statistics of shape {statistics.shape} where the network has "
                f"{self.parameters.shape} and {self.statistics.shape}"
            )
        self.parameters[...], self.statistics[...] = parameters, statistics

    def predict(self, inputs: Inputs) -> Floats:
        """(N,) between 0 and `RANGE`, with the running statistics and without drop-out."""
        state = inputs.nodes
        for index in range(self.layers):
            weight1, bias1, weight2, bias2, gain, shift = self._of(index)
            mean, variance = self.statistics[index]
            second = _dense(_dense(np.matmul(inputs.reads, state), weight1, bias1), weight2, bias2)
            scale = gain / np.sqrt(variance + EPSILON)
            state = second * scale + (shift - mean * scale)
        weight1, bias1, weight2, bias2 = self._views[-4:]
        middle = _dense((inputs.pool * state).sum(axis=1), weight1, bias1)
        found: Floats = RANGE * _sigmoid(middle @ weight2 + bias2)[:, 0]
        return found

    def differentiate(self, inputs: Inputs, targets: Floats, kept: Floats) -> float:
        """The mean squared error of a step of training; fills `gradient` and moves the running statistics.

        Args:
            inputs: of the step, at least two nodes in all.
            targets: (N,) values.
            kept: (N, 16) factors of the drop-out: 0, or 1 / (1 - p).
        """
        count, size, _ = inputs.nodes.shape
        total = float(inputs.used.sum())
        share: Floats = np.multiply(inputs.used.reshape(count * size), np.float32(1 / total))
        state, kept_layers = inputs.nodes, []
        for index in range(self.layers):
            state, layer = self._forward(index, np.matmul(inputs.reads, state), share, total)
            kept_layers.append(layer)
        weight1, bias1, weight2, bias2 = self._views[-4:]
        pooled = (inputs.pool * state).sum(axis=1)
        middle = _dense(pooled, weight1, bias1)
        middle *= kept
        found = _sigmoid(middle @ weight2 + bias2)
        errors = RANGE * found - targets[:, None]

        by_output = (2 * RANGE / count) * errors * found * (1 - found)
        by_middle = _weights_gradient(middle, by_output, *self._gradients[-2:]) @ weight2.T
        by_middle *= kept
        by_middle *= middle > 0
        by_pooled = _weights_gradient(pooled, by_middle, *self._gradients[-4:-2]) @ weight1.T
        by_state = inputs.pool * by_pooled[:, None]
        for index in reversed(range(self.layers)):
            by_gathered = self._backward(index, kept_layers[index], by_state.reshape(count * size, -1), share)
            if index:
                by_state = np.matmul(inputs.reads.transpose(0, 2, 1), by_gathered.reshape(count, size, -1))
        return float((errors * errors).mean())

    def _forward(self, index: int, read: Floats, share: Floats, total: float) -> tuple[Floats, _Layer]:
        """What nodes have read (N, V, K) -> their state (N, V, hidden), and what the gradient needs."""
        weight1, bias1, weight2, bias2, gain, shift = self._of(index)
        gathered = read.reshape(len(share), -1)
        first = _dense(gathered, weight1, bias1)
        second = _dense(first, weight2, bias2)
        mean = share @ second
        normal = second - mean
        variance = share @ (normal * normal)
        scale = 1 / np.sqrt(variance + np.float32(EPSILON))
        normal *= scale
        running = self.statistics[index]
        running *= 1 - MOMENTUM
        running[0] += MOMENTUM * mean
        running[1] += MOMENTUM * total / (total - 1) * variance
        state = normal * gain
        state += shift
        return state.reshape(*read.shape[:2], -1), _Layer(gathered, first, second, normal, scale)

    def _backward(self, index: int, layer: _Layer, by_state: Floats, share: Floats) -> Floats:
        """The gradient by what the nodes have read, (N * V, K), from that by their state, which is 0 for padding."""
        weight1, _, weight2, _, gain, _ = self._of(index)
        into = self._gradients[WEIGHTS * index : WEIGHTS * (index + 1)]
        ones = np.ones(len(share), np.float32)
        np.matmul(ones, by_state * layer.normal, out=into[4])
        np.matmul(ones, by_state, out=into[5])
        by_second = layer.normal * into[4]
        by_second += into[5]
        by_second *= share[:, None]
        np.subtract(by_state, by_second, out=by_second)
        by_second *= gain * layer.scale
        by_second *= layer.second > 0
        by_first = _weights_gradient(layer.first, by_second, *into[2:4]) @ weight2.T
        by_first *= layer.first > 0
        found: Floats = _weights_gradient(layer.gathered, by_first, *into[:2]) @ weight1.T
        return found

    def _of(self, index: int) -> list[Floats]:
        return self._views[WEIGHTS * index : WEIGHTS * (index + 1)]


class Adam:
    """Adam (Kingma and Ba, 2015) on one flat array, with weight decay as a penalty."""

    def __init__(self, parameters: Floats, decay: float) -> None:
        self._parameters, self._decay = parameters, np.float32(decay)
        self._mean, self._square = np.zeros_like(parameters), np.zeros_like(parameters)
        self._steps = 0

    def step(self, gradient: Floats, rate: float) -> None:
        """Move the parameters; the gradient is overwritten."""
        self._steps += 1
        gradient += self._decay * self._parameters
        self._mean += np.float32(1 - BETAS[0]) * (gradient - self._mean)
        gradient *= gradient
        self._square += np.float32(1 - BETAS[1]) * (gradient - self._square)
        size = np.float32(rate / (1 - BETAS[0] ** self._steps))
        root = np.sqrt(self._square)
        root *= np.float32((1 - BETAS[1] ** self._steps) ** -0.5)
        root += np.float32(ADAM_EPSILON)
        self._parameters -= size * self._mean / root


def _sigmoid(value: Floats) -> Floats:
    """In a form that does not overflow."""
    found: Floats = np.float32(0.5) * (1 + np.tanh(np.float32(0.5) * value))
    return found


def _dense(inputs: Floats, weight: Floats, bias: Floats) -> Floats:
    """A linear layer and ReLU."""
    found: Floats = inputs @ weight
    found += bias
    return np.maximum(found, 0, out=found)


def _weights_gradient(inputs: Floats, by_outputs: Floats, weight: Floats, bias: Floats) -> Floats:
    """Fill a linear layer's gradients by its weight and its bias from that by its outputs, which is returned."""
    np.matmul(inputs.T, by_outputs, out=weight)
    # A product with ones: numpy's sum over the first of two axes takes three times as long.
    np.matmul(np.ones(len(inputs), np.float32), by_outputs, out=bias)
    return by_outputs
