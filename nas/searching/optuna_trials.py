"""Architectures as trials of an Optuna study hold them. Optuna is imported late: not every search needs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.architectures import SearchSpace


def written_out(row: npt.NDArray[np.uint8], space: SearchSpace) -> dict[str, Any]:
    """The decisions of a row as `optuna.trial.create_trial` takes them, {"params", "distributions"}: for other tools."""
    import optuna

    architecture = space.decode(row[None])[0]
    choices = {choice.name: choice for choice in space.decisions.choices}
    return {
        "params": dict(architecture),
        "distributions": {name: optuna.distributions.CategoricalDistribution(choices[name].options) for name in architecture},
    }


def row_in(attributes: Mapping[str, Any], space: SearchSpace) -> npt.NDArray[np.uint8]:
    """The row that a trial holds among its attributes.

    Raises:
        NasError: one of another space.
        KeyError, OverflowError, TypeError, ValueError: none that this program wrote.
    """
    row: npt.NDArray[np.uint8] = space.decisions.check(np.array([attributes["row"]], dtype=np.int64))[0]
    return row
