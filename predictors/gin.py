"""The graph isomorphism network of NPENAS."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.seeds import generator, integer_seed
from nas.predicting import Encoding, Graphs, Predictor
from nas.predicting.quality import Numbers
from predictors.intervals import Intervals
from predictors.rates import require_rates

RANGE = 10.0
"""The network's output lies between 0 and this, as in the authors' code, where it is an error in percent."""

MARGIN = 0.1
"""The training values fill the range but for so large a share at either end, so that predictions can be beyond them."""

AT_ONCE = 32
"""Architectures predicted at a time; the matrix of who reads whom grows with its square."""


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
        targets = torch.from_numpy((values - self._offset) / self._scale).float()
        graphs = self.encoding.graphs(rows)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(integer_seed(self.seed, "gin"))
            self._network = GinNetwork(graphs.nodes.shape[2], self.layers, self.hidden, self.dropout)
            self._train(graphs, targets, used, rng)
        judged = held if count else used
        mean = self._mean(rows[judged])
        self._intervals = Intervals.of(mean, np.zeros(len(judged)), values[judged])

    def estimate(self, rows: Rows) -> tuple[Numbers, Numbers]:
        """See `Predictor`."""
        return self._mean(rows), self._intervals.deviation(np.zeros(len(rows)))

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """See `Predictor`."""
        named = {f"network.{name}": tensor.numpy() for name, tensor in self._network.state_dict().items()}
        return {**named, "values": np.array([self._scale, self._offset]), "intervals": self._intervals.array}

    def restore(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """See `Predictor`."""
        state = {
            name.removeprefix("network."): torch.from_numpy(array)
            for name, array in tensors.items()
            if name.startswith("network.")
        }
        width = state["layers.0.0.weight"].shape[1]
        self._network = GinNetwork(width, self.layers, self.hidden, self.dropout)
        try:
            self._network.load_state_dict(state)
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        self._network.eval()
        self._scale, self._offset = tensors["values"].tolist()
        self._intervals = Intervals.from_array(tensors["intervals"])

    def _train(self, graphs: Graphs, targets: torch.Tensor, used: npt.NDArray[np.int64], rng: np.random.Generator) -> None:
        network = self._network.train()
        nodes, adjacency = _tensors(graphs)
        parts = -(-len(used) // self.batch)
        optimiser = torch.optim.Adam(network.parameters(), lr=self.rate, weight_decay=self.decay, fused=True)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.epochs)
        for _ in range(self.epochs):
            # Parts of nearly one size: batch norm has no statistics of a single node.
            for part in np.array_split(rng.permutation(used), parts):
                chosen = torch.from_numpy(part)
                optimiser.zero_grad()
                F.mse_loss(network(nodes[chosen], adjacency[chosen]), targets[chosen]).backward()
                optimiser.step()
            cosine.step()
        network.eval()

    @torch.inference_mode()
    def _mean(self, rows: Rows) -> Numbers:
        parts = [
            self._network(*_tensors(self.encoding.graphs(rows[first : first + AT_ONCE])))
            for first in range(0, len(rows), AT_ONCE)
        ]
        found: Numbers = self._offset + self._scale * torch.cat(parts).numpy().astype(np.float64)
        return found


class GinNetwork(nn.Module):
    """The network.

    Args:
        width: features of a node.
    """

    def __init__(self, width: int, layers: int, hidden: int, dropout: float) -> None:
        super().__init__()
        widths = [width, *[hidden] * layers]
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(before, hidden), nn.ReLU(), nn.Linear(hidden, hidden)) for before in widths[:-1]
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(hidden) for _ in range(layers))
        self.middle = nn.Linear(hidden, 16)
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(16, 1)

    def forward(self, nodes: torch.Tensor, adjacency: torch.Tensor) -> torch.Tensor:
        """Nodes (N, V, K) and adjacency (N, V, V) as in `Graphs` -> (N,) between 0 and `RANGE`."""
        state, reads, pool = _as_one(nodes, adjacency)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            state = norm(torch.relu(layer(reads @ state)))
        return RANGE * torch.sigmoid(self.last(self.dropout(torch.relu(self.middle(pool @ state)))))[:, 0]


def _as_one(nodes: torch.Tensor, adjacency: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """All graphs as one, of the M nodes that are in use, since padding has no part in a batch norm's statistics.

    Returns:
        The nodes' features (M, K); a matrix (M, M) whose [b, a] is 1 where node b reads node a, or is it; and one (N, M) that
        takes the mean over a graph's nodes.
    """
    count, width, _ = nodes.shape
    used = (nodes != 0).any(dim=2).flatten().nonzero()[:, 0]
    graphs = torch.arange(count)
    reads = nodes.new_zeros(count, width, count, width)
    reads[graphs, :, graphs] = adjacency.transpose(1, 2)
    reads = reads.view(count * width, -1)[used][:, used]
    reads.diagonal().add_(1)
    pool = (used // width == graphs[:, None]).to(nodes.dtype)
    return nodes.flatten(0, 1)[used], reads, pool / pool.sum(dim=1, keepdim=True)


def _tensors(graphs: Graphs) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(graphs.nodes), torch.from_numpy(graphs.adjacency)
