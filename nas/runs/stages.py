"""The stages of a run. Each does what is left of its work and finds what an earlier process finished."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from nas.base.errors import NasError
from nas.base.progress import Reporter
from nas.choices import Option
from nas.data import Batch, fixed_batches
from nas.runs.folder import RunFolder
from nas.runs.setting import Setting, describe_data
from nas.runs.trained import FORMAT, SupernetFacts, load_trained, locate, read_facts, write_trained
from nas.searching import CandidateEvaluator, CandidateTraining, Evaluator, Scorer, StudyHistory, Trial, open_strategy, search
from nas.searching.problem import keys
from nas.supernet import SeparateSpace, Supernet
from nas.training import Follower, current_ranks, open_log, train

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
        strategy: its name.
        scorer: scores further architectures the same way, and gives their networks.
    """

    ranked: list[Trial]
    baseline: list[Trial] | None
    failures: int
    strategy: str
    scorer: Scorer


def train_stage(folder: RunFolder, setting: Setting, steps: int, reporter: Reporter) -> Trained:
    """Train the supernet, or load the finished one; goes on from the checkpoint of an interrupted training.

    Of several processes that train together the first one calls this, and the others `follow_stage`.
    """
    config = setting.config
    source = folder.supernet if config.supernet is None else Path(config.supernet)
    trained = current_ranks().share(lambda: config.supernet is not None or (folder.supernet / "supernet.json").exists())
    if trained:
        facts = read_facts(source)
        facts.require(setting.space.name)
        supernet = setting.supernet()
        load_trained(locate(source), supernet)
        return Trained(supernet, facts)
    stepper = setting.stepper(steps)
    result = train(stepper, folder.checkpoint, reporter, open_log(config.log, folder.logs))
    row = stepper.trainer.derive(setting.space.decisions)
    derived = None if row is None else dict(setting.space.decode(np.asfortranarray(row[None]))[0].decisions)
    facts = SupernetFacts(
        format=FORMAT,
        space=setting.space.name,
        trainer=config.trainer,
        recipe=setting.recipe.model_dump(),
        data=describe_data(setting.data),
        seed=config.seed,
        metrics={"steps": steps, "seconds": round(result.seconds, 1), "last_loss": result.losses[-1]},
        derived=derived,
    )
    write_trained(folder.supernet, stepper.supernet, facts)
    folder.checkpoint.unlink(missing_ok=True)
    return Trained(stepper.supernet, facts)


def follow_stage(setting: Setting, steps: int) -> NoReturn:
    """Take part in what the first process does in `train_stage`; ends this process, since the rest is the first one's work."""

    def told() -> bool:
        raise RuntimeError("the first process of a training calls train_stage")

    if not current_ranks().share(told):
        train(setting.stepper(steps))
    raise Follower


def supernet_scorer(setting: Setting, trained: Trained) -> Evaluator:
    """Scores sub-networks with the trained supernet's weights."""
    return Evaluator(
        trained.supernet,
        fixed_batches(setting.data, "train", EVALUATION_BATCH, setting.config.calibration_images),
        _validation(setting),
    )


def candidate_scorer(folder: RunFolder, setting: Setting, steps: int, keep: bool = True) -> CandidateEvaluator:
    """Trains each candidate from scratch; `keep` keeps the best one's weights."""
    config = setting.config
    assert isinstance(setting.space, SeparateSpace)
    training = CandidateTraining(
        setting.space,
        setting.trained_at,
        setting.batches(),
        setting.recipe,
        steps,
        config.seed,
        config.precision,
        setting.compute,
    )
    return CandidateEvaluator(training, _validation(setting), folder.candidates, keep)


def _validation(setting: Setting) -> Iterator[Batch]:
    return fixed_batches(setting.data, "validation", EVALUATION_BATCH, setting.config.validation_images)


def search_stage(
    folder: RunFolder,
    setting: Setting,
    scorer: Scorer,
    reporter: Reporter,
    baseline: Scorer | None = None,
    derived: Mapping[str, Option] | None = None,
) -> SearchOutcome:
    """Search with the strategy asked for, then with random search for comparison; goes on where a study stopped.

    Without a strategy asked for, it is `derived` where the training derived an architecture, else `evolution`.

    Args:
        scorer: evaluates what the strategy proposes.
        baseline: evaluates what random search proposes; the same by default.
        derived: decisions of the architecture at which the training arrived.
    """
    config = setting.config
    asked = config.strategy or ("evolution" if derived is None else "derived")
    problem = setting.problem(derived)
    scorers = (scorer, baseline or scorer)
    known: dict[bytes, Mapping[str, float]] = {}
    histories = []
    strategies = [asked] + ["random"] * (asked != "random")
    for study in ("search", "baseline")[: len(strategies)]:
        history = StudyHistory(folder.study, study, setting.space)
        done = [trial for trial in history.trials if trial.failure is None]
        if done:
            known.update(zip(keys(np.stack([t.row for t in done])), (t.metrics for t in done), strict=True))
        histories.append(history)
    titles = (f"search: {asked}", "random search")
    for name, history, title, evaluate in zip(strategies, histories, titles, scorers, strict=False):
        strategy = open_strategy(name)(problem, config.seed)
        search(strategy, history, evaluate, config.evaluations, reporter, title, known)
    main, *rest = histories
    ranked = rank(main.trials)
    if not ranked:
        raise NasError("the search evaluated nothing successfully; the study in the run's folder holds the reasons")
    failures = sum(trial.failure is not None for trial in main.trials)
    return SearchOutcome(ranked, rank(rest[0].trials) if rest else None, failures, asked, scorer)


def rank(trials: list[Trial]) -> list[Trial]:
    """Successful trials, the most accurate first; among equals the one with the lower validation loss, then the earlier."""
    done = [trial for trial in trials if trial.failure is None]
    return sorted(done, key=lambda trial: (-trial.metrics["top1"], trial.metrics["loss"]))
