"""The graph network of BRP-NAS, which learns which of two architectures is the better one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.base.seeds import generator, integer_seed
from nas.predicting import Encoding, Graphs, Predictor, conformal_factor
from nas.predicting.quality import Numbers
from predictors.labels import Labels
from predictors.rates import require_rates

AT_ONCE = 256
"""Architectures embedded at a time."""

CERTAIN = 1e-3
"""Shares of won comparisons are kept so far from 0 and 1."""


class Gcn(Predictor):
    """A binary relation predictor (Dudziak et al., BRP-NAS, 2020).

    A graph convolutional network embeds each architecture, by a node more that every node is read by; a linear layer on the
    embeddings of two says which is better. It learns from ordered pairs, with the softmax of the two values, scaled to
    [0, 1], as target. An architecture's rank is the share of comparisons with the training architectures that it wins; since
    the layer on the pair is linear, this is the order that comparisons between the candidates give. The value is the
    one with that rank among the training values, and values held out give the width of the intervals.

    Only the selection of pairs differs from the authors' code, so that a processor can train it: a step's 64 pairs are
    drawn among few architectures, which are then embedded once for all their pairs.

    Args:
        layers, hidden, dropout: of the network.
        batch: pairs a step.
        epochs: passes over all ordered pairs at most; also ends after `patience` passes that do not lower the loss on pairs
            of the architectures held out.
        steps: at most so many steps, whatever the epochs; the authors have no such limit.
        rate, decay: of AdamW; the rate falls to 0 along a cosine.
        held_out: share of the values that is kept from training.
    """

    summary = "graph network that ranks pairs of architectures (BRP-NAS); slow to train, for cells above all"
    source = "Dudziak et al., BRP-NAS: Prediction-based NAS using GCNs, 2020"
    reads_features = False

    def __init__(
        self,
        encoding: Encoding,
        seed: int = 0,
        layers: int = 4,
        hidden: int = 600,
        dropout: float = 0.2,
        batch: int = 64,
        epochs: int = 250,
        patience: int = 35,
        steps: int = 2000,
        rate: float = 3.5e-4,
        decay: float = 5e-4,
        held_out: float = 0.2,
    ) -> None:
        super().__init__(encoding, seed)
        require_rates("gcn", rate, decay, dropout)
        if min(layers, hidden, batch, epochs, patience, steps) < 1 or not 0 < held_out < 1:
            raise NasError("predictor 'gcn' needs at least one layer, unit, pair, epoch and step, and 0 < held_out < 1")
        self.layers, self.hidden, self.dropout, self.batch = layers, hidden, dropout, batch
        self.epochs, self.patience, self.steps = epochs, patience, steps
        self.rate, self.decay, self.held_out = rate, decay, held_out

    def learn(self, rows: Rows, values: Numbers) -> None:
        """See `Predictor`."""
        rng = generator(self.seed, "gcn")
        order = rng.permutation(len(rows))
        held = order[: max(2, round(self.held_out * len(rows)))]
        used = order[len(held) :]
        scaled = torch.from_numpy((values - values[used].min()) / (np.ptp(values[used]) or 1.0)).float()
        self._labels = Labels("rank", values[used])
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(integer_seed(self.seed, "gcn"))
            self._network = Network(self.encoding.graphs(rows[:1]).nodes.shape[2], self.layers, self.hidden, self.dropout)
            self._train(rows, scaled, used, held, rng)
        self._reference = self._embedded(rows[used])
        middle = self._scores(rows[held])
        mean, deviation = self._labels.spread(middle, np.full(len(held), 1.0))
        self._factor = conformal_factor(mean, deviation, values[held])

    def estimate(self, rows: Rows) -> tuple[Numbers, Numbers]:
        """See `Predictor`."""
        mean, deviation = self._labels.spread(self._scores(rows), np.full(len(rows), 1.0))
        return mean, self._factor * deviation

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """See `Predictor`."""
        named = {f"network.{name}": tensor.numpy() for name, tensor in self._network.state_dict().items()}
        knots = {"knots": self._labels.knots, "scores": self._labels.scores}
        return {**named, **knots, "reference": self._reference.numpy(), "factor": np.array([self._factor])}

    def restore(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """See `Predictor`."""
        state = {
            name.removeprefix("network."): torch.from_numpy(array)
            for name, array in tensors.items()
            if name.startswith("network.")
        }
        self._network = Network(state["layers.0.weight"].shape[0] - 1, self.layers, self.hidden, self.dropout)
        try:
            self._network.load_state_dict(state)
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        self._network.eval()
        self._labels = Labels.of(tensors["knots"], tensors["scores"])
        # A file's bytes begin anywhere in memory, where sums are rounded otherwise; quantiles of near scores enlarge that.
        self._reference = torch.from_numpy(tensors["reference"]).clone()
        self._factor = float(tensors["factor"][0])

    def _train(
        self,
        rows: Rows,
        values: torch.Tensor,
        used: npt.NDArray[np.int64],
        held: npt.NDArray[np.int64],
        rng: np.random.Generator,
    ) -> None:
        network = self._network
        group = min(len(used), max(2, round(self.batch**0.5)))
        each = -(-len(used) * (len(used) - 1) // self.batch)
        total = min(self.steps, self.epochs * each)
        optimiser = torch.optim.AdamW(network.parameters(), lr=self.rate, weight_decay=self.decay)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, total)
        best, waited, kept = float("inf"), 0, network.state_dict()
        for step in range(total):
            network.train()
            chosen = rng.choice(used, group, replace=False)
            optimiser.zero_grad()
            embedded = network(*_tensors(self.encoding.graphs(rows[chosen])))
            _pair_loss(network, embedded, values[chosen]).backward()
            optimiser.step()
            cosine.step()
            if (step + 1) % min(each, total) == 0 or step + 1 == total:
                with torch.no_grad():
                    loss = float(_pair_loss(network, self._embedded(rows[held]), values[held]))
                waited = 0 if loss < best else waited + 1
                if loss < best:
                    best, kept = loss, {name: tensor.clone() for name, tensor in network.state_dict().items()}
                if waited >= self.patience:
                    break
        network.load_state_dict(kept)
        network.eval()

    @torch.no_grad()
    def _embedded(self, rows: Rows) -> torch.Tensor:
        """(N, hidden)."""
        self._network.eval()
        parts = range(0, len(rows), AT_ONCE)
        return torch.cat([self._network(*_tensors(self.encoding.graphs(rows[first : first + AT_ONCE]))) for first in parts])

    @torch.no_grad()
    def _scores(self, rows: Rows) -> Numbers:
        """(N,) the share of comparisons won against the training architectures, as a quantile of the normal distribution."""
        from scipy.special import ndtri

        embedded = self._embedded(rows)
        wins = torch.sigmoid(self._network.preference(embedded, self._reference)).mean(dim=1)
        losses = torch.sigmoid(self._network.preference(self._reference, embedded)).mean(dim=0)
        share = ((wins + 1 - losses) / 2).numpy().astype(np.float64)
        found: Numbers = ndtri(CERTAIN + (1 - 2 * CERTAIN) * _ranked(share, self._own_shares()))
        return found

    @torch.no_grad()
    def _own_shares(self) -> Numbers:
        """The training architectures' shares of comparisons won, in order."""
        logits = self._network.preference(self._reference, self._reference)
        share = (torch.sigmoid(logits).mean(dim=1) + 1 - torch.sigmoid(logits).mean(dim=0)) / 2
        return np.sort(share.numpy().astype(np.float64))


