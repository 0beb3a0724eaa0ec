"""Spaces that search the resolution, and tables of some resolutions: which options a table knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.base.errors import NasError
from nas.choices import Choice, assignments, evaluate, free_choices
from nas.costs.table import LatencyTable
from nas.elastic import Walk


@dataclass(frozen=True)
class MeasuredOptions:
    """The options of the resolution that a table was measured at.

    Attributes:
        choice: the decision.
        sides: (options,) of the images of each option.
        legal: (options,) whether images of that side were measured.
    """

    choice: Choice
    sides: npt.NDArray[np.int64]
    legal: npt.NDArray[np.bool_]

    @property
    def codes(self) -> npt.NDArray[np.intp]:
        """The legal options."""
        return np.flatnonzero(self.legal)

    def price(self, codes: Mapping[str, Any]) -> Any:
        """0 where the option is legal, infinite where the table says nothing."""
        return np.where(self.legal[np.asarray(codes[self.choice.name], dtype=np.int64)], 0.0, np.inf)


def measured_options(walk: Walk, table: LatencyTable) -> MeasuredOptions | None:
    """What a table knows of the resolutions of a space; None where the space does not search the resolution.

    Raises:
        NasError: none of them was measured.
    """
    resize = walk.image_resize
    if resize is None:
        return None
    side = resize.output.shape[-1]
    choices = free_choices(side)
    if len(choices) > 1:
        raise NasError(
            f"the side of the images depends on {' and '.join(choice.name for choice in choices)} together; a latency can be "
            "summed up where one decision alone says it"
        )
    if not choices:
        return None
    (choice,) = choices
    sides = np.asarray(evaluate(side, assignments(choices)), dtype=np.int64)
    legal = np.isin(sides, table.resolutions)
    if not legal.any():
        raise NasError(
            f"table '{table.name}' was measured at {table.sides}, and '{choice.name}' of this space is one of "
            f"{', '.join(map(str, np.unique(sides)))} px; use a table of one of these"
        )
    return MeasuredOptions(choice, sides, legal)
