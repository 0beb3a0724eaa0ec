"""Training a supernet: step rules, and the one loop that runs them all."""

from nas.training.description import describe_trainer
from nas.training.logs import Log, open_log, require_log
from nas.training.loop import TrainingResult, train
from nas.training.parallel.processes import Follower
from nas.training.parallel.ranks import Ranks, current_ranks
from nas.training.planning import steps_for_minutes
from nas.training.recipe import Recipe
from nas.training.settling import settle_norms
from nas.training.step import Diverged, Stepper
from nas.training.trainer import Engine, Pass, Phase, StepContext, Trainer, open_trainer, require_fit, require_task
from nas.training.trainers.alone import Alone
from nas.training.trainers.distilled import Distilled

__all__ = [
    "Alone",
    "Distilled",
    "Diverged",
    "Engine",
    "Follower",
    "Log",
    "Pass",
    "Phase",
    "Ranks",
    "Recipe",
    "StepContext",
    "Stepper",
    "Trainer",
    "TrainingResult",
    "current_ranks",
    "describe_trainer",
    "open_log",
    "open_trainer",
    "require_fit",
    "require_log",
    "require_task",
    "settle_norms",
    "steps_for_minutes",
    "train",
]
