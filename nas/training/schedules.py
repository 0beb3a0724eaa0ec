"""How the learning rate goes over a training."""

from __future__ import annotations

import math

from nas.training.recipe import Recipe


def rate_at(recipe: Recipe, step: int, steps: int) -> float:
    """The learning rate of one step: a linear warm-up, then the schedule to the end.

    The exponential schedule is in stairs: every `rate_decay_epochs` of the recipe's `epochs` the rate is multiplied by
    `rate_decay`, until it reaches `rate_floor` of the peak, where it stays.
    """
    warmup = recipe.warmup * steps
    if step < warmup:
        return recipe.peak_rate * (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(steps - warmup, 1)
    if recipe.schedule == "constant":
        return recipe.peak_rate
    if recipe.schedule == "exponential":
        stairs = math.floor(progress * recipe.epochs * (1.0 - recipe.warmup) / recipe.rate_decay_epochs)
        return recipe.peak_rate * max(recipe.rate_decay**stairs, recipe.rate_floor)
    left = 1.0 - progress if recipe.schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * progress))
    last = recipe.scaled(recipe.last_rate)
    return last + (recipe.peak_rate - last) * left
