"""A training step of NPENAS's graph network: in numpy with its gradient written out, and in torch with autograd.

Sixteen random cells of NAS-Bench-201 (at most eight nodes each), and sixteen random architectures of mbconv (a node for each
decision that matters). In torch the graphs are one list of the nodes in use and one matrix of who reads whom, so that nothing
is computed for padding, and Adam is the fused one. One thread each; both begin with the same parameters, and the difference of
their first errors is recorded.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from recording import arguments, record
from torch import nn

from nas.base.threads import one_blas_thread
from nas.predicting import Graphs
from nas.supernet import open_space
from predictors.gin_network import MIDDLE, RANGE, Adam, GinNetwork, Inputs

BATCH, STEPS, LAYERS, HIDDEN, DROPOUT, RATE, DECAY = 16, 200, 3, 32, 0.1, 5e-3, 1e-4


class InTorch(nn.Module):
    """The network."""

    def __init__(self, network: GinNetwork) -> None:
        super().__init__()
        views = iter(torch.from_numpy(view.copy()) for view in network.views(network.parameters))

        def linear() -> nn.Linear:
            weight, bias = next(views), next(views)
            made = nn.Linear(*weight.shape)
            made.weight.data, made.bias.data = weight.T.contiguous(), bias
            return made

        self.layers, self.norms = nn.ModuleList(), nn.ModuleList()
        for _ in range(LAYERS):
            self.layers.append(nn.Sequential(linear(), nn.ReLU(), linear()))
            self.norms.append(nn.BatchNorm1d(HIDDEN))
            next(views), next(views)
        self.middle, self.last = linear(), linear()

    def forward(self, nodes: torch.Tensor, reads: torch.Tensor, pool: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        """Nodes (M, K), reads (M, M), means (N, M) and drop-out's factors (N, 16) -> (N,)."""
        state = nodes
        for layer, norm in zip(self.layers, self.norms, strict=True):
            state = norm(torch.relu(layer(reads @ state)))
        return RANGE * torch.sigmoid(self.last(kept * torch.relu(self.middle(pool @ state))))[:, 0]


def one_list(graphs: Graphs) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The nodes in use of all graphs, who of them reads whom or is it, and the mean over each graph's."""
    masks = (graphs.nodes != 0).any(axis=2)
    nodes = torch.from_numpy(graphs.nodes[masks])
    blocks = [graph.T[np.ix_(used, used)] for graph, used in zip(graphs.adjacency, masks, strict=True)]
    reads = torch.block_diag(*map(torch.from_numpy, blocks)) + torch.eye(len(nodes))
    return nodes, reads, torch.block_diag(*(torch.full((1, count), 1 / count) for count in masks.sum(axis=1).tolist()))


def factors() -> np.ndarray:
    """Of the drop-out."""
    return (np.random.default_rng(1).random((BATCH, MIDDLE)) >= DROPOUT).astype(np.float32) / np.float32(1 - DROPOUT)


def in_numpy(graphs: Graphs, targets: np.ndarray, network: GinNetwork) -> tuple[float, float]:
    """Seconds a step and the first error."""
    inputs, optimiser, kept = Inputs.of(graphs), Adam(network.parameters, DECAY), factors()
    errors = []
    clock = time.perf_counter()
    for _ in range(STEPS):
        errors.append(network.differentiate(inputs, targets, kept))
        optimiser.step(network.gradient, RATE)
    return (time.perf_counter() - clock) / STEPS, errors[0]


def in_torch(graphs: Graphs, targets: np.ndarray, network: GinNetwork) -> tuple[float, float]:
    """Seconds a step and the first error."""
    inputs, kept, aims = one_list(graphs), torch.from_numpy(factors()), torch.from_numpy(targets)
    made = InTorch(network)
    optimiser = torch.optim.Adam(made.parameters(), lr=RATE, weight_decay=DECAY, fused=True)
    errors = []
    clock = time.perf_counter()
    for _ in range(STEPS):
        optimiser.zero_grad()
        error = F.mse_loss(made(*inputs, kept), aims)
        error.backward()
        optimiser.step()
        errors.append(error.item())
    return (time.perf_counter() - clock) / STEPS, errors[0]


def main() -> None:
    """Measure and record."""
    rounds = arguments(__doc__, rounds=9).rounds
    torch.set_num_threads(1)
    figures = []
    for name in ("cells:nas-bench-201", "mbconv"):
        space = open_space(name)
        rng = np.random.default_rng(0)
        graphs = space.encoding.graphs(space.decisions.sample(rng, BATCH))
        targets = rng.uniform(1, 9, BATCH).astype(np.float32)
        times: list[tuple[float, float]] = []
        apart = 0.0
        with one_blas_thread():
            for _ in range(rounds):
                network = GinNetwork(graphs.nodes.shape[2], LAYERS, HIDDEN)
                network.begin(np.random.default_rng(0))
                theirs, expected = in_torch(graphs, targets, network)
                ours, found = in_numpy(graphs, targets, network)
                times.append((ours, theirs))
                apart = max(apart, abs(found / expected - 1))
        figures.append(
            {
                "space": name,
                "nodes": int((graphs.nodes != 0).any(axis=2).sum()),
                "numpy_us": 1e6 * median(ours for ours, _ in times),
                "torch_us": 1e6 * median(theirs for _, theirs in times),
                "speedup": median(theirs / ours for ours, theirs in times),
                "first_errors_apart": apart,
            }
        )
    record(__file__, figures, batch=BATCH, steps=STEPS, rounds=rounds)


if __name__ == "__main__":
    main()
