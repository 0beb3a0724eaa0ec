"""Everything a run needs, worked out from what was asked, before any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from nas.architectures import Bound, sample_bounded
from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.choices import Option
from nas.data import Augmentation, ImageData, TrainingBatches, load_data
from nas.predicting import ProxyScorer
from nas.runs.config import RunConfig
from nas.runs.proxied import ProxiesAsked, open_scorer, proxies_asked, require_usable, scores_of
from nas.runs.trained import SupernetFacts, read_facts
from nas.searching import (
    Objective,
    Problem,
    Reward,
    Target,
    checked_options,
    make_strategy,
    open_strategy,
    parse_objective,
    parse_reward,
    parse_target,
)
from nas.searching.objectives import SCORED, default_objective, limited
from nas.supernet import Space, Supernet, Task, open_space
from nas.supernet.separate import no_supernet
from nas.training import Recipe, Stepper, current_ranks, open_trainer, require_fit, require_log, steps_for_minutes

EMBEDDED_EPOCHS = 30.0
"""Training of the embedded digits when no budget is given: enough to tell good networks from bad ones in a minute or two.
The trainers' own defaults are for data sets a hundred times that size."""

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

    @property
    def chosen_by_target(self) -> bool:
        """Whether a target bounds an objective beside the first, so that it and not the knee picks from the front."""
        bounded = {target.metric for target in self.targets}
        return any(objective.name in bounded for objective in self.objectives[1:])


@dataclass(frozen=True)
class Setting(Searched):
    """The parts of a run that trains.

    Attributes:
        trained_at: the task the supernet is trained for.
        recipe: the trainer's defaults with what was asked.
        augmentation: of the training images.
    """

    trained_at: Task
    data: ImageData
    recipe: Recipe
    augmentation: Augmentation
    compute: torch.device

    def supernet(self) -> Supernet:
        """A fresh supernet of the whole space for the task it is trained at, laid out as in training."""
        task = self.trained_at
        supernet = self.space.whole.supernet(task.channels, task.resolution, task.classes, self.config.seed).to(self.compute)
        return supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def stepper(self, steps: int) -> Stepper:
        """A fresh training of a fresh supernet."""
        return Stepper(
            self.supernet(),
            open_trainer(self.config.trainer),
            self.batches(),
            self.recipe,
            steps,
            self.config.seed,
            self.config.precision,
            self.batches(held=True) if self.recipe.architecture_share else None,
            current_ranks(),
        )

    def batches(self, held: bool = False) -> TrainingBatches:
        """Batches for the weights, or those held for architecture parameters; this process's part of them."""
        weights = 1.0 - self.recipe.architecture_share
        share = (weights, 1.0) if held else (0.0, weights)
        ranks = current_ranks()
        part = (ranks.rank, ranks.size)
        return TrainingBatches(self.data, self.recipe.batch_size, self.config.seed, self.augmentation, share, part)


def prepare(config: RunConfig, space: Space | None = None, scores: Path | None = None) -> Setting:
    """Resolve names, read the data, and make sure that the targets can be met.

    Args:
        space: the object that the configuration names; opened by the name where it is not given.
        scores: the file of what zero-cost proxies said before, where a run goes on.

    Names, targets and their feasibility come first, so that a mistake is told before data is read.

    Raises:
        NasError: whatever is wrong with what was asked.
    """
    space = space or open_space(config.space)
    trainer = open_trainer(config.trainer)
    checked_strategy(config)
    asked = proxies_asked(config, space)
    require_log(config.log)
    if space.separate:
        _require_separate(space, config)
    recipe = trainer.defaults.changed(space.recipe).changed(config.settings)
    if not space.separate and config.supernet is None:
        require_fit(config.trainer, trainer, space.whole, recipe)
    compute = compute_device(config.compute)
    targets, resolution = read_targets(config, space)
    facts = read_facts(Path(config.supernet)) if config.supernet is not None else None
    data = _data(config, space, facts)
    trained_at = Task(data.channels, data.resolution, len(data.classes))
    deployed = config.deploy_resolution or resolution or space.task.resolution
    deployed_at = replace(trained_at, resolution=deployed)
    space = space.at(trained_at, deployed_at)
    for target in targets:
        if space.device_of(target.metric) is None:
            require_possible(space, target, deployed_at, config)
    objectives, reward = read_objectives(config, space, targets, deployed_at)
    bounding = targets if reward is None else targets[1:]
    bounds = tuple(target.bound(space, deployed_at) for target in bounding)
    if bounds:
        sample_bounded(space.decisions, generator(config.seed, "feasibility"), 1, bounds)
    augmentation = replace(
        data.augmentation,
        cutout=config.cutout,
        mixup=config.mixup,
        cutmix=config.cutmix,
        randaugment=config.randaugment,
    )
    augmentation.check(data.resolution)
    setting = Setting(
        config,
        space,
        targets,
        bounds,
        objectives,
        reward,
        deployed_at,
        asked,
        open_scorer(asked, config, space, data, compute, scores),
        trained_at,
        data,
        recipe,
        augmentation,
        compute,
    )
    require_usable(setting.proxies, asked, setting.problem(), space, config.seed)
    if config.strategy is not None:
        # Refuses a space that the strategy cannot search, before anything is trained.
        make_strategy(config.strategy, open_strategy(config.strategy), setting.problem(), config.seed, config.strategy_options)
    if facts is None:
        # Refuses a batch that is larger than the training data.
        setting.batches()
        if recipe.architecture_share:
            setting.batches(held=True)
    return setting


