"""What a model takes by itself, where everything on a machine is slower at one time than at another.

A clock that changes, heat, and the other guests of a host slow all models down that are timed at one time. The models of a
group take their turns within a second or a few, and every round puts them into other groups; so the time of a model and the
state of the machine can be told apart: log milliseconds = model + group, fitted by turns with medians, which single odd timings
do not move. That is the median polish of Tukey, Exploratory Data Analysis, 1977, chapter 11.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.measuring.runner import USUAL

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

SWEEPS, ENOUGH = 50, 1e-6
"""Sweeps of the fit at most, and the change of the states that ends it."""


@dataclass(frozen=True)
class States:
    """What was fitted.

    Attributes:
        usual: (N,) the timings as they would have been in the usual state, in milliseconds.
        states: (N,) how much slower than usual the machine was at each timing, 1 for the usual.
    """

    usual: Floats
    states: Floats


def fitted_states(models: Numbers, groups: Numbers, milliseconds: Floats) -> States:
    """The state of the machine at each timing.

    With a single round nothing tells models and groups apart, and every state is 1.

    Args:
        models, groups: numbers from 0, (N,).
        milliseconds: (N,).
    """
    times = np.log(milliseconds)
    present = np.unique(groups)
    states = np.zeros(int(groups.max()) + 1)
    for _ in range(SWEEPS):
        own = medians(models, times - states[groups])
        found = medians(groups, times - own[models])
        change = float(np.abs(found - states)[present].max())
        states = found
        if change < ENOUGH:
            break
    # One that was seen, not one between two.
    states = states - np.quantile(states[present], USUAL, method="inverted_cdf")
    return States(np.exp(times - states[groups]), np.exp(states)[groups])


def medians(numbers: Numbers, values: Floats) -> Floats:
    """The median of the values of each number from 0 to the largest; 0 for a number that none has."""
    order = np.lexsort((values, numbers))
    counts = np.bincount(numbers)
    starts = np.cumsum(counts) - counts
    held = counts > 0
    low, high = starts + np.maximum(counts - 1, 0) // 2, starts + counts // 2
    ordered = values[order]
    found = np.zeros(len(counts))
    found[held] = (ordered[low[held]] + ordered[high[held]]) / 2
    return found
