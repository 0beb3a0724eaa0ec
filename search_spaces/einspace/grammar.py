"""The grammar: symbols, the alternatives of each, and the numbers behind the terminals' names.

Ericsson et al., einspace: Searching for Neural Architectures from Fundamental Operations, 2024. A network is derived from
the symbol S; M is a module inside it, B splits a tensor into branches, A joins them, Pre and Post rearrange a tensor before
and after a module, C computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

Symbol = Literal["S", "M", "B", "A", "Pre", "Post", "C"]

COMPUTATION = "computation"
MODULES = ("sequential", "branching", "routing")
"""The alternatives of S. M has `COMPUTATION` besides."""


@dataclass(frozen=True)
class Branch:
    """How a tensor is split: every branch gets all of it, or an equal part along a dimension (1 is the first behind the
    batch)."""

    factor: int
    dim: int | None = None


@dataclass(frozen=True)
class Join:
    """How branches are joined: 'dot', 'scaled-dot', 'add' or 'concat' along a dimension; `factor` None suits any number."""

    kind: str
    factor: int | None
    dim: int | None = None


@dataclass(frozen=True)
class Window:
    """What im2col unfolds: windows of kernel x kernel pixels."""

    kernel: int
    stride: int
    padding: int

    @property
    def as_tuple(self) -> tuple[int, int, int]:
        """Kernel, stride and padding."""
        return self.kernel, self.stride, self.padding


BRANCHES = {
    **{f"clone{factor}": Branch(factor) for factor in (2, 4, 8)},
    **{f"group{dim}x{factor}": Branch(factor, dim) for dim in (1, 2, 3) for factor in (2, 4, 8)},
}

JOINS = {
    "dot": Join("dot", 2),
    "scaled-dot": Join("scaled-dot", 2),
    "add": Join("add", None),
    **{f"concat{dim}x{factor}": Join("concat", factor, dim) for factor in (2, 4, 8) for dim in (1, 2, 3)},
}

PERMUTATIONS = {f"permute{order}": tuple(map(int, order)) for order in ("21", "132", "213", "231", "312", "321")}
"""Which dimension comes at each place; of two digits for (S, D), of three for (C, H, W)."""

WINDOWS = {
    f"im2col-k{kernel}s{stride}p{padding}": Window(kernel, stride, padding)
    for kernel, stride, padding in ((1, 1, 0), (1, 2, 0), (3, 1, 1), (3, 2, 1), (4, 4, 0), (8, 8, 0), (16, 16, 0))
}

WIDTHS = {f"linear{width}": width for width in (16, 32, 64, 128, 256, 512, 1024, 2048)}

ALTERNATIVES: dict[Symbol, tuple[str, ...]] = {
    "S": MODULES,
    "M": (*MODULES, COMPUTATION),
    "B": tuple(BRANCHES),
    "A": tuple(JOINS),
    "Pre": ("identity", *PERMUTATIONS, *WINDOWS),
    "Post": ("identity", *PERMUTATIONS, "col2im"),
    "C": ("identity", *WIDTHS, "norm", "leaky-relu", "softmax", "position"),
}

OPTIONS = tuple(dict.fromkeys(option for symbol in ALTERNATIVES.values() for option in symbol))
"""Every name that a node can have. A code of an integer row is a position in this tuple."""

CODE = {option: code for code, option in enumerate(OPTIONS)}

LEAST: dict[Symbol, int] = {"S": 5, "M": 2, "B": 1, "A": 1, "Pre": 1, "Post": 1, "C": 1}
"""Nodes of the smallest tree of each symbol: a module is at least 'computation' and its terminal."""


@cache
def modules_of(branch: str) -> int:
    """How many different modules follow a split: two for two branches, else one that every branch copies in structure."""
    return 2 if BRANCHES[branch].factor == 2 else 1


@cache
def children_of(option: str, branch: str | None = None) -> tuple[Symbol, ...]:
    """The symbols below an alternative of S or M; those of 'branching' depend on the split that follows it."""
    if option == "sequential":
        return ("M", "M")
    if option == "routing":
        return ("Pre", "M", "Post")
    if option == COMPUTATION:
        return ("C",)
    assert branch is not None
    return ("B", "M", "M", "A") if modules_of(branch) == 2 else ("B", "M", "A")


@cache
def least_nodes(option: str) -> int:
    """Nodes of the smallest tree that begins with an alternative of S or M."""
    if option == "branching":
        return 1 + LEAST["B"] + LEAST["M"] + LEAST["A"]
    return 1 + sum(LEAST[symbol] for symbol in children_of(option))


def count_trees(nodes: int) -> int:
    """How many trees derive from S with at most so many nodes.

    Joins are counted where they suit the number of branches. Whether shapes fit is not asked, nor how deep a tree is, so
    that this is an upper bound on the legal ones.
    """
    joins = {factor: sum(join.factor in (None, factor) for join in JOINS.values()) for factor in (2, 4, 8)}
    pairs = {
        modules: sum(joins[branch.factor] for name, branch in BRANCHES.items() if modules_of(name) == modules)
        for modules in (1, 2)
    }
    routes = len(ALTERNATIVES["Pre"]) * len(ALTERNATIVES["Post"])
    exactly = [0] * (nodes + 1)

    def two(left: int) -> int:
        return sum(exactly[first] * exactly[left - first] for first in range(2, left - 1))

    for count in range(2, nodes + 1):
        exactly[count] = len(ALTERNATIVES["C"]) * (count == 2) + two(count - 1)
        if count > 3:
            exactly[count] += (routes + pairs[1]) * exactly[count - 3] + pairs[2] * two(count - 3)
    return sum(exactly) - len(ALTERNATIVES["C"])