def planned_steps(setting: Setting) -> int:
    """How many training steps the budget comes to, for each candidate where they are trained one by one; 0 where a trained
    supernet is used."""
    config = setting.config
    if config.supernet is not None:
        return 0
    if config.steps is not None:
        return config.steps
    if config.minutes is not None:
        return steps_for_minutes(config.minutes, setting.stepper(steps=1_000_000))
    embedded = config.data == "digits" and not setting.space.separate
    epochs = config.epochs or (EMBEDDED_EPOCHS if embedded else setting.recipe.epochs)
    return max(1, round(epochs * setting.batches().steps_per_epoch))


def describe_data(data: ImageData) -> dict[str, Any]:
    """What the manifest and the exported model say of the data."""
    return {
        "name": data.name,
        "source": data.source,
        "fingerprint": data.fingerprint,
        "classes": list(data.classes),
        "channels": data.channels,
        "resolution": data.resolution,
        "images": {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)},
        "mean": list(data.mean),
        "std": list(data.std),
        "note": data.note,
    }


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
        require_possible(space, target, asked, config)
    tables = [space.task_of(target.metric).resolution for target in tabled]
    if len(set(tables)) > 1 and config.deploy_resolution is None:
        raise NasError(f"the targets' tables were measured at different resolutions: {sorted(set(tables))} px")
    return targets, next(iter(tables), None)


def read_objectives(
    config: RunConfig,
    space: Space,
    targets: tuple[Target, ...],
    deployed_at: Task,
    measured: tuple[str, ...] = tuple(SCORED),
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
    return objectives, Reward(name, targets[0].bound(space, deployed_at), weight)


def _require_separate(space: Space, config: RunConfig) -> None:
    """Refuse what only makes sense for a supernet."""
    if config.supernet is not None:
        raise no_supernet(space)
    if config.trainer != RunConfig.model_fields["trainer"].default:
        raise NasError(
            f"space '{space.name}' trains its networks one by one, and trainer '{config.trainer}' is for supernets; leave out "
            "--trainer, and change figures of the training with --set"
        )
    if config.log != "none" or current_ranks().size > 1:
        option = "--log" if config.log != "none" else "several processes"
        raise NasError(f"space '{space.name}' trains its networks one by one, and {option} are for supernets; leave them out")
    if config.minutes is not None:
        raise NasError(
            f"space '{space.name}' trains its networks one by one, each for the same number of steps; give --steps or --epochs "
            "(for each candidate) instead of --minutes"
        )


def require_possible(space: Space, target: Target, task: Task | None, config: RunConfig) -> None:
    """Refuse a target below the space's minimum, with the figures that a user needs to choose another."""
    cost = space.compiled(target.metric, task)
    least = cost.minimum()
    if least > target.limit:
        values = cost(space.decisions.sample(generator(config.seed, "feasibility"), space.decisions.typical))
        low, middle, high = (target.quantity.format(float(v)) for v in (least, _median(values), values.max()))
        raise NasError(
            f"no network of space '{space.name}' keeps {target}: its minimum is {low} (median of random networks "
            f"{middle}, maximum of {len(values)} {high}); ask for at least {low}"
        )


def _median(values: Sequence[float] | Any) -> float:
    return float(sorted(values)[len(values) // 2])


def _data(config: RunConfig, space: Space, facts: SupernetFacts | None) -> ImageData:
    """The data; with a trained supernet, in the splits it was trained on, so that no image it learnt is validated on."""
    if facts is None:
        return load_data(config.data, resolution=config.resolution, seed=config.seed)
    facts.require(space.name)
    data = load_data(config.data, resolution=config.resolution or facts.data["resolution"], seed=facts.seed)
    if data.fingerprint != facts.data["fingerprint"]:
        raise NasError(
            f"supernet {config.supernet} was trained on '{facts.data['name']}' ({facts.data['source']}); the data given, "
            f"'{data.name}', is not the same: use the same --data, or train a supernet on this one"
        )
    return data


def compute_device(name: str) -> torch.device:
    """The device for 'auto', 'cpu' or 'cuda'. Raises NasError where there is no CUDA device."""
    if name == "cuda" and not torch.cuda.is_available():
        raise NasError("--compute cuda was asked, and torch finds no CUDA device here; use --compute cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
