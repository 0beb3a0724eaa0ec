"""Single-path training with sizes drawn evenly (Guo et al., Single Path One-Shot, 2020, as its authors released it)."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import torch
from pydantic import Field

from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.base.units import COUNT
from nas.costs import RowCost
from nas.supernet import Space
from nas.training.nested.histogram import growing
from nas.training.recipe import Recipe, own
from nas.training.trainer import Engine, Pass, Phase, StepContext, Trainer
from nas.training.trainers.uniform import Uniform

MILLION = 1e6
PAPER_LOWEST, PAPER_WIDTH = 290.0, 10.0
"""The released bins, 7 from 290 to 360 million multiply-adds."""

QUANTILES = (0.05, 0.95)
"""Between these shares of the random networks' sizes lie the bins of other spaces."""

SAMPLE = 2000
"""How many random networks tell the sizes of a space."""


class FlopsBinnedRecipe(Recipe):
    """Figures of sampling by bins of multiply-adds."""

    bins: int = Field(7, ge=1, description="bins of multiply-adds, one of which is drawn each step")
    bin_lowest: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="million multiply-adds at which the first bin begins; null for the paper's 290, or where most of the "
        "space's networks are not in the paper's range, for the size that 5 % of them are below",
    )
    bin_width: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="million multiply-adds from one bin to the next; null for the paper's 10, or elsewhere for bins up to the "
        "size that 95 % of the networks are below",
    )
    tries: int = Field(500, ge=1, description="random paths drawn until one lies in the bin; failing that the last is trained")


class FlopsBinned(Trainer):
    """One sub-network a step: a bin of multiply-adds is drawn evenly, then random paths until one lies in it.

    Sizes are of the task that is trained. The other figures are the paper's, see `Uniform`.
    """

    defaults = FlopsBinnedRecipe(**Uniform.defaults.model_dump(exclude_unset=True))
    summary = "one random sub-network a step, its size drawn evenly from bins of multiply-adds"
    source = Uniform.source + ", as in the released code"

    def __init__(self) -> None:
        self.edges = np.zeros(0)
        """Multiply-adds between bins, (bins + 1,)."""

        self._cost: RowCost | None = None

    @classmethod
    def misfit(cls, space: Space, recipe: Recipe) -> str | None:
        """A space in which all networks have one size."""
        sizes = _sizes(space, space.compiled("macs"), 0)
        return "all its networks have the same number of multiply-adds" if sizes.min() == sizes.max() else None

    def prepare(self, engine: Engine) -> None:
        """Choose the bins."""
        recipe = own(engine.recipe, FlopsBinnedRecipe)
        space = engine.supernet.space
        self._cost = space.compiled("macs", engine.supernet.task)
        sizes = _sizes(space, self._cost, engine.seed)
        self.edges = bin_edges(recipe, sizes)
        if not ((sizes >= self.edges[0]) & (sizes < self.edges[-1])).any():
            low, middle, high = (COUNT.format(float(v)) for v in (sizes.min(), np.median(sizes), sizes.max()))
            raise NasError(
                f"no random network of space '{space.name}' lies in the {self._told()}: {SAMPLE} of them have minimum {low}, "
                f"median {middle}, maximum {high}; set bin_lowest and bin_width (in millions) to fit, or leave them out"
            )

    def _told(self) -> str:
        low, high = COUNT.format(float(self.edges[0])), COUNT.format(float(self.edges[-1]))
        return f"{len(self.edges) - 1} bins from {low} to {high} multiply-adds"

    def phases(self, steps: int, recipe: Recipe) -> list[Phase]:
        """One phase, which tells the bins."""
        return [Phase("binned paths", 0, self._told())] if len(self.edges) else []

    def passes(self, context: StepContext) -> Generator[Pass, torch.Tensor, None]:
        """One pass of one random path in a bin."""
        assert self._cost is not None
        recipe = own(context.recipe, FlopsBinnedRecipe)
        wanted = int(context.rng.integers(len(self.edges) - 1))
        low, high = self.edges[wanted : wanted + 2]
        row = None
        for count in growing(recipe.tries):
            rows = context.decisions.sample(context.rng, count)
            sizes = self._cost(rows)
            inside = np.flatnonzero((sizes >= low) & (sizes < high))
            row = rows[inside[0] if len(inside) else -1]
            if len(inside):
                break
        assert row is not None
        yield Pass(row, context.loss)


def bin_edges(recipe: FlopsBinnedRecipe, sizes: np.ndarray) -> np.ndarray:
    """Multiply-adds between the bins, (bins + 1,).

    Args:
        sizes: multiply-adds of random networks, (N,).
    """
    lowest, width = PAPER_LOWEST * MILLION, PAPER_WIDTH * MILLION
    if np.mean((sizes >= lowest) & (sizes < lowest + recipe.bins * width)) < 0.5:
        lowest, highest = np.quantile(sizes, QUANTILES)
        begin = lowest if recipe.bin_lowest is None else recipe.bin_lowest * MILLION
        width = max(highest - begin, 1.0) / recipe.bins
    lowest = lowest if recipe.bin_lowest is None else recipe.bin_lowest * MILLION
    width = width if recipe.bin_width is None else recipe.bin_width * MILLION
    edges: np.ndarray = lowest + width * np.arange(recipe.bins + 1)
    return edges


def _sizes(space: Space, cost: RowCost, seed: int) -> np.ndarray:
    return cost(space.decisions.sample(generator(seed, "sizes"), SAMPLE))
