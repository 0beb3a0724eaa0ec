"""The accuracy predictor of once-for-all."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.predicting import Encoding, Predictor
from nas.predicting.quality import Numbers
from predictors.intervals import Intervals
from predictors.rates import require_rates

PERCENT = 100.0
"""Values are divided by this, as the authors' code divides accuracies in percent."""


class Mlp(Predictor):
    """A multi-layer perceptron on the features (Cai et al., Once-for-All, 2020).

    Three hidden layers of 400 with ReLU and a last layer without bias, to which the mean of the values is added as a
    constant; values are divided by 100. Four fifths of the values train it, in batches of 256, and the rest gives the width
    of the intervals, the same for all. The paper does not give rate and epochs; torch's Adam at its usual rate is used.

    Args:
        layers, hidden: of the perceptron.
        batch: architectures a step.
        epochs, rate: of Adam.
        held_out: share of the values that is kept from training.
    """

    summary = (
        "multi-layer perceptron of once-for-all, 3 x 400; fast on many architectures, for some hundred evaluations or more"
    )
    source = "Cai et al., Once-for-All: Train One Network and Specialize it for Efficient Deployment, 2020"

    def __init__(
        self,
        encoding: Encoding,
        seed: int = 0,
        layers: int = 3,
        hidden: int = 400,
        batch: int = 256,
        epochs: int = 300,
        rate: float = 1e-3,
        held_out: float = 0.2,
    ) -> None:
        super().__init__(encoding, seed)
        require_rates("mlp", rate)
        if min(layers, hidden, batch, epochs) < 1 or not 0 < held_out < 1:
            raise NasError(
                "predictor 'mlp' needs at least one layer, unit, architecture a step and epoch, and 0 < held_out < 1"
            )
        self.layers, self.hidden, self.batch, self.epochs = layers, hidden, batch, epochs
        self.rate, self.held_out = rate, held_out

    def learn(self, rows: Rows, values: Numbers) -> None:
        """See `Predictor`."""
        rng = generator(self.seed, "mlp")
        order = rng.permutation(len(rows))
        held = order[: max(1, round(self.held_out * len(rows)))]
        used = order[len(held) :]
        features = self.encoding.features(rows)
        self._shift, self._scale = _standard(features[used])
        self._base = float(values[used].mean())
        inputs = torch.from_numpy((features[used] - self._shift) * self._scale).float()
        targets = torch.from_numpy((values[used] - self._base) / PERCENT).float()
        self._weights = [weight.requires_grad_() for weight in self._initial(inputs.shape[1], rng)]
        optimiser = torch.optim.Adam(self._weights, lr=self.rate)
        for _ in range(self.epochs):
            for part in np.array_split(rng.permutation(len(used)), -(-len(used) // self.batch)):
                chosen = torch.from_numpy(part)
                optimiser.zero_grad()
                F.mse_loss(self._output(inputs[chosen]), targets[chosen]).backward()
                optimiser.step()
        self._weights = [weight.detach() for weight in self._weights]
        mean = self._mean(features[held])
        self._intervals = Intervals.of(mean, np.zeros(len(held)), values[held])

    def estimate(self, rows: Rows) -> tuple[Numbers, Numbers]:
        """See `Predictor`."""
        mean = self._mean(self.encoding.features(rows))
        return mean, self._intervals.deviation(np.zeros(len(rows)))

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """See `Predictor`."""
        named = {f"weight{index}": weight.numpy() for index, weight in enumerate(self._weights)}
        scale = {"shift": self._shift, "scale": self._scale, "base": np.array([self._base])}
        return {**named, **scale, "intervals": self._intervals.array}

    def restore(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """See `Predictor`."""
        self._weights = [torch.from_numpy(tensors[f"weight{index}"]) for index in range(2 * self.layers + 1)]
        self._shift, self._scale, self._base = tensors["shift"], tensors["scale"], float(tensors["base"][0])
        self._intervals = Intervals.from_array(tensors["intervals"])

    def _initial(self, width: int, rng: np.random.Generator) -> list[torch.Tensor]:
        """Weights and biases in turn, as `torch.nn.Linear` draws them; none behind the last weights."""
        found = []
        sizes = [width, *[self.hidden] * self.layers, 1]
        for inputs, outputs in pairwise(sizes):
            bound = inputs**-0.5
            found.append(torch.from_numpy(rng.uniform(-bound, bound, (outputs, inputs))).float())
            found.append(torch.from_numpy(rng.uniform(-bound, bound, outputs)).float())
        return found[:-1]

    def _output(self, inputs: torch.Tensor) -> torch.Tensor:
        """(N, F) -> (N,)."""
        for index in range(self.layers):
            inputs = torch.relu_(F.linear(inputs, self._weights[2 * index], self._weights[2 * index + 1]))
        return F.linear(inputs, self._weights[-1])[:, 0]

    @torch.inference_mode()
    def _mean(self, features: Numbers) -> Numbers:
        inputs = torch.from_numpy(((features - self._shift) * self._scale).astype(np.float32))
        found: Numbers = self._base + PERCENT * self._output(inputs).numpy().astype(np.float64)
        return found


def _standard(features: Numbers) -> tuple[Numbers, Numbers]:
    """Zeros and ones stay as they are, as the paper has them; other columns get mean 0 and deviation 1."""
    binary = ((features == 0) | (features == 1)).all(axis=0)
    deviation = features.std(axis=0)
    shift = np.where(binary, 0.0, features.mean(axis=0))
    return shift, np.where(binary | (deviation == 0), 1.0, 1 / np.where(deviation == 0, 1.0, deviation))
