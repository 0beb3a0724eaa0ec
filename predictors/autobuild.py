"""AutoBuild: a predictor whose embeddings say how good the parts of an architecture are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from nas.architectures.decisions import Rows
from nas.base.errors import NasError, unknown
from nas.base.seeds import generator, integer_seed
from nas.predicting import Encoding, Module, ModulePredictor
from nas.predicting.quality import Numbers
from predictors.intervals import Intervals
from predictors.rates import require_rates
from predictors.sequences import Layers, Nodes, joined

AT_ONCE = 1024
"""Architectures embedded at a time."""

LEAK = 0.2
"""Slope of the leaky ReLU in the attention of GATv2."""


class AutoBuild(ModulePredictor):
    """Interpretable scores for architecture modules (Mills et al., Building optimal neural architectures, 2024).

    An architecture is the sequence of its layers. Each group of a layer's features becomes one number without sign
    (FE-MLP), and four layers of attention (GATv2) along the sequence follow. Besides the squared error, the loss asks the L1
    norms of the mean embeddings after every number of hops, none included, to be ordered as the values are, by a
    differentiable rank correlation. Norms thus measure importance: that of an option at hop 0, that of a module of n layers
    at hop n - 1.

    The authors' code takes soft ranks from a compiled library; here a soft rank is the sum of the sigmoids of all
    differences. Its 200 epochs of 3,000 architectures in batches of 128 are given as steps.

    Args:
        hops, width: message-passing layers and the size of their embeddings.
        weight: of the rank correlations in the loss.
        batch, steps, rate, decay: of AdamW.
        held_out: share of the values that is kept from training.
    """

    summary = "message passing along the layers, with scores for options and modules (AutoBuild); slow to train"
    source = "Mills et al., Building Optimal Neural Architectures using Interpretable Knowledge, 2024"
    reads_features = False

    def __init__(
        self,
        encoding: Encoding,
        seed: int = 0,
        hops: int = 4,
        width: int = 32,
        weight: float = 1.0,
        batch: int = 128,
        steps: int = 4400,
        rate: float = 1e-4,
        decay: float = 1e-5,
        held_out: float = 0.1,
    ) -> None:
        super().__init__(encoding, seed)
        require_rates("autobuild", rate, decay)
        if min(hops, width, batch, steps) < 1 or weight < 0 or not 0 < held_out < 1:
            raise NasError("predictor 'autobuild' needs at least one hop, unit, architecture a step and step, a weight of at "
                           "least 0, and 0 < held_out < 1")  # fmt: skip
        self.hops, self.width, self.weight, self.batch = hops, width, weight, batch
        self.steps, self.rate, self.decay, self.held_out = steps, rate, decay, held_out
        self.layers = Layers(encoding.decisions)

    def learn(self, rows: Rows, values: Numbers) -> None:
        """See `Predictor`."""
        rng = generator(self.seed, "autobuild")
        order = rng.permutation(len(rows))
        held = order[: max(1, round(self.held_out * len(rows)))]
        used = order[len(held) :]
        self._centre, self._unit = float(values[used].mean()), float(values[used].std()) or 1.0
        targets = torch.from_numpy((values - self._centre) / self._unit).float()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(integer_seed(self.seed, "autobuild"))
            self._network = self._empty()
        optimiser = torch.optim.AdamW(self._network.parameters(), lr=self.rate, weight_decay=self.decay, fused=True)
        size = min(self.batch, len(used))
        codes, there = self.layers.padded(rows)
        waiting = np.empty(0, dtype=np.int64)
        for _ in range(self.steps):
            if len(waiting) < size:
                waiting = rng.permutation(used)
            chosen, waiting = waiting[:size], waiting[size:]
            output, embedded = self._network(joined(codes[chosen], there[chosen]), size)
            loss = F.mse_loss(output, targets[chosen])
            gaps = [1 - soft_spearman(norms.abs().sum(dim=1), targets[chosen]) for norms in embedded]
            optimiser.zero_grad()
            (loss + self.weight * torch.stack(gaps).mean()).backward()
            optimiser.step()
        self._network.eval()
        self._take_moments(rows[used], values[used])
        mean = self._mean(rows[held])
        self._intervals = Intervals.of(mean, np.zeros(len(held)), values[held])

    def estimate(self, rows: Rows) -> tuple[Numbers, Numbers]:
        """See `Predictor`."""
        return self._mean(rows), self._intervals.deviation(np.zeros(len(rows)))

    def unit_columns(self) -> dict[str, tuple[int, ...]]:
        """See `ModulePredictor`."""
        return {unit: tuple(self.layers.of_unit(unit)) for unit in self.layers.units}

    def option_scores(self) -> dict[str, dict[str, float]]:
        """Group of features -> option -> its number in the embedding at hop 0: the larger, the more it is worth."""
        self._require_fitted()
        found = {}
        with torch.no_grad():
            for group, (name, embedding) in enumerate(zip(self.layers.groups, self._network.embeddings, strict=True)):
                options = self.layers.options[name]
                numbers = self._network.projections[group](embedding(torch.arange(1, len(options) + 1))).abs()[:, 0]
                found[name] = {str(option): float(number) for option, number in zip(options, numbers, strict=True)}
        return found

    def module_scores(self, unit: str | None = None, most: int = 20_000, among: Rows | None = None) -> list[Module]:
        """The modules of a unit, or of all, best first within each unit.

        A module of n layers is embedded by itself; the norm of its last layer after n - 1 hops, as a standard score among
        the training architectures' layers, is given the mean and deviation of the values of the architectures whose unit has
        n layers. Decisions outside the unit have their last option.

        Args:
            most: larger units are sampled.
            among: architectures (N, D) whose modules are looked at in any case.

        Raises:
            NasError: nothing was learned, or the unit is unknown.
        """
        self._require_fitted()
        if unit is not None and unit not in self.layers.units:
            raise unknown("unit", unit, self.layers.units)
        units = self.layers.units if unit is None else (unit,)
        return [module for name in units for module in self._modules_of(name, most, among)]

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """See `Predictor`."""
        named = {f"network.{name}": tensor.numpy() for name, tensor in self._network.state_dict().items()}
        return {
            **named,
            "hop_moments": self._hop_moments,
            "value_moments": self._value_moments,
            "values": np.array([self._centre, self._unit]),
            "intervals": self._intervals.array,
        }

    def restore(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """See `Predictor`."""
        self._network = self._empty()
        named = {name: torch.from_numpy(array) for name, array in tensors.items() if name.startswith("network.")}
        try:
            self._network.load_state_dict({name.removeprefix("network."): tensor for name, tensor in named.items()})
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        self._network.eval()
        self._hop_moments, self._value_moments = tensors["hop_moments"], tensors["value_moments"]
        self._centre, self._unit = tensors["values"].tolist()
        self._intervals = Intervals.from_array(tensors["intervals"])

    def _require_fitted(self) -> None:
        if not self.fitted:
            raise NasError("this predictor has learned nothing yet; call fit, or load it from a file")

    def _empty(self) -> Network:
        return Network([len(self.layers.options[group]) for group in self.layers.groups], self.hops, self.width)

    @torch.no_grad()
    def _mean(self, rows: Rows) -> Numbers:
        parts = [rows[first : first + AT_ONCE] for first in range(0, len(rows), AT_ONCE)]
        outputs = [self._network(self.layers.nodes(part), len(part))[0].numpy() for part in parts]
        found: Numbers = self._centre + self._unit * np.concatenate(outputs).astype(np.float64)
        return found

    @torch.no_grad()
    def _take_moments(self, rows: Rows, values: Numbers) -> None:
        """Means and deviations: of the layers' norms at each hop (2, hops + 1), and of values (2, units, layers)."""
        nodes = self.layers.nodes(rows)
        norms = torch.stack([state.abs().sum(dim=1) for state in self._network.hops(nodes)]).numpy().astype(np.float64)
        self._hop_moments = np.stack([norms.mean(axis=1), np.maximum(norms.std(axis=1), 1e-12)])
        most = len(self.layers.options["position"])
        counts = np.zeros((len(rows), len(self.layers.units)), dtype=np.int64)
        np.add.at(counts, (nodes.graph, nodes.unit), 1)
        self._value_moments = np.empty((2, len(self.layers.units), most + 1))
        for place, layers in np.ndindex(self._value_moments.shape[1:]):
            of_these = values[counts[:, place] == layers]
            # A number of layers that no training architecture has says nothing: all values stand in for it.
            chosen = of_these if len(of_these) > 1 else values
            self._value_moments[:, place, layers] = chosen.mean(), chosen.std()

    @torch.no_grad()
    def _modules_of(self, unit: str, most: int, among: Rows | None) -> list[Module]:
        decisions = self.layers.decisions
        columns = self.layers.of_unit(unit)
        options = [range(decisions.cardinalities[column]) for column in columns]
        total = math.prod(map(len, options))
        if total <= most:
            codes = np.array(list(itertools.product(*options)), dtype=np.uint8)
        else:
            drawn = generator(self.seed, "autobuild-modules", unit).random((most, len(columns)))
            codes = (drawn * decisions.cardinalities[columns]).astype(np.uint8)
            if among is not None:
                codes = np.concatenate([among[:, columns], codes])
        rows = np.repeat(decisions.largest(), len(codes), axis=0)
        rows[:, columns] = codes
        rows = decisions.canonical(np.asfortranarray(rows))
        rows = np.asfortranarray(rows[np.unique(rows[:, columns], axis=0, return_index=True)[1]])
        nodes = self.layers.nodes(rows, [unit])
        norms = torch.stack([state.abs().sum(dim=1) for state in self._network.hops(nodes)]).numpy().astype(np.float64)
        present, last = np.unique(nodes.graph[::-1], return_index=True)
        last = len(nodes.graph) - 1 - last
        layers = np.bincount(nodes.graph, minlength=len(rows))[present]
        hop = np.minimum(layers - 1, self.hops)
        standard = (norms[hop, last] - self._hop_moments[0, hop]) / self._hop_moments[1, hop]
        mean, deviation = self._value_moments[:, self.layers.units.index(unit), layers]
        scores = standard * deviation + mean
        active = decisions.active(rows)
        found = []
        for place in np.argsort(-scores, kind="stable"):
            row = rows[present[place]]
            named = {
                decisions.names[column]: decisions.choices[column].options[row[column]]
                for column in columns
                if active[present[place], column]
            }
            found.append(Module(unit, int(layers[place]), named, float(scores[place])))
        return found


