"""The order of options, which a one-hot encoding hides."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nas.architectures.decisions import Rows
from nas.choices import Choice
from nas.predicting import Encoding


def with_places(encoding: Encoding) -> Encoding:
    """The encoding with a column more for each decision among three numbers or more, such as widths.

    It holds the place of the option among all, from 0 to 1, and 0 where the decision does not matter.
    """
    decisions = encoding.decisions
    columns = [column for column, choice in enumerate(decisions.choices) if _ordered(choice)]
    if not columns:
        return encoding
    last = decisions.cardinalities[columns] - 1

    def places(rows: Rows) -> npt.NDArray[np.float64]:
        return np.where(decisions.active(rows)[:, columns], rows[:, columns] / last, 0.0)

    return encoding.with_columns(places)


def _ordered(choice: Choice) -> bool:
    numbers = [option for option in choice.options if isinstance(option, int | float) and not isinstance(option, bool)]
    return len(numbers) == len(choice.options) >= 3 and numbers == sorted(numbers)
