"""Which widths of a network must change together.

A width is made of *nodes*. A node stands for a number of units that an architecture may reduce to the first few; a layout is
a sequence of (node, channels of one unit) and says what the channels of a tensor are, in order. Two tensors that are added
have layouts that must agree, which is worked out by unification: nodes are merged, cut in two where a boundary falls inside,
or made coarser where only whole groups of channels can go. A concatenation is the sequence of its parts' layouts.
"""

from __future__ import annotations

import math
from typing import TypeAlias


class Node:
    """Units that are kept or dropped together with those of every tensor that is tied to them.

    Attributes:
        size: how many units there are.
        parts: the layout that took this node's place when it was merged, cut or made coarser; None while it stands.
        reasons: why the size cannot change; empty where it can. A dictionary for its order.
    """

    def __init__(self, size: int, reasons: tuple[str, ...] = ()) -> None:
        self.size = size
        self.parts: Layout | None = None
        self.reasons = dict.fromkeys(reasons)

    def become(self, parts: Layout) -> None:
        """Let other nodes take this one's place; what fixed it fixes them."""
        self.parts = parts
        for node, _ in parts:
            node.reasons.update(self.reasons)


Layout: TypeAlias = "tuple[tuple[Node, int], ...]"


def whole(size: int, *reasons: str) -> Layout:
    """The layout of channels that nothing is known of yet; fixed if a reason is given."""
    return ((Node(size, reasons), 1),)


def resolved(layout: Layout) -> Layout:
    """The layout in nodes that stand."""
    found: list[tuple[Node, int]] = []
    for node, unit in layout:
        if node.parts is None:
            found.append((node, unit))
        else:
            found += resolved(scaled(node.parts, unit))
    return tuple(found)


def scaled(layout: Layout, factor: int) -> Layout:
    """Every channel `factor` times in a row, as when a map is flattened behind it."""
    return tuple((node, unit * factor) for node, unit in layout)


def length(layout: Layout) -> int:
    """Channels of the original network."""
    return sum(node.size * unit for node, unit in layout)


def fix(layout: Layout, reason: str) -> None:
    """Say that these channels cannot change."""
    for node, _ in resolved(layout):
        node.reasons[reason] = None


def reasons(layout: Layout) -> tuple[str, ...]:
    """Why some of these channels cannot change."""
    return tuple(dict.fromkeys(reason for node, _ in resolved(layout) for reason in node.reasons))


def unify(first: Layout, second: Layout, place: str) -> None:
    """Tie two layouts of the same length together.

    Where a boundary of one falls inside a unit of the other, both are fixed; `place` names where they meet.
    """
    # It ends: a merge leaves the nodes of both layouts fewer units in all, and a cut leaves as many units to more nodes, of
    # which each has at least one.
    while (left := resolved(first)) != (right := resolved(second)):
        if not _closer(left, right):
            for layout in (first, second):
                fix(layout, f"{place} joins channels that come in groups of different sizes")
            return


def _closer(left: Layout, right: Layout) -> bool:
    """Make the first pieces that differ agree, or cut the longer; False where it cannot be cut there."""
    for (first, unit), (second, other) in zip(left, right, strict=False):
        if (first, unit) == (second, other):
            continue
        here, there = first.size * unit, second.size * other
        if here == there:
            _merge(first, unit, second, other)
            return True
        (longer, its_unit), cut = ((first, unit), there) if here > there else ((second, other), here)
        if cut % its_unit:
            return False
        head = Node(cut // its_unit)
        longer.become(((head, 1), (Node(longer.size - head.size), 1)))
        return True
    raise AssertionError("two layouts of different lengths cannot be tied")


def _merge(first: Node, unit: int, second: Node, other: int) -> None:
    common = math.lcm(unit, other)
    joint = Node(first.size * unit // common)
    first.become(((joint, common // unit),))
    second.become(((joint, common // other),))
