"""DARTS within bounds on a resource (Jin et al., RC-DARTS: Resource constrained differentiable architecture search, 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from pydantic import Field

from nas.base.errors import NasError
from nas.supernet import Space
from nas.training.differentiable.projection import project
from nas.training.differentiable.soft_cost import SoftCost
from nas.training.recipe import Recipe, own
from nas.training.trainer import Engine, StepContext
from nas.training.trainers.darts import Darts, DartsRecipe


class RcDartsRecipe(DartsRecipe):
    """Figures of the constraint."""

    resource: str = Field("params", description="what is bounded: macs, params or DEVICE-latency, a soft sum over operators")
    lower: float | None = Field(None, ge=0, allow_inf_nan=False, description="C_L, in the resource's unit; null for none")
    upper: float | None = Field(None, gt=0, allow_inf_nan=False, description="C_H, in the resource's unit; null for none")
    project_every: int = Field(10, gt=0, description="architecture steps between two projections into the bounds")
    projection_rate: float = Field(0.1, gt=0, lt=1, description="rate of the projection's descent")
    projection_weight: float = Field(1.0, gt=0, allow_inf_nan=False, description="of a broken bound when a projection begins")


class RcDarts(Darts):
    """DARTS whose architecture parameters are brought back into bounds on a resource every few steps.

    The resource is the sum of the operators' costs weighed by their softmax; see `nas.training.differentiable.soft_cost` for
    spaces whose edges are no decisions. It bounds the mixture: the derived network lies near, and a search with --target
    makes sure.
    The paper's multi-level search, with cells of their own for each depth, is left out: the spaces share one cell of a type.
    """

    defaults: ClassVar[Recipe] = RcDartsRecipe(**Darts.defaults.model_dump(exclude_unset=True))
    summary = "darts with macs, params or latency kept between two bounds by projection"
    source = "Jin et al., RC-DARTS: Resource Constrained Differentiable Architecture Search, 2019"
    origins: ClassVar[Mapping[str, str]] = {
        **Darts.origins,
        "resource": "ours: the paper bounds parameters or multiply-adds",
        "project_every": "ours: the paper's interval was not available",
        "projection_rate": "ours: the paper's was not available",
        "projection_weight": "ours: the paper's was not available",
    }

    @classmethod
    def misfit(cls, space: Space, recipe: Recipe) -> str | None:
        """As for darts; there must be a bound, on a resource that is a sum over operators."""
        why = super().misfit(space, recipe)
        if why is not None:
            return why
        figures = own(recipe, RcDartsRecipe)
        try:
            low, high = SoftCost(space, figures.resource, space.task).range()
        except NasError as error:
            return str(error)
        legal = f"its '{figures.resource}' goes from {low:.4g} to {high:.4g}"
        if figures.lower is None and figures.upper is None:
            return f"no bound is given, and {legal}; use --set upper=NUMBER, --set lower=NUMBER or both"
        lower, upper = _bounds(figures)
        if not lower < upper:
            return f"the lower bound {lower:g} is not below the upper bound {upper:g}; {legal}"
        return None

    def prepare(self, engine: Engine) -> None:
        """As for darts; compiles the resource and sees that the bounds can be met.

        Raises:
            NasError: no architecture of the space lies within the bounds.
        """
        super().prepare(engine)
        recipe = own(engine.recipe, RcDartsRecipe)
        self._cost = SoftCost(engine.supernet.space, recipe.resource, engine.supernet.task)
        low, high = self._cost.range()
        lower, upper = _bounds(recipe)
        if upper <= low or lower >= high:
            raise NasError(
                f"'{recipe.resource}' of '{engine.supernet.space.name}' goes from {low:.4g} to {high:.4g}, and the bounds "
                f"{lower:g} to {upper:g} leave nothing of it; choose others with --set lower=NUMBER --set upper=NUMBER"
            )

    def cycle(self, recipe: Recipe, steps_per_epoch: int) -> int:
        """From one projection to the next."""
        return own(recipe, RcDartsRecipe).project_every

    def constrain(self, context: StepContext, engine: Engine) -> None:
        """Every so many steps, and after the last one, project."""
        recipe = own(context.recipe, RcDartsRecipe)
        if (context.step + 1) % recipe.project_every and context.step + 1 < context.steps:
            return
        alphas = list(self.state.parameters())
        projected = project(
            alphas, self.resource, *_bounds(recipe), rate=recipe.projection_rate, weight=recipe.projection_weight
        )
        with torch.no_grad():
            for alpha, value in zip(alphas, projected, strict=True):
                alpha.copy_(value)

    def resource(self, alphas: Sequence[torch.Tensor]) -> torch.Tensor:
        """The resource of the mixture, in its unit; alphas (O,) for each edge."""
        return self._cost([alpha.softmax(0) for alpha in alphas])


def _bounds(recipe: RcDartsRecipe) -> tuple[float, float]:
    """C_L and C_H; one that is not given bounds nothing."""
    return recipe.lower or 0.0, float("inf") if recipe.upper is None else recipe.upper
