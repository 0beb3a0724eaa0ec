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
from nas.runs.setting import Searched, Setting, describe_data
from nas.runs.trained import FORMAT, SupernetFacts, load_trained, locate, read_facts, write_trained
from nas.searching import (
    CandidateEvaluator,
    CandidateTraining,
    Evaluator,
    Reward,
    StudyHistory,
    Trial,
    make_strategy,
    open_strategy,
    search,
)
from nas.searching.driver import Evaluate, Known
from nas.searching.problem import keys
from nas.searching.ranking import ranked
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
        ranked: distinct successful trials, the best first; with several objectives the pick of the front, then the front.
        trials: all successful ones of the search and of random search, whatever their fidelity.
        evaluations: how many the search made, `failures` of which failed.
        baseline: the same for random search with as many evaluations; None where the strategy is random search.
        strategy: its name.
    """

    ranked: list[Trial]
    baseline: list[Trial] | None
    trials: list[Trial]
    evaluations: int
    failures: int
    strategy: str


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
    whole = setting.space.whole
    row = stepper.trainer.derive(whole.decisions)
    derived = None if row is None else dict(whole.decode(np.asfortranarray(row[None]))[0].decisions)
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
    setting: Searched,
    scorer: Evaluate,
    reporter: Reporter,
    baseline: Evaluate | None = None,
    derived: Mapping[str, Option] | None = None,
) -> SearchOutcome:
    """Search with the strategy asked for, then with random search for comparison; goes on where a study stopped.

    Without a strategy asked for, it is `derived` where the training derived an architecture of the space, else `nsga2` for
    several objectives and `evolution` for one.

    Args:
        scorer: evaluates what the strategy proposes.
        baseline: evaluates what random search proposes; the same by default.
        derived: decisions of the architecture at which the training arrived.
    """
    config = setting.config
    problem = setting.problem(derived)
    inside = problem.derived is not None and problem.decisions.contains(problem.derived[None])[0]
    asked = setting.strategy or ("derived" if inside else "evolution")
    scorers = [_rewarded(evaluate, setting.reward) for evaluate in (scorer, baseline or scorer)]
    known: Known = {}
    histories = []
    strategies = [asked] + ["random"] * (asked != "random")
    for study in ("search", "baseline")[: len(strategies)]:
        history = StudyHistory(folder.study, study, setting.space, problem.objectives)
        done = [trial for trial in history.trials if trial.failure is None]
        if done:
            for key, trial in zip(keys(np.stack([t.row for t in done])), done, strict=True):
                known[key, trial.fidelity] = trial.metrics
        histories.append(history)
    titles = (f"search: {asked}", "random search")
    for name, history, title, evaluate in zip(strategies, histories, titles, scorers, strict=False):
        options = config.strategy_options if name == asked else {}
        strategy = make_strategy(name, open_strategy(name), problem, config.seed, options)
        search(strategy, history, evaluate, config.evaluations, reporter, title, known)
    main = histories[0]
    found, *others = (ranked(history.trials, problem.objectives, setting.chosen_by_target) for history in histories)
    if not found:
        raise NasError("the search evaluated nothing successfully; the study in the run's folder holds the reasons")
    failures = sum(trial.failure is not None for trial in main.trials)
    trials = [trial for history in histories for trial in history.trials if trial.failure is None]
    return SearchOutcome(found, others[0] if others else None, trials, len(main), failures, asked)


def _rewarded(evaluate: Evaluate, reward: Reward | None) -> Evaluate:
    """The same evaluation, with the reward among its figures."""
    if reward is None:
        return evaluate
    weigh = reward
    return lambda row, fidelity=1.0: weigh(row, evaluate(row, fidelity=fidelity))
