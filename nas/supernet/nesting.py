"""Whether the networks of a space lie inside its largest one, in its weights or in its size."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nas.base.units import COUNT
from nas.choices import evaluate

if TYPE_CHECKING:
    from nas.supernet.space import Space

SAMPLE = 256
"""How many random networks are looked at; they are the same ones every time."""

STRAY = 0.05
"""Share of weights that a network may have beside the largest one's and still count as a part of it: projections around blocks
whose widths happen to agree in the largest network are such."""


def not_nested(space: Space) -> str | None:
    """Why the networks of a space are not the largest one cut smaller, as a sentence after 'because'; None where they are."""
    stray = float(outside_largest(space, _some(space)).max())
    if stray <= STRAY:
        return None
    return (
        f"its networks are not nested: some have {stray:.0%} of their weights in operators that the largest network does not "
        "run (it chooses between operators, where sizes are needed)"
    )


def not_bounded(space: Space) -> str | None:
    """Why the first and last options of a space do not bound its networks' multiply-adds, as above; None where they do."""
    cost = space.compiled("macs")
    values = cost(_some(space))
    low, high = (float(cost(rows)[0]) for rows in (space.decisions.smallest(), space.decisions.largest()))
    if low <= values.min() and values.max() <= high:
        return None
    return (
        f"its first and last options make networks of {COUNT.format(low)} and {COUNT.format(high)} multiply-adds, and random "
        f"ones have {COUNT.format(float(values.min()))} to {COUNT.format(float(values.max()))}: it has no largest and smallest "
        "network to train on"
    )


def outside_largest(space: Space, rows: np.ndarray) -> npt.NDArray[np.float64]:
    """The share of each row's weights, (N, D) -> (N,), that belong to modules which the largest network never runs."""
    both = np.asfortranarray(np.concatenate([space.decisions.largest(), rows]))
    codes: dict[str, Any] = defaultdict(lambda: np.zeros(len(both), dtype=np.int64))
    codes.update({name: column.astype(np.int64) for name, column in space.decisions.codes(both).items()})
    owners = [operator for operator in space.walk().operators if not _is_zero(operator.parameters)]
    runs = [_whole(evaluate(operator.guard, codes), len(both)) != 0 for operator in owners]
    largest = {operator.path for operator, run in zip(owners, runs, strict=True) if run[0]}
    total, outside = np.zeros(len(both)), np.zeros(len(both))
    for operator, run in zip(owners, runs, strict=True):
        weights = _whole(evaluate(operator.parameters, codes), len(both)) * run
        total += weights
        if operator.path not in largest:
            outside += weights
    share: npt.NDArray[np.float64] = (outside / np.maximum(total, 1.0))[1:]
    return share


def _some(space: Space) -> np.ndarray:
    drawn = space.decisions.sample(np.random.default_rng(0), SAMPLE)
    return np.asfortranarray(np.concatenate([space.decisions.smallest(), drawn]))


def _whole(value: Any, count: int) -> npt.NDArray[np.float64]:
    return np.broadcast_to(np.asarray(value, dtype=np.float64), (count,))


def _is_zero(value: Any) -> bool:
    return isinstance(value, int) and value == 0
