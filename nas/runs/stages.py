"""The stages of a run. Each does what is left of its work and finds what an earlier process finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas.base.errors import NasError
from nas.base.progress import Reporter
from nas.data import fixed_batches
from nas.runs.folder import RunFolder
from nas.runs.setting import Setting, describe_data
from nas.runs.trained import FORMAT, SupernetFacts, load_trained, locate, read_facts, write_trained
from nas.searching import Evaluator, StudyHistory, Trial, open_strategy, search
from nas.searching.problem import keys
from nas.supernet import Supernet
from nas.training import train

EVALUATION_BATCH = 128


@dataclass(frozen=True)
class Trained:
    """A trained supernet and what is known of it."""

    supernet: Supernet
    facts: SupernetFacts


@dataclass(frozen=True)
class SearchOutcome:
    """What a search found.

    Attributes:
        ranked: distinct successful trials, the best first.
        baseline: the same for random search with as many evaluations; None where the strategy is random search.
        evaluator: scores further architectures the same way.
    """

    ranked: list[Trial]
    baseline: list[Trial] | None
    failures: int
    evaluator: Evaluator


def train_stage(folder: RunFolder, setting: Setting, steps: int, reporter: Reporter) -> Trained:
    """Train the supernet, or load the finished one; goes on from the checkpoint of an interrupted training."""
    config = setting.config
    source = folder.supernet if config.supernet is None else Path(config.supernet)
    if config.supernet is not None or (folder.supernet / "supernet.json").exists():
        facts = read_facts(source)
        facts.require(setting.space.name)
        supernet = setting.supernet()
        load_trained(locate(source), supernet)
        return Trained(supernet, facts)
    stepper = setting.stepper(steps)
    result = train(stepper, folder.checkpoint, reporter)
    facts = SupernetFacts(
        format=FORMAT,
        space=setting.space.name,
        trainer=config.trainer,
        recipe=setting.recipe.model_dump(),
        data=describe_data(setting.data),
        seed=config.seed,
        metrics={"steps": steps, "seconds": round(result.seconds, 1), "last_loss": result.losses[-1]},
    )
    write_trained(folder.supernet, stepper.supernet, facts)
    folder.checkpoint.unlink(missing_ok=True)
    return Trained(stepper.supernet, facts)


def search_stage(folder: RunFolder, setting: Setting, trained: Trained, reporter: Reporter) -> SearchOutcome:
    """Search with the strategy asked for, then with random search for comparison; goes on where a study stopped."""
    config = setting.config
    evaluator = Evaluator(
        trained.supernet,
        fixed_batches(setting.data, "train", EVALUATION_BATCH, config.calibration_images),
        fixed_batches(setting.data, "validation", EVALUATION_BATCH, config.validation_images),
    )
    known: dict[bytes, Mapping[str, float]] = {}
    histories = []
    strategies = [config.strategy] + ["random"] * (config.strategy != "random")
    for study in ("search", "baseline")[: len(strategies)]:
        history = StudyHistory(folder.study, study, setting.space)
        done = [trial for trial in history.trials if trial.failure is None]
        if done:
            known.update(zip(keys(np.stack([t.row for t in done])), (t.metrics for t in done), strict=True))
        histories.append(history)
    for name, history, title in zip(strategies, histories, (f"search: {config.strategy}", "random search"), strict=False):
        strategy = open_strategy(name)(setting.problem, config.seed)
        search(strategy, history, evaluator, config.evaluations, reporter, title, known)
    main, *rest = histories
    ranked = rank(main.trials)
    if not ranked:
        raise NasError("the search evaluated nothing successfully; the study in the run's folder holds the reasons")
    failures = sum(trial.failure is not None for trial in main.trials)
    return SearchOutcome(ranked, rank(rest[0].trials) if rest else None, failures, evaluator)


def rank(trials: list[Trial]) -> list[Trial]:
    """Successful trials, the most accurate first; among equals the one with the lower validation loss, then the earlier."""
    done = [trial for trial in trials if trial.failure is None]
    return sorted(done, key=lambda trial: (-trial.metrics["top1"], trial.metrics["loss"]))
