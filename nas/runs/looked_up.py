"""Searches without training: of results that are known already, or of what zero-cost proxies say of untrained networks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nas.base.errors import NasError
from nas.base.progress import Reporter
from nas.base.seeds import generator
from nas.data import ImageData, load_data
from nas.runs.aims import Searched, checked_strategy, read_aims, read_targets
from nas.runs.config import RunConfig
from nas.runs.measured_part import measured_part
from nas.runs.proxied import ProxiesAsked, open_scorer, proxies_asked, require_usable
from nas.runs.training_options import compute_device
from nas.searching import ArrayHistory, PredictorEvaluator, TableEvaluator
from nas.searching.known_results import open_results
from nas.supernet import Space, Task

UNUSED = ("supernet", "steps", "epochs", "minutes", "executor", "workers", "storage")
"""Options of trainings, which are refused here; those with a default of their own are ignored."""


@dataclass(frozen=True)
class LookedUp(Searched):
    """What a run without training searches.

    Attributes:
        evaluator: stands in for evaluations; None where proxies alone are searched for.
        data: whose images the proxies see; None without proxies.
        seen_at: the task at which proxies score untrained networks, and else that at which counts are taken.
    """

    evaluator: TableEvaluator | PredictorEvaluator | None
    data: ImageData | None
    seen_at: Task


def prepare_lookup(
    config: RunConfig,
    space: Space,
    scores: Path | None = None,
    given: Any = None,
    reporter: Reporter | None = None,
) -> LookedUp:
    """What is searched, and what stands in for evaluations.

    Args:
        scores: the file of what zero-cost proxies said before, where a run goes on.
        given: the data, where they are an object in Python.
        reporter: hears how far the decoding is.

    Raises:
        NasError: whatever is wrong with what was asked.
    """
    checked_strategy(config)
    evaluator = None if config.evaluate is None else open_results(config.evaluate, space.whole)
    measured = () if evaluator is None else evaluator.metrics
    asked = proxies_asked(config, space, measured)
    _require_untrained(config, asked)
    space = measured_part(space, config)
    targets, resolution = read_targets(config, space)
    source = config.data if given is None else given
    data = None
    if asked.names:
        data = load_data(source, resolution=config.resolution, seed=config.seed, reading=config.reading, reporter=reporter)
    task = space.task if evaluator is not None or data is None else _task_of(data)
    deployed = replace(task, resolution=config.deploy_resolution or resolution or space.task.resolution)
    seen = deployed if data is None else _task_of(data)
    space = space.at(seen, deployed)
    objectives, reward, bounds = read_aims(config, space, targets, deployed, measured)
    scorer = open_scorer(asked, config, space, data, compute_device(config.compute), scores)
    setting = LookedUp(config, space, targets, bounds, objectives, reward, deployed, asked, scorer, evaluator, data, seen)
    if isinstance(evaluator, TableEvaluator):
        evaluator.require_covering(setting.problem(), generator(config.seed, "coverage"))
    require_usable(scorer, asked, setting.problem(), space, config.seed)
    if config.strategy is not None:
        _require_whole(setting, config.strategy)
    return setting


def digest(path: str | Path) -> str:
    """Changes with any byte of a file. Raises NasError when it cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise NasError(f"{path} cannot be read: {error.strerror}") from error


def _require_whole(setting: LookedUp, strategy: str) -> None:
    """Refuse options that the strategy does not take, and strategies that ask for parts of evaluations."""
    problem = setting.problem()
    if setting.opened(strategy, problem).fidelity(ArrayHistory(len(problem.decisions), problem.objectives)) < 1:
        raise NasError(
            f"strategy '{strategy}' begins with parts of evaluations, and nothing is evaluated here: tables, predictors "
            "and zero-cost proxies have one result for each architecture; use another one, such as --strategy evolution"
        )


def _require_untrained(config: RunConfig, asked: ProxiesAsked) -> None:
    """Refuse options of trainings."""
    unused = (*UNUSED, *(("resolution",) if not asked.names else ()))
    given = next((name for name in unused if getattr(config, name) is not None), None)
    if given is None:
        return
    if config.evaluate is not None:
        raise NasError(f"--evaluate looks results up and trains nothing; leave out --{given}")
    names = " and ".join(asked.objectives)
    raise NasError(
        f"{names} needs no trained network; leave out --{given}, or name what a trained one has, too: --objective top1"
    )


def _task_of(data: ImageData) -> Task:
    return Task(data.channels, data.resolution, len(data.classes))
