"""Training a supernet: step rules, and the one loop that runs them all."""

from nas.training.alone import Alone
from nas.training.loop import TrainingResult, train
from nas.training.planning import steps_for_minutes
from nas.training.recipe import Recipe
from nas.training.step import Diverged, Stepper
from nas.training.trainer import Pass, StepContext, Trainer, open_trainer

__all__ = [
    "Alone",
    "Diverged",
    "Pass",
    "Recipe",
    "StepContext",
    "Stepper",
    "Trainer",
    "TrainingResult",
    "open_trainer",
    "steps_for_minutes",
    "train",
]
