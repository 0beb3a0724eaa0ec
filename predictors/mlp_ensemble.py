"""The ensemble of small networks of BANANAS."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.predicting import Encoding, Predictor
from nas.predicting.quality import Numbers
from predictors.intervals import Intervals
from predictors.rates import require_rates

BETAS = (0.9, 0.99)
"""Of Adam, as in the authors' code."""


class MlpEnsemble(Predictor):
    """Networks that differ in their first weights and in the order of the data (White et al., BANANAS, 2021).

    Five networks of ten layers of 20 with ReLU learn the mean absolute error. The mean over the networks is the prediction,
    their disagreement the uncertainty. The paper gives them the path encoding: `space.encoding.variant("paths")` where a
    cell space has it. As many more networks for each of `folds` parts of the data, which they do not see, give the scale of
    the intervals; all are trained at once. Without folds the disagreement is the deviation as it is, as in the paper: too
    narrow, in a sixth of the time.

    Args:
        members, layers, hidden: of the ensemble and its networks.
        batch, epochs, rate: of Adam.
        folds: into how many parts the data is cut for the intervals; 0 for none.
    """

    summary = "five networks of ten layers, whose disagreement is the uncertainty (BANANAS)"
    source = "White et al., BANANAS: Bayesian Optimization with Neural Architectures for NAS, 2021"
    quick = MappingProxyType({"folds": 0})

    def __init__(
        self,
        encoding: Encoding,
        seed: int = 0,
        members: int = 5,
        layers: int = 10,
        hidden: int = 20,
        batch: int = 32,
        epochs: int = 150,
        rate: float = 0.01,
        folds: int = 5,
    ) -> None:
        super().__init__(encoding, seed)
        require_rates("mlp-ensemble", rate)
        if min(members, layers, hidden, batch, epochs) < 1 or folds < 0 or folds == 1:
            raise NasError("predictor 'mlp-ensemble' needs at least one member, layer, unit, architecture a step and epoch, "
                           "and two folds or none")  # fmt: skip
        self.members, self.layers, self.hidden, self.batch = members, layers, hidden, batch
        self.epochs, self.rate, self.folds = epochs, rate, folds

    def learn(self, rows: Rows, values: Numbers) -> None:
        """See `Predictor`."""
        rng = generator(self.seed, "mlp-ensemble")
        features = torch.from_numpy(self.encoding.features(rows)).float()
        self._shift, deviation = features.mean(dim=0), features.std(dim=0, correction=0)
        self._scale = torch.where(deviation > 0, 1 / deviation.clamp_min(1e-12), torch.zeros(()))
        self._centre, self._unit = float(values.mean()), float(values.std()) or 1.0
        inputs = (features - self._shift) * self._scale
        targets = torch.from_numpy((values - self._centre) / self._unit).float()
        everything = np.arange(len(rows))
        if not self.folds:
            self._weights = [weight.detach() for weight in self._train(inputs, targets, [everything] * self.members, rng)]
            self._intervals = Intervals(typical=0.0, factor=1.0)
            return
        fold = rng.permutation(len(rows)) % min(self.folds, len(rows))
        seen = [everything, *(np.flatnonzero(fold != part) for part in range(int(fold.max()) + 1))]
        weights = self._train(inputs, targets, [part for part in seen for _ in range(self.members)], rng)
        outputs = _outputs(weights, inputs).detach().numpy().astype(np.float64).reshape(len(seen), self.members, -1)
        unseen = outputs[1 + fold, :, everything]
        mean, spread = self._centre + self._unit * unseen.mean(axis=1), self._unit * unseen.std(axis=1)
        self._intervals = Intervals.of(mean, spread, values)
        self._weights = [weight[: self.members].detach().contiguous() for weight in weights]

    def estimate(self, rows: Rows) -> tuple[Numbers, Numbers]:
        """See `Predictor`."""
        with torch.inference_mode():
            inputs = (torch.from_numpy(self.encoding.features(rows)).float() - self._shift) * self._scale
            outputs = _outputs(self._weights, inputs).numpy().astype(np.float64)
        spread = self._unit * outputs.std(axis=0)
        return self._centre + self._unit * outputs.mean(axis=0), self._intervals.deviation(spread)

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """See `Predictor`."""
        named = {f"weight{index}": weight.numpy() for index, weight in enumerate(self._weights)}
        return {
            **named,
            "shift": self._shift.numpy(),
            "scale": self._scale.numpy(),
            "values": np.array([self._centre, self._unit]),
            "intervals": self._intervals.array,
        }

    def restore(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """See `Predictor`."""
        self._weights = [torch.from_numpy(tensors[f"weight{index}"]) for index in range(2 * self.layers + 2)]
        self._shift, self._scale = torch.from_numpy(tensors["shift"]), torch.from_numpy(tensors["scale"])
        self._centre, self._unit = tensors["values"].tolist()
        self._intervals = Intervals.from_array(tensors["intervals"])

    def _train(
        self, inputs: torch.Tensor, targets: torch.Tensor, seen: list[npt.NDArray[np.int64]], rng: np.random.Generator
    ) -> list[torch.Tensor]:
        """Weights and biases in turn, (E, in, out) and (E, 1, out), of one network for each list of rows that it may see.

        In an epoch a network meets its rows in an order of its own; one with fewer rows meets its first ones again.
        """
        sizes = [inputs.shape[1], *[self.hidden] * self.layers, 1]
        weights: list[torch.Tensor] = []
        for before, after in pairwise(sizes):
            # Glorot's uniform weights and no bias, as the layers of Keras begin, in which the authors' code is written.
            bound = (6 / (before + after)) ** 0.5
            weights.append(torch.from_numpy(rng.uniform(-bound, bound, (len(seen), before, after))).float().requires_grad_())
            weights.append(torch.zeros(len(seen), 1, after, requires_grad=True))
        optimiser = torch.optim.Adam(weights, lr=self.rate, betas=BETAS, fused=True)
        count = len(inputs)
        for _ in range(self.epochs):
            order = torch.from_numpy(np.stack([np.resize(rng.permutation(part), count) for part in seen]))
            for chosen in order.split(self.batch, dim=1):
                optimiser.zero_grad()
                errors = _outputs(weights, inputs[chosen]) - targets[chosen]
                errors.abs().mean(dim=1).sum().backward()
                optimiser.step()
        return weights


def _outputs(weights: list[torch.Tensor], inputs: torch.Tensor) -> torch.Tensor:
    """Inputs (N, F), or (E, N, F) for each of E networks -> (E, N)."""
    state = inputs if inputs.ndim == 3 else inputs.expand(len(weights[0]), *inputs.shape)
    last = len(weights) - 2
    for index in range(0, last, 2):
        state = torch.relu(torch.baddbmm(weights[index + 1], state, weights[index]))
    return torch.baddbmm(weights[last + 1], state, weights[last])[..., 0]
