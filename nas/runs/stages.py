"""The stages of a run. Each does what is left of its work and finds what an earlier process finished."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from nas.base.progress import Reporter
from nas.data import Batch, fixed_batches
from nas.runs.curve import curve_of, write_curve
from nas.runs.folder import RunFolder
from nas.runs.setting import Setting, describe_data
from nas.runs.trained import FORMAT, SupernetFacts, load_trained, locate, read_facts, write_trained
from nas.searching import CandidateEvaluator, CandidateTraining, Evaluator
from nas.supernet import SeparateSpace, Supernet
from nas.training import Follower, current_ranks, open_log, train

EVALUATION_BATCH = 128


@dataclass(frozen=True)
class Trained:
    """A trained supernet and what is known of it."""

    supernet: Supernet
    facts: SupernetFacts


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
    phases = stepper.trainer.phases(steps, setting.recipe)
    write_curve(folder.supernet, curve_of(result.losses, steps, phases))
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
        setting.data.task,
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
