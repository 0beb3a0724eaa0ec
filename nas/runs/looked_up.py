"""Searches of results that are known already: nothing is trained, and no images are read."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from nas.architectures import sample_bounded
from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.runs.config import RunConfig
from nas.runs.setting import Searched, checked_strategy, read_objectives, read_targets, require_possible
from nas.searching import PredictorEvaluator, TableEvaluator
from nas.searching.known_results import open_results
from nas.supernet import Space

UNUSED = ("supernet", "steps", "epochs", "minutes", "resolution")
"""Options of trainings, which are refused here; those with a default of their own are ignored."""


def prepare_lookup(config: RunConfig, space: Space) -> tuple[Searched, TableEvaluator | PredictorEvaluator]:
    """What is searched, and what stands in for evaluations.

    Raises:
        NasError: whatever is wrong with what was asked.
    """
    assert config.evaluate is not None
    for name in UNUSED:
        if getattr(config, name) is not None:
            raise NasError(f"--evaluate looks results up and trains nothing; leave out --{name}")
    checked_strategy(config)
    evaluator = open_results(config.evaluate, space.whole)
    targets, resolution = read_targets(config, space)
    task = replace(space.task, resolution=config.deploy_resolution or resolution or space.task.resolution)
    space = space.at(task)
    for target in targets:
        if space.device_of(target.metric) is None:
            require_possible(space, target, task, config)
    objectives, reward = read_objectives(config, space, targets, task, evaluator.metrics)
    bounds = tuple(target.bound(space, task) for target in (targets if reward is None else targets[1:]))
    setting = Searched(config, space, targets, bounds, objectives, reward, task)
    if bounds:
        sample_bounded(space.decisions, generator(config.seed, "feasibility"), 1, bounds)
    if isinstance(evaluator, TableEvaluator):
        evaluator.require_covering(setting.problem(), generator(config.seed, "coverage"))
    return setting, evaluator


def digest(path: str | Path) -> str:
    """Changes with any byte of a file. Raises NasError when it cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise NasError(f"{path} cannot be read: {error.strerror}") from error