class Network(nn.Module):
    """Graph convolutions with layer norm, ReLU and dropout, the embedding of the global node, and the layer on pairs.

    Args:
        width: features of a node.
    """

    def __init__(self, width: int, layers: int, hidden: int, dropout: float) -> None:
        super().__init__()
        widths = [width + 1, *[hidden] * layers]
        self.layers = nn.ModuleList(Convolution(before, hidden) for before in widths[:-1])
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)
        self.pair = nn.Linear(2 * hidden, 2)

    def forward(self, nodes: torch.Tensor, adjacency: torch.Tensor) -> torch.Tensor:
        """Nodes (N, V, K) and adjacency (N, V, V) as in `Graphs` -> embeddings (N, hidden) of the global node."""
        state, reads = with_global(nodes, adjacency)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            state = self.dropout(torch.relu(norm(layer(state, reads))))
        return state[:, 0]

    def preference(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Embeddings (A, H) and (B, H) -> (A, B), the logit of the first one's being better."""
        direction = self.pair.weight[0] - self.pair.weight[1]
        offset = self.pair.bias[0] - self.pair.bias[1]
        left, right = direction.chunk(2)
        return (first @ left)[:, None] + (second @ right)[None] + offset


class Convolution(nn.Module):
    """Each node adds up the transformed features of itself and of the nodes that it reads, and a bias."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        bound = after**-0.5
        self.weight = nn.Parameter(torch.empty(before, after).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(after).uniform_(-bound, bound))

    def forward(self, state: torch.Tensor, reads: torch.Tensor) -> torch.Tensor:
        """State (N, V, K), reads (N, V, V) -> (N, V, K')."""
        return torch.baddbmm(self.bias, reads, state @ self.weight)


def with_global(nodes: torch.Tensor, adjacency: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A node at index 0 that reads every node in use, with a feature of its own; and every node reads itself.

    Returns:
        Nodes (N, V + 1, K + 1), and a matrix (N, V + 1, V + 1) whose [n, b, a] is 1 where node b reads node a.
    """
    used = (nodes != 0).any(dim=2)
    state = F.pad(nodes, (0, 1, 1, 0))
    state[:, 0, -1] = 1.0
    reads = F.pad(adjacency.transpose(1, 2), (1, 0, 1, 0))
    reads[:, 0, 1:] = used.to(reads.dtype)
    return state, reads + torch.eye(reads.shape[1])


def _pair_loss(network: Network, embedded: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Divergence between the softmax of the two values and the prediction, mean over all ordered pairs of different ones."""
    logits = network.preference(embedded, embedded)
    target = torch.sigmoid(values[:, None] - values)
    # Up to the target's own entropy, which no weight changes, this is the Kullback-Leibler divergence.
    losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return losses[~torch.eye(len(values), dtype=torch.bool)].mean()


def _ranked(shares: Numbers, known: Numbers) -> Numbers:
    """(N,) the places of shares among the known sorted ones, 0 below all and 1 above all; ever larger outside them, too."""
    places = (np.arange(len(known)) + 0.5) / len(known)
    strictly, first = np.unique(known, return_index=True)
    found = np.interp(shares, strictly, places[first])
    beyond = 0.5 / len(known)
    found = np.where(shares > strictly[-1], 1 - beyond * (1 - shares) / max(1 - strictly[-1], 1e-12), found)
    return np.where(shares < strictly[0], beyond * shares / max(strictly[0], 1e-12), found)


def _tensors(graphs: Graphs) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(graphs.nodes), torch.from_numpy(graphs.adjacency)
