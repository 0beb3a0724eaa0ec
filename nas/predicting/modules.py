"""Predictors that say which parts of architectures are good."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from nas.architectures.decisions import Rows
from nas.choices import Option
from nas.predicting.predictor import Predictor


@dataclass(frozen=True)
class Module:
    """A part of architectures with the score that a predictor gives it.

    Attributes:
        unit: where it stands.
        layers: how many it has.
        decisions: the options of the unit's decisions that matter.
        score: in the unit of the values; the larger the better where larger values are.
    """

    unit: str
    layers: int
    decisions: Mapping[str, Option]
    score: float


class ModulePredictor(Predictor):
    """A predictor that takes architectures apart into units, and scores everything that a unit may be: its modules."""

    @abstractmethod
    def unit_columns(self) -> Mapping[str, tuple[int, ...]]:
        """Unit -> the columns of its decisions, in the order of the network. A decision of no unit belongs to all of them."""

    @abstractmethod
    def option_scores(self) -> dict[str, dict[str, float]]:
        """Kind of decision -> option -> how much it is worth by itself: the larger, the more.

        Raises:
            NasError: nothing was learned yet.
        """

    @abstractmethod
    def module_scores(self, unit: str | None = None, most: int = 20_000, among: Rows | None = None) -> list[Module]:
        """The modules of a unit, or of all, best first within each unit.

        Args:
            most: of a unit with more modules so many are drawn at random.
            among: architectures (N, D) whose modules are looked at in any case.

        Raises:
            NasError: nothing was learned yet, or the unit is unknown.
        """
