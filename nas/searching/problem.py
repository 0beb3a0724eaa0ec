"""What is searched: decisions, objectives, and bounds that cost nothing to check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from nas.architectures import Bound, Decisions, sample_bounded
from nas.architectures.decisions import Rows
from nas.base.errors import NasError
from nas.data.tasks import CLASSIFICATION, METRICS

if TYPE_CHECKING:
    from nas.elastic import Walk
    from nas.predicting import Encoding

MOST_OBJECTIVES = 3
"""With more, nearly every architecture is on the front, and a front says nothing."""


@dataclass(frozen=True)
class Objective:
    """A figure that is to be large or small.

    Attributes:
        measure: rows (N, D) -> figures (N,), where the figure is cheap: computed from rows, before anything is built. None for
            a figure that only an evaluation finds.
        limit: the worst figure that is accepted. A cheap one then filters before anything is evaluated; of expensive ones,
            what is beyond it never wins.
        show: prints a figure with its unit.
    """

    name: str
    direction: Literal["maximize", "minimize"] = "maximize"
    measure: Callable[[Rows], npt.NDArray[np.float64]] | None = None
    limit: float | None = None
    show: Callable[[float], str] = "{:g}".format

    @property
    def cheap(self) -> bool:
        """Whether it is computed from rows."""
        return self.measure is not None

    @property
    def sign(self) -> float:
        """What a figure is multiplied with so that larger is better."""
        return 1.0 if self.direction == "maximize" else -1.0

    @property
    def bound(self) -> Bound | None:
        """The limit of a cheap figure as a bound on rows."""
        measure, limit, sign = self.measure, self.limit, self.sign
        if measure is None or limit is None:
            return None
        if sign < 0:
            return Bound(self.name, limit, measure, self.show)
        return Bound(f"-{self.name}", -limit, lambda rows: -measure(rows), self.show)


SCORED: Mapping[str, Objective] = {name: Objective(name, one.direction, show=one.format) for name, one in METRICS.items()}
"""What scoring a network on the validation images can find, for one task or another."""

OF_CLASSES = tuple(metric.name for metric in CLASSIFICATION.metrics)
"""What it finds where images have one class each."""

TOP1, LOSS = SCORED["top1"], SCORED["loss"]
"""Validation accuracy in percent, and mean loss on the validation images."""


@dataclass(frozen=True)
class Problem:
    """Decisions, what is to be optimised, and the bounds.

    Bounds are checked on rows before anything is built; only legal architectures are ever proposed.

    Attributes:
        objectives: one to three; the first is the one that decides where a single figure has to.
        derived: the architecture (D,) at which the training arrived, where its trainer learns one.
        encoding: how predictors see rows; None for the one-hot encoding of the decisions.
        dimensions: decision -> what it changes, such as 'kernel' or 'depth', where the space says so.
        operators: gives the operators of all networks at the size of the images they are deployed at, where there is a space.
        proxies: gives, for zero-cost proxies by name, what scores rows (N, D) -> (N, P), where there are networks to score.
    """

    decisions: Decisions
    bounds: Sequence[Bound] = ()
    objectives: tuple[Objective, ...] = (TOP1,)
    derived: npt.NDArray[np.uint8] | None = None
    encoding: Encoding | None = None
    dimensions: Mapping[str, str] | None = None
    operators: Callable[[], Walk] | None = None
    proxies: Callable[[Sequence[str]], Callable[[Rows], npt.NDArray[np.float64]]] | None = None

    def __post_init__(self) -> None:
        """Raises NasError for no objective, too many, or one that is given twice."""
        names = [objective.name for objective in self.objectives]
        if not 1 <= len(names) <= MOST_OBJECTIVES:
            raise NasError(
                f"a search has one to {MOST_OBJECTIVES} objectives; given {len(names)}: {', '.join(names) or 'none'}"
            )
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            raise NasError(f"objective '{repeated[0]}' is given twice; give each once")

    @property
    def objective(self) -> Objective:
        """The first objective."""
        return self.objectives[0]

    @cached_property
    def limits(self) -> tuple[Bound, ...]:
        """Every bound on rows: those given, and the limits of cheap objectives that are not among them."""
        given = {(bound.metric, bound.limit) for bound in self.bounds}
        found = [objective.bound for objective in self.objectives]
        return (*self.bounds, *(bound for bound in found if bound is not None and (bound.metric, bound.limit) not in given))

    def legal(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which rows keep every bound."""
        legal = np.ones(len(rows), dtype=bool)
        for bound in self.limits:
            legal &= bound.keeps(rows)
        return legal

    def sample(self, rng: np.random.Generator, count: int) -> Rows:
        """Random legal rows, repetitions possible. Raises NasError where there are none."""
        return sample_bounded(self.decisions, rng, count, self.limits)


def gains(objectives: Sequence[Objective], row: npt.NDArray[np.uint8], metrics: Mapping[str, float]) -> npt.NDArray[np.float64]:
    """(M,) figures of one architecture, larger is better; cheap ones from the row, the others from what was measured."""
    found = [figure(objective, row, metrics) * objective.sign for objective in objectives]
    return np.array(found, dtype=np.float64)


def figure(objective: Objective, row: npt.NDArray[np.uint8], metrics: Mapping[str, float]) -> float:
    """One figure of one architecture, as it is written."""
    if objective.measure is None:
        return metrics[objective.name]
    return float(objective.measure(np.asfortranarray(row[None]))[0])


def keys(rows: Rows) -> list[bytes]:
    """One hashable key a row; equal for equal canonical rows."""
    packed = np.ascontiguousarray(rows)
    if not len(packed):
        return []
    joined: list[bytes] = packed.view(np.dtype((np.void, packed.shape[1]))).ravel().tolist()  # type: ignore[assignment]
    return joined


def first_places(rows: Rows) -> dict[bytes, int]:
    """The first position of every distinct row (N, D), ascending, by its key."""
    found: dict[bytes, int] = {}
    for place, key in enumerate(keys(rows)):
        found.setdefault(key, place)
    return found
