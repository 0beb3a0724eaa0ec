"""The phases of progressive shrinking (Cai et al., Once-for-All, 2020): figures, lengths and rates."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from nas.elastic import Dimension
from nas.training.nested.openings import OPEN, Part
from nas.training.recipe import Recipe
from nas.training.schedules import rate_at


class ProgressiveRecipe(Recipe):
    """Figures of each phase. `learning_rate` is that of the full network; `warmup` is its share of that phase.

    Epochs of a phase are those after its warm-up. Rates are given for `reference_batch` images.
    """

    full_epochs: float = Field(180, gt=0, description="of the full network, with its warm-up")
    kernel_epochs: float = Field(120, gt=0, description="with kernels of all sizes")
    kernel_warmup: float = Field(5, ge=0, description="epochs of warm-up before them")
    kernel_rate: float = Field(3e-2, gt=0, description="peak rate with kernels of all sizes")
    kernel_networks: int = Field(1, gt=0, description="sub-networks a step with kernels of all sizes")
    depth1_epochs: float = Field(25, gt=0, description="with the larger depths")
    depth1_warmup: float = Field(0, ge=0, description="epochs of warm-up before them")
    depth1_rate: float = Field(2.5e-3, gt=0, description="peak rate with the larger depths")
    depth1_networks: int = Field(2, gt=0, description="sub-networks a step with the larger depths")
    depth2_epochs: float = Field(120, gt=0, description="with all depths")
    depth2_warmup: float = Field(5, ge=0, description="epochs of warm-up before them")
    depth2_rate: float = Field(7.5e-3, gt=0, description="peak rate with all depths")
    depth2_networks: int = Field(2, gt=0, description="sub-networks a step with all depths")
    expand1_epochs: float = Field(25, gt=0, description="with the larger widths")
    expand1_warmup: float = Field(0, ge=0, description="epochs of warm-up before them")
    expand1_rate: float = Field(2.5e-3, gt=0, description="peak rate with the larger widths")
    expand1_networks: int = Field(4, gt=0, description="sub-networks a step with the larger widths")
    expand2_epochs: float = Field(120, gt=0, description="with all widths")
    expand2_warmup: float = Field(5, ge=0, description="epochs of warm-up before them")
    expand2_rate: float = Field(7.5e-3, gt=0, description="peak rate with all widths")
    expand2_networks: int = Field(4, gt=0, description="sub-networks a step with all widths")
    kd_ratio: float = Field(1.0, ge=0, description="weight of the loss to the full network's scores; 0 for no teacher")
    kd_type: Literal["soft", "mse"] = Field("soft", description="that loss: soft cross-entropy, or MSE of the scores")
    sort_channels: bool = Field(True, description="whether channels are sorted by importance before widths shrink")


@dataclass(frozen=True)
class Stage:
    """One phase.

    Attributes:
        opens: the dimension that it opens; None in the first.
        parts: how far every dimension is open.
        what: that it opens, in words.
        epochs: with warm-up.
        warmup: epochs.
        rate: peak, for the recipe's `reference_batch`.
        networks: sub-networks a step.
    """

    name: str
    opens: Dimension | None
    parts: Mapping[Dimension, Part]
    what: str
    epochs: float
    warmup: float
    rate: float
    networks: int

    def text(self, recipe: Recipe) -> str:
        """What is trained, for the user."""
        networks = "1 sub-network" if self.networks == 1 else f"{self.networks} sub-networks"
        return f"{self.what}, {networks} a step, rate {recipe.scaled(self.rate):.3g}"


@dataclass(frozen=True)
class Placed:
    """A stage with its number and its steps, from `start` to before `end`."""

    index: int
    stage: Stage
    start: int
    end: int


def stages(recipe: ProgressiveRecipe, options: Mapping[Dimension, Collection[int]]) -> list[Stage]:
    """The phases that a space has.

    Args:
        options: for each dimension the numbers of options of its decisions. A phase that opens nothing is left out: those of a
            dimension without decisions, and the first part of a dimension none of whose decisions has more than two options.
            Decisions that choose an operator are opened with the kernels.
    """
    full, warmup = recipe.full_epochs, recipe.warmup * recipe.full_epochs
    found = [Stage("full", None, {}, "the full network alone", full, warmup, recipe.learning_rate, 1)]
    opened: dict[Dimension, Part] = {}
    plan: tuple[tuple[str, Dimension, Part], ...] = (
        ("kernel", "kernel", OPEN),
        ("depth1", "depth", Part(1, 2)),
        ("depth2", "depth", Part(2, 2)),
        ("expand1", "width", Part(1, 2)),
        ("expand2", "width", Part(2, 2)),
    )
    for name, dimension, part in plan:
        together: tuple[Dimension, ...] = ("kernel", "operator") if dimension == "kernel" else (dimension,)
        opening = [each for each in together if options.get(each)]
        counts = [count for each in opening for count in options[each]]
        if not counts or (part.done < part.of and max(counts) <= part.of):
            continue
        opened = {**opened, **dict.fromkeys(opening, part)}
        share = "all" if part.done == part.of else "the larger"
        what = f"{share} {' and '.join(f'{each}s' for each in opening)}"
        warmup = getattr(recipe, f"{name}_warmup")
        epochs = getattr(recipe, f"{name}_epochs") + warmup
        rate, networks = getattr(recipe, f"{name}_rate"), getattr(recipe, f"{name}_networks")
        spaced = name if name == "kernel" else f"{name[:-1]} {name[-1]}"
        found.append(Stage(spaced, dimension, opened, what, epochs, warmup, rate, networks))
    return found


def place(found: Sequence[Stage], steps: int) -> list[Placed]:
    """The stages in steps, in the proportion of their epochs; where there are too few steps, some have none."""
    total = sum(stage.epochs for stage in found)
    done, starts = 0.0, [0]
    for stage in found[:-1]:
        done += stage.epochs
        # The full network has a step in any case, and the last phase has one where there are two.
        starts.append(max(1, min(round(steps * done / total), steps - 1)))
    ends = [*starts[1:], steps]
    placed = [Placed(index, *each) for index, each in enumerate(zip(found, starts, ends, strict=True))]
    return [each for each in placed if each.start < each.end]


def rate_in(placed: Placed, step: int, recipe: Recipe) -> float:
    """The learning rate in a stage: from the unscaled rate up to the peak, then the recipe's schedule to the stage's end."""
    stage, length = placed.stage, placed.end - placed.start
    warmup, local = round(length * stage.warmup / stage.epochs), step - placed.start
    peak = recipe.scaled(stage.rate)
    if local < warmup:
        start = min(stage.rate, peak)
        return start + (peak - start) * (local + 1) / warmup
    figures = recipe.model_copy(
        update={"learning_rate": stage.rate, "warmup": 0.0, "epochs": max(stage.epochs - stage.warmup, 1e-9)}
    )
    return rate_at(figures, local - warmup, length - warmup)
