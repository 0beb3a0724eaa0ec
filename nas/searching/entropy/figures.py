"""The figures that DeepMAD weighs (Shen et al., DeepMAD: Mathematical Architecture Design for Deep CNN, 2023).

A convolution contributes h = log sqrt(f), where f is its fan-in: k^2 times the channels that one output reads. With H_i the sum
over all convolutions up to the end of stage i, L_i their number, C_i the channels and R_i the side of the map that leaves it:

    entropy = sum over i of a_i (log C_i + log R_i^2) H_i,  a = (1, 1, 1, 1, 8)
    effectiveness rho = max over i of L_i / (product of f)^(1 / L_i)
    penalty = 10 exp(standard deviation of the depths of the super-blocks)

The paper writes the variance in the exponent; the authors' code, which made the published networks, takes the standard
deviation. Where blocks have no depthwise convolution, their code leaves the first two super-blocks out of the penalty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.architectures import Decisions
from nas.architectures.decisions import Rows
from nas.choices import Value, evaluate, free_choices
from nas.costs import CompiledCost, Term
from nas.searching.entropy.chain import Chain, Layer

WEIGHTS = np.array([1.0, 1.0, 1.0, 1.0, 8.0])

PENALTY = 10.0

DENSE_LEFT_OUT = 2
"""Super-blocks left out of the penalty, from the first on, in networks without depthwise convolutions."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Figures:
    """Of each row, (N,).

    Attributes:
        entropy: without the penalty.
        effectiveness: rho: how deep the network is for its width.
        penalty: for super-blocks of uneven depth.
    """

    entropy: Floats
    effectiveness: Floats
    penalty: Floats

    @property
    def score(self) -> Floats:
        """What is maximised."""
        return self.entropy - self.penalty


class EntropyOfRows:
    """The figures of architectures as integer rows.

    Args:
        chain: of the space that the decisions belong to.
        penalty: weight of uneven depths.
    """

    def __init__(self, decisions: Decisions, chain: Chain, penalty: float = PENALTY) -> None:
        self.decisions = decisions
        self.penalty = penalty
        self._logs = [CompiledCost(decisions, [_log_term(layer) for layer in stage.layers]) for stage in chain.stages]
        self._layers = [CompiledCost(decisions, [_count_term(layer.count) for layer in stage.layers]) for stage in chain.stages]
        self._outputs = [stage.output[1:] for stage in chain.stages]
        judged = chain.super_blocks if chain.depthwise else chain.super_blocks[DENSE_LEFT_OUT:]
        self._depths = [CompiledCost(decisions, [_count_term(count) for count in block.counts]) for block in judged]

    def __call__(self, rows: Rows) -> Figures:
        """The figures of rows (N, D)."""
        logs = np.cumsum([cost(rows) for cost in self._logs], axis=0)
        layers = np.cumsum([cost(rows) for cost in self._layers], axis=0)
        codes = {name: column.astype(np.int64) for name, column in self.decisions.codes(rows).items()}
        outputs = np.array([sum(_broad(np.log(evaluate(size, codes)), rows) for size in sizes) for sizes in self._outputs])
        with np.errstate(divide="ignore", invalid="ignore"):
            widths = np.exp(2.0 * logs / layers)
            effectiveness = np.where(layers > 0, layers / widths, 0.0).max(axis=0)
        return Figures(WEIGHTS @ (outputs * logs), effectiveness, self._unevenness(rows))

    def _unevenness(self, rows: Rows) -> Floats:
        if not self._depths:
            return np.full(len(rows), self.penalty)
        depths = np.array([cost(rows) for cost in self._depths])
        uneven: Floats = self.penalty * np.exp(depths.std(axis=0))
        return uneven


def _log_term(layer: Layer) -> Term:
    """h of a convolution, as often as it is run."""
    fan_in, count = layer.fan_in, layer.count

    def contribution(codes: Mapping[str, Any]) -> Any:
        return 0.5 * np.log(evaluate(fan_in, codes)) * (evaluate(count, codes) * 1)

    return Term(free_choices(fan_in, count), contribution)


def _count_term(count: Value) -> Term:
    return Term(free_choices(count), lambda codes: evaluate(count, codes) * 1)


def _broad(value: Any, rows: Rows) -> Floats:
    return np.broadcast_to(np.asarray(value, dtype=np.float64), (len(rows),))
