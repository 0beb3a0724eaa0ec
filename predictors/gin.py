"""The graph isomorphism network of NPENAS."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.predicting import Encoding, Predictor
from nas.predicting.quality import Numbers
from predictors.gin_network import MIDDLE, RANGE, Adam, Floats, GinNetwork, Inputs
from predictors.intervals import Intervals
from predictors.rates import require_rates

MARGIN = 0.1
"""The training values fill the range but for so large a share at either end, so that predictions can be beyond them."""

AT_ONCE = 256
"""Architectures predicted at a time; they fit a processor's cache."""


class Gin(Predictor):
    """A graph isomorphism network that regresses values (Wei et al., NPENAS, 2020).

    Three layers, in each of which a node adds up itself and the nodes that it reads and sends the sum through a perceptron
    of two layers; ReLU and batch norm; the mean over nodes; a layer of 16 with drop-out, and a sigmoid times ten. Mean squared
    error, Adam along a cosine. The authors regress errors below 10 %; here values are brought to that range.

    Args:
        layers, hidden, dropout: of the network.
        batch, epochs, rate, decay: of Adam.
        held_out: share of the values that is kept from training and gives the width of the intervals. With 0 all values
            train it, as in the paper, and the intervals, from the errors of the training, are too narrow.
    """

    summary = "graph isomorphism network (NPENAS); slow to train, for cells above all"
    source = "Wei et al., NPENAS: Neural Predictor Guided Evolution for Neural Architecture Search, 2020"
    reads_features = False
    quick = MappingProxyType({"held_out": 0.0})

    def __init__(
        self,
        encoding: Encoding,
        seed: int = 0,
        layers: int = 3,
        hidden: int = 32,
        dropout: float = 0.1,
        batch: int = 16,
        epochs: int = 300,
        rate: float = 5e-3,
        decay: float = 1e-4,
        held_out: float = 0.2,
    ) -> None:
        super().__init__(encoding, seed)
        require_rates("gin", rate, decay, dropout)
        if min(layers, hidden, epochs) < 1 or batch < 2 or not 0 <= held_out < 1:
            raise NasError("predictor 'gin' needs at least one layer, unit and epoch, a batch of two, and 0 <= held_out < 1")
        self.layers, self.hidden, self.dropout, self.batch, self.epochs = layers, hidden, dropout, batch, epochs
        self.rate, self.decay, self.held_out = rate, decay, held_out

    def learn(self, rows: Rows, values: Numbers) -> None:
        """See `Predictor`."""
        rng = generator(self.seed, "gin")
        order = rng.permutation(len(rows))
        count = max(1, round(self.held_out * len(rows))) if self.held_out else 0
        held, used = order[:count], order[count:]
        low, span = float(values[used].min()), float(np.ptp(values[used])) or 1.0
        self._scale = span / (1 - 2 * MARGIN) / RANGE
        self._offset = low - MARGIN * RANGE * self._scale
        targets = ((values - self._offset) / self._scale).astype(np.float32)
        inputs = Inputs.of(self.encoding.graphs(rows))
        self._network = GinNetwork(inputs.nodes.shape[2], self.layers, self.hidden)
        self._train(inputs, targets, used, rng)
        judged = held if count else used
        mean = self._mean(rows[judged])
        self._intervals = Intervals.of(mean, np.zeros(len(judged)), values[judged])

    def estimate(self, rows: Rows) -> tuple[Numbers, Numbers]:
        """See `Predictor`."""
        return self._mean(rows), self._intervals.deviation(np.zeros(len(rows)))

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """See `Predictor`."""
        network = self._network
        return {
            "width": np.array([network.width]),
            "parameters": network.parameters,
            "statistics": network.statistics,
            "values": np.array([self._scale, self._offset]),
            "intervals": self._intervals.array,
        }

    def restore(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """See `Predictor`."""
        self._network = GinNetwork(int(tensors["width"].item()), self.layers, self.hidden)
        self._network.restore(tensors["parameters"], tensors["statistics"])
        self._scale, self._offset = tensors["values"].tolist()
        self._intervals = Intervals.from_array(tensors["intervals"])

    def _train(self, inputs: Inputs, targets: Floats, used: npt.NDArray[np.int64], rng: np.random.Generator) -> None:
        network = self._network
        network.begin(rng)
        optimiser = Adam(network.parameters, self.decay)
        parts = -(-len(used) // self.batch)
        for epoch in range(self.epochs):
            rate = self.rate * 0.5 * (1 + math.cos(math.pi * epoch / self.epochs))
            # Parts of nearly one size: batch norm has no statistics of a single node.
            for part in np.array_split(rng.permutation(used), parts):
                kept = (rng.random((len(part), MIDDLE), np.float32) >= self.dropout).astype(np.float32)
                kept /= 1 - self.dropout
                network.differentiate(inputs.at(part), targets[part], kept)
                optimiser.step(network.gradient, rate)

    def _mean(self, rows: Rows) -> Numbers:
        parts = [
            self._network.predict(Inputs.of(self.encoding.graphs(rows[first : first + AT_ONCE])))
            for first in range(0, len(rows), AT_ONCE)
        ]
        found: Numbers = self._offset + self._scale * np.concatenate(parts).astype(np.float64)
        return found
