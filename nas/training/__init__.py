"""Training a supernet: step rules, and the one loop that runs them all."""

from nas.training.loop import TrainingResult, train
from nas.training.planning import steps_for_minutes
from nas.training.ranks import Ranks, current_ranks
from nas.training.recipe import Recipe
from nas.training.step import Diverged, Stepper
from nas.training.trainer import Engine, Pass, Phase, StepContext, Trainer, open_trainer, require_fit
from nas.training.trainers.alone import Alone

__all__ = [
    "Alone",
    "Diverged",
    "Engine",
    "Pass",
    "Phase",
    "Ranks",
    "Recipe",
    "StepContext",
    "Stepper",
    "Trainer",
    "TrainingResult",
    "current_ranks",
    "open_trainer",
    "require_fit",
    "steps_for_minutes",
    "train",
]
