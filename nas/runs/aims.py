"""What a run searches, worked out from what was asked: targets, bounds, objectives and the strategy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from nas.architectures import Bound, sample_bounded
from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.choices import Option
from nas.costs import RowCost
from nas.data.tasks import METRICS
from nas.predicting import ProxyScorer
from nas.runs.config import RunConfig
from nas.runs.proxied import ProxiesAsked, scores_of
from nas.searching import (
    Objective,
    Problem,
    Reward,
    Strategy,
    Target,
    checked_options,
    make_strategy,
    open_strategy,
    parse_objective,
    parse_reward,
    parse_target,
)
from nas.searching.objectives import default_objective, limited
from nas.searching.problem import OF_CLASSES, TOP1
from nas.supernet import Space, Task

ENOUGH = 20
"""Evaluations from which a search follows a predictor if nothing else is asked for. The first ten are random, and fewer than as
many again would be too few to gain by what was learned from them."""


@dataclass(frozen=True)
class Searched:
    """What a run searches.

    Attributes:
        objectives: what is searched for; what the reward weighs, where one was asked for.
        reward: makes one figure of the accuracy and the first target, which then is no bound.
        deployed_at: the task at which counts (multiply-adds, parameters, memory) are taken.
        asked: what zero-cost proxies are to do.
        proxies: scores them; None where none is asked for.
    """

    config: RunConfig
    space: Space
    targets: tuple[Target, ...]
    bounds: tuple[Bound, ...]
    objectives: tuple[Objective, ...]
    reward: Reward | None
    deployed_at: Task
    asked: ProxiesAsked
    proxies: ProxyScorer | None

    def problem(self, derived: Mapping[str, Option] | None = None) -> Problem:
        """What is searched, with the architecture that the training derived, if any."""
        whole = self.space.whole
        row = None if derived is None else whole.encode([whole.validate(derived)])[0]
        space, objectives = self.space, self.objectives if self.reward is None else (self.reward.objective,)
        dimensions = None if space.separate else space.dimensions
        operators = partial(space.counting_walk, self.deployed_at)
        proxies = scores_of(self.proxies)
        return Problem(space.decisions, self.bounds, objectives, row, space.encoding, dimensions, operators, proxies)

    @property
    def accuracy(self) -> Objective:
        """How good a network is, where that is not among the objectives."""
        return TOP1

    def strategy(self, derived: bool = False) -> str:
        """The strategy: the one asked for; else `nsga2` for several objectives, `derived` where the training derived an
        architecture, and `predictor`, or `evolution` where so few evaluations are asked for that none could learn from them."""
        if self.config.strategy is not None:
            return self.config.strategy
        if self.reward is None and len(self.objectives) > 1:
            return "nsga2"
        if derived:
            return "derived"
        return "predictor" if self.config.evaluations >= ENOUGH else "evolution"

    def opened(self, name: str, problem: Problem) -> Strategy:
        """The strategy of that name with the options asked for. Raises NasError where it cannot search the problem."""
        return make_strategy(name, open_strategy(name), problem, self.config.seed, self.config.strategy_options)

    @property
    def plotted(self) -> dict[str, RowCost]:
        """What every evaluated architecture is shown with besides what its evaluation found: the costs that targets bound and
        objectives name, multiply-adds and parameters."""
        named = [target.metric for target in self.targets] + [one.name for one in self.objectives if one.cheap]
        names = dict.fromkeys([*named, "macs", "params"])
        return {name: self.space.compiled(name, self.deployed_at) for name in names}

    @property
    def chosen_by_target(self) -> bool:
        """Whether a target bounds an objective beside the first, so that it and not the knee picks from the front."""
        bounded = {target.metric for target in self.targets}
        return any(objective.name in bounded for objective in self.objectives[1:])


def checked_strategy(config: RunConfig) -> None:
    """Refuse a strategy, or an option of it, that there is not."""
    if config.strategy is not None:
        checked_options(config.strategy, open_strategy(config.strategy), config.strategy_options)
    elif config.strategy_options:
        raise NasError("--strategy-set changes a strategy that is named with --strategy; name it, too")


def read_targets(config: RunConfig, space: Space) -> tuple[tuple[Target, ...], int | None]:
    """The targets, and the resolution of the device tables behind them; None without any.

    Raises:
        NasError: a target is wrong or given twice, a table's cannot be met, or tables differ in their resolution.
    """
    targets = tuple(parse_target(text, space) for text in config.targets)
    repeated = [target.metric for target in targets if sum(t.metric == target.metric for t in targets) > 1]
    if repeated:
        raise NasError(f"{repeated[0]} is bounded twice; give each target once")
    tabled = [target for target in targets if space.device_of(target.metric) is not None]
    asked = None if config.deploy_resolution is None else Task(resolution=config.deploy_resolution)
    for target in tabled:
        _require_possible(space, target, asked, config)
    tables = [space.task_of(target.metric, asked).resolution for target in tabled]
    if len(set(tables)) > 1 and config.deploy_resolution is None:
        raise NasError(f"the targets' tables were measured at different resolutions: {sorted(set(tables))} px")
    return targets, next(iter(tables), None)


def read_aims(
    config: RunConfig,
    space: Space,
    targets: tuple[Target, ...],
    deployed_at: Task,
    measured: tuple[str, ...] = OF_CLASSES,
) -> tuple[tuple[Objective, ...], Reward | None, tuple[Bound, ...]]:
    """The objectives, the reward that weighs them, and the bounds.

    Args:
        targets: those of tables are known to be possible; see `read_targets`.
        deployed_at: the task at which counts are taken.
        measured: what an evaluation finds.

    Raises:
        NasError: a target or an objective cannot be met, or no network keeps all bounds together.
    """
    for target in targets:
        if space.device_of(target.metric) is None:
            _require_possible(space, target, deployed_at, config)
    objectives, reward = _read_objectives(config, space, targets, deployed_at, measured)
    bounds = tuple(target.bound(space, deployed_at) for target in (targets if reward is None else targets[1:]))
    if bounds:
        sample_bounded(space.decisions, generator(config.seed, "feasibility"), 1, bounds)
    return objectives, reward, bounds


def _read_objectives(
    config: RunConfig,
    space: Space,
    targets: tuple[Target, ...],
    deployed_at: Task,
    measured: tuple[str, ...] = OF_CLASSES,
) -> tuple[tuple[Objective, ...], Reward | None]:
    """The objectives that were asked for, with the limits of the targets, and the reward that weighs them.

    Args:
        measured: what an evaluation finds.
    """
    named = config.objectives or (default_objective(measured),)
    objectives = limited(tuple(parse_objective(text, space, deployed_at, measured) for text in named), targets)
    if all(objective.cheap for objective in objectives):
        raise NasError(
            f"{' and '.join(one.name for one in objectives)} need no evaluation, only to be computed; name what an evaluation "
            f"finds, too: {', '.join(measured)}"
        )
    Problem(space.decisions, objectives=objectives)
    if config.reward is None:
        return objectives, None
    name, weight = parse_reward(config.reward)
    if config.objectives:
        raise NasError(f"--reward {name} makes one figure of accuracy and cost; leave out --objective, or leave out --reward")
    if not targets:
        raise NasError(f"--reward {name} weighs the accuracy against a cost; give its target, such as --target macs=300M")
    metric = METRICS.get(objectives[0].name)
    if metric is None or not metric.percent:
        raise NasError(
            f"--reward {name} weighs an accuracy in percent against a cost; {objectives[0].name} is none: leave it out"
        )
    return objectives, Reward(name, targets[0].bound(space, deployed_at), weight, metric.name)


def _require_possible(space: Space, target: Target, task: Task | None, config: RunConfig) -> None:
    """Refuse a target below the space's minimum, with the figures that a user needs to choose another."""
    cost = space.compiled(target.metric, task)
    least = cost.minimum()
    if least > target.limit:
        values = cost(space.decisions.sample(generator(config.seed, "feasibility"), space.decisions.typical))
        low, middle, high = (target.quantity.format(float(v)) for v in (least, np.sort(values)[len(values) // 2], values.max()))
        tabled = space.device_of(target.metric) is not None
        partly = ", what the table lacks being estimated" if config.allow_estimates and tabled else ""
        raise NasError(
            f"no network of space '{space.name}' keeps {target}: its minimum is {low}{partly} (median of random networks "
            f"{middle}, maximum of {len(values)} {high}); ask for at least {low}"
        )
