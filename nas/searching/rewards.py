"""Accuracy and cost as one figure: the rewards of MnasNet and TuNAS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from nas.architectures import Bound
from nas.base.errors import NasError, unknown
from nas.searching.problem import TOP1, Objective

Formula = Callable[[float, float, float], float]
"""(accuracy in percent, cost divided by its target, weight) -> reward."""


def _soft(accuracy: float, ratio: float, weight: float) -> float:
    return float(accuracy * ratio**weight)


def _hard(accuracy: float, ratio: float, weight: float) -> float:
    return float(accuracy * max(ratio, 1.0) ** weight)


def _absolute(accuracy: float, ratio: float, weight: float) -> float:
    return accuracy + 100.0 * weight * abs(ratio - 1.0)


def _one_sided(accuracy: float, ratio: float, weight: float) -> float:
    return accuracy + 100.0 * weight * (max(ratio, 1.0) - 1.0)


@dataclass(frozen=True)
class RewardKind:
    """A published way of weighing cost against accuracy.

    Attributes:
        formula: see `Formula`.
        weight: the paper's; below 0, since a cost above the target is to lower the reward.
    """

    formula: Formula
    weight: float
    summary: str


REWARDS: Mapping[str, RewardKind] = {
    "mnasnet-soft": RewardKind(_soft, -0.07, "accuracy x (cost / target)^weight; Tan et al., MnasNet, 2019"),
    "mnasnet-hard": RewardKind(_hard, -1.0, "the same above the target, plain accuracy below it; Tan et al., MnasNet, 2019"),
    "tunas": RewardKind(_absolute, -0.07, "accuracy + weight x |cost / target - 1|; Bender et al., TuNAS, 2020"),
    "tunas-one-sided": RewardKind(_one_sided, -0.07, "the same above the target, plain accuracy below it"),
}
"""Accuracies are in percent here and shares of 1 in the papers, so that TuNAS's term is multiplied by 100."""


@dataclass(frozen=True)
class Reward:
    """Accuracy weighed against one cost.

    Attributes:
        target: gives the cost of rows and the figure that it is compared with; it bounds nothing here.
        metric: the accuracy, a figure in percent.
    """

    name: str
    target: Bound
    weight: float
    metric: str = TOP1.name

    @property
    def objective(self) -> Objective:
        """What is maximised in the place of the accuracy."""
        return Objective(self.name, "maximize", show="{:.2f}".format)

    def __call__(self, row: np.ndarray, metrics: Mapping[str, float]) -> dict[str, float]:
        """The metrics of an architecture, and its reward under the reward's name."""
        cost = float(self.target.measure(np.asfortranarray(row[None]))[0])
        reward = REWARDS[self.name].formula(metrics[self.metric], cost / self.target.limit, self.weight)
        return {**metrics, self.name: reward}


def parse_reward(text: str) -> tuple[str, float]:
    """Read 'mnasnet-soft', or 'mnasnet-soft:-0.1' with another weight.

    Returns:
        The name and the weight.

    Raises:
        NasError: no such reward, or a weight that is not below 0.
    """
    name, given, weight = text.partition(":")
    if name not in REWARDS:
        raise unknown("reward", name, REWARDS)
    if not given:
        return name, REWARDS[name].weight
    try:
        number = float(weight)
    except ValueError:
        number = np.nan
    if not -np.inf < number < 0.0:
        raise NasError(
            f"the weight of a reward is a number below 0, so that costs above the target lower it; given '{weight}': write for "
            f"example {name}:{REWARDS[name].weight:g}"
        )
    return name, number
