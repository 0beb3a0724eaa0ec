"""A space with every dimension that shrinks, in milliseconds; importable by a subprocess too."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from tiny_training import TASK, stepper
from torch import nn

from nas.base.progress import Silent
from nas.elastic import ElasticConv2d, ElasticTransformedConv2d
from nas.supernet import Space
from nas.training import Pass, Recipe, Stepper, Trainer
from search_spaces.mbconv.stages import Macro, Stage, StagedNetwork

RESOLUTIONS, KERNELS, EXPANSIONS, DEPTHS = (8, 12, 16), (3, 5, 7), (2, 3, 5), (1, 2, 3)


def shrinking_space(
    kernels: tuple[int, ...] = KERNELS,
    depths: tuple[int, ...] = DEPTHS,
    expansions: tuple[int, ...] = EXPANSIONS,
    resolutions: tuple[int, ...] = RESOLUTIONS,
    convolution: type[ElasticConv2d] = ElasticTransformedConv2d,
    dropout: float = 0.1,
) -> Space:
    """One stage of three blocks with squeeze-and-excitation."""
    macro = Macro(
        resolution=resolutions,
        stem=(8,),
        stages=(Stage("stage", (8,), depths, kernels, expansions, 1, nn.ReLU, squeeze=True),),
        last=(16,),
        activation=nn.ReLU,
        mixing=False,
        dropout=dropout,
        per_block=True,
        residual=False,
        convolution=convolution,
    )
    return Space("shrinking", partial(StagedNetwork, macro=macro), task=TASK)


def shrunk(space: Space, trainer: Trainer, figures: Recipe, steps: int, seed: int = 3) -> Stepper:
    """A training of a fresh supernet."""
    return stepper(space.supernet(1, 16, 4, seed=5), trainer, figures, steps, seed)


class Watched:
    """Passes of every step, written down as the engine is asked for them."""

    def __init__(self, made: Stepper) -> None:
        self.made = made
        self.passes: list[list[Pass]] = []
        learn = made.learn

        def watching(asked: Pass) -> object:
            self.passes[-1].append(asked)
            return learn(asked)

        made.learn = watching  # type: ignore[method-assign,assignment]

    def run(self, *steps: int, before_last: Callable[[], None] = lambda: None) -> list[float]:
        """Do some steps, in order; once for each object."""
        losses = []
        with self.made:
            for step in steps:
                if step == steps[-1]:
                    before_last()
                self.passes.append([])
                losses.append(self.made.run(step))
        return losses


def options(space: Space, row: np.ndarray) -> dict[str, object]:
    """The decisions of a row that matter, by name."""
    active = space.decisions.active(np.asfortranarray(row[None]))[0]
    chosen = zip(space.decisions.choices, row.tolist(), active.tolist(), strict=True)
    return {choice.name: choice.options[code] for choice, code, matters in chosen if matters}


class Interrupting(Silent):
    """Ctrl-C while a step is being reported, which is before its checkpoint."""

    def __init__(self, at: int) -> None:
        self.at = at

    def advance(self, done: int, note: str = "") -> None:
        if done == self.at:
            raise KeyboardInterrupt