class Network(nn.Module):
    """FE-MLP, attention along the sequence with batch norm and ReLU, mean over the layers, and the regression head.

    Args:
        options: how many each group of features has.
    """

    def __init__(self, options: Sequence[int], hops: int, width: int) -> None:
        super().__init__()
        sizes = [min(3, count) for count in options]
        self.embeddings = nn.ModuleList(nn.Embedding(1 + count, size) for count, size in zip(options, sizes, strict=True))
        self.projections = nn.ModuleList(nn.Linear(size, 1) for size in sizes)
        widths = [len(options), *[width] * hops]
        self.attentions = nn.ModuleList(Attention(before, width) for before in widths[:-1])
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(hops))
        self.head = nn.Sequential(
            nn.Linear(width, width),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, 1),
        )

    def forward(self, nodes: Nodes, count: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The layers of `count` architectures -> outputs (count,) and the mean embeddings at every hop."""
        graph = torch.from_numpy(nodes.graph)
        sizes = torch.bincount(graph, minlength=count).clamp_min(1)[:, None]
        means = [state.new_zeros(count, state.shape[1]).index_add(0, graph, state) / sizes for state in self.hops(nodes)]
        return self.head(means[-1])[:, 0], means

    def hops(self, nodes: Nodes) -> list[torch.Tensor]:
        """The layers' embeddings (M, width of the hop) after 0, 1, ... hops."""
        codes, previous = torch.from_numpy(nodes.codes), torch.from_numpy(nodes.previous)
        columns = zip(self.embeddings, self.projections, codes.T, strict=True)
        # A layer without a feature of some group has nothing to embed there.
        state = torch.cat([(project(embed(code)) * (code > 0)[:, None]).abs() for embed, project, code in columns], dim=1)
        found = [state]
        for attention, norm in zip(self.attentions, self.norms, strict=True):
            found.append(torch.relu(norm(attention(found[-1], previous))))
        return found


class Attention(nn.Module):
    """GATv2 (Brody et al., How attentive are graph attention networks?, 2022) of one head on a sequence.

    A layer attends to itself and to the layer before it.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.source = nn.Linear(before, after)
        self.target = nn.Linear(before, after)
        self.score = nn.Parameter(torch.empty(after))
        self.bias = nn.Parameter(torch.zeros(after))
        for weight in (self.source.weight, self.target.weight):
            nn.init.xavier_uniform_(weight)
        nn.init.xavier_uniform_(self.score[None])

    def forward(self, state: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
        """State (M, K), previous (M,) with -1 where there is none -> (M, K')."""
        sources: torch.Tensor = self.source(state)
        targets: torch.Tensor = self.target(state)
        before = sources[previous.clamp_min(0)]
        own = F.leaky_relu(sources + targets, LEAK) @ self.score
        other = F.leaky_relu(before + targets, LEAK) @ self.score
        share = torch.where(previous >= 0, torch.sigmoid(other - own), 0.0)[:, None]
        return share * before + (1 - share) * sources + self.bias


def soft_spearman(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Correlation of the soft ranks of scores (N,) with the ranks of targets (N,), equal ones at their mean; differentiable in
    the scores.

    The soft rank of a score is the sum of the sigmoids of its differences to all.
    """
    soft = torch.sigmoid(scores[:, None] - scores).sum(dim=1)
    ranks = (targets[:, None] > targets).sum(dim=1) + 0.5 * (targets[:, None] == targets).sum(dim=1)
    return F.cosine_similarity(soft - soft.mean(), ranks - ranks.mean(), dim=0)
