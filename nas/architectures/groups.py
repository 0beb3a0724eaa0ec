"""Groups of decisions that are taken together, and what each may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas.architectures.decisions import Decisions, Rows
from nas.base.errors import NasError
from nas.choices import Expression, assignments, evaluate

MOST = 256
"""Joint options that a group may keep: as many as a decision may have options."""

LISTED = 65_536
"""Up to so many architectures are counted one by one where options of one group make those of another idle."""


@dataclass(frozen=True)
class Group:
    """Decisions that are taken together, and what they may be.

    Attributes:
        name: of the group, such as 'stage1'.
        columns: (C,) its decisions.
        codes: (K, C) its joint options, idle decisions at 0; ordered from small to large, as the options of a choice are.
    """

    name: str
    columns: tuple[int, ...]
    codes: Rows


def hold_together(conditions: Sequence[Expression]) -> bool:
    """Whether several conditions on the same few choices hold together."""
    choices = {choice.name: choice for condition in conditions for choice in condition.choices}
    if math.prod(len(choice.options) for choice in choices.values()) > LISTED:
        return False
    grid = assignments(choices.values())
    first, *others = (np.asarray(evaluate(condition, grid), dtype=bool) for condition in conditions)
    return all(np.array_equal(first, other) for other in others)


def checked_group(whole: Decisions, group: Group) -> Group:
    """A group with its columns ascending. Raises NasError for one that no rows could belong to."""
    codes = np.asarray(group.codes)
    order = np.argsort(group.columns)
    if not group.columns or codes.ndim != 2 or codes.shape[1] != len(group.columns) or not 1 <= len(codes) <= MOST:
        raise NasError(
            f"group '{group.name}' needs decisions and 1 to {MOST} joint options of them; given {len(group.columns)} decisions "
            f"and joint options of shape {codes.shape}"
        )
    if min(group.columns) < 0 or max(group.columns) >= len(whole):
        raise NasError(f"group '{group.name}' has decision {max(group.columns)}; there are {len(whole)}")
    if (codes < 0).any() or (codes >= whole.cardinalities[list(group.columns)]).any():
        raise NasError(f"group '{group.name}' has an option that its decisions do not have")
    if len(np.unique(codes, axis=0)) < len(codes):
        raise NasError(f"group '{group.name}' has a joint option twice")
    columns = tuple(int(group.columns[place]) for place in order)
    return Group(group.name, columns, np.asfortranarray(codes[:, order], dtype=np.uint8))
